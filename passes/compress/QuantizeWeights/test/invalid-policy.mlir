// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-quantize-weights

func.func @policy(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error@below {{terse.policy: expected bits of 2, 3, 4 or 8; got '5'}}
  %y = terse.linear %x, %w {terse.policy = {bits = 5 : i64}} : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

func.func @noFile(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error@below {{expected statistics of the input of layer 'w'; got no file of statistics (stats=FILE)}}
  %y = terse.linear %x, %w {terse.policy = {method = "gptq"}} : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
