// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-prune-magnitude="head=true"
// RUN: not terse-opt %s --terse-prune-magnitude="sparsity=1" 2>&1 | FileCheck %s --check-prefix=SPARSITY
// RUN: not terse-opt %s --terse-prune-magnitude="pattern=4:2" 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: not terse-opt %s --terse-prune-magnitude="exclude=mlp(" 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not terse-opt %s --terse-prune-magnitude="layers=nowhere" 2>&1 | FileCheck %s --check-prefix=NONE

// SPARSITY: terse-prune-magnitude: expected a sparsity of 0 or more and less than 1; got 1
// PATTERN: expected a pattern N:M with 0 < N < M <= 64; got '4:2'
// REGEX: expected exclude to be a regular expression; got 'mlp('
// NONE: expected layers to match the name of a layer; got 'nowhere'

func.func @nan(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = dense<[[1.0, 2.0], [0x7FC00000, 0.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error@below {{expected finite weights; got NaN or infinity in output channel 1 of layer 'up'}}
  %y = terse.linear %x, %w {name = "up"} : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

func.func @missing(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = #terse.file<"nowhere.onnx", 0, 16> -> tensor<2x2xf32>
  // expected-error@below {{cannot read the weight of layer 'w': 'nowhere.onnx': cannot open: No such file or directory}}
  %y = terse.linear %x, %w : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
