// What statistics of another model do not fit.
module attributes {terse.rotation = "hadamard seed=0"} {
  func.func @forward(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
    %w = terse.weight "up.weight" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
    %gain = terse.weight "gain" = dense<1.0> : tensor<2xf32> -> tensor<2xf32>
    %n = terse.norm rms %x, %gain {epsilon = 1.0e-5} : tensor<3x2xf32>, tensor<2xf32>
    %y = terse.linear %n, %w {name = "up"} : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
    return %y : tensor<3x2xf32>
  }
}
