// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-fold-scales

func.func @weight(%x: tensor<3x2xf16>) -> tensor<3x2xf16> {
  %s = terse.weight "s" = dense<[2.0, 4.0]> : tensor<2xf32> -> tensor<2xf32>
  // expected-error@below {{expected scaled values of the weight 'w' within the range of 'f16'}}
  %w = terse.weight "w" = dense<3.0e4> : tensor<2x2xf16> -> tensor<2x2xf16>
  %ws = terse.scale_channels %w, %s {axis = 1 : i64} : tensor<2x2xf16>, tensor<2xf32>
  %y = terse.linear %x, %ws : tensor<3x2xf16>, tensor<2x2xf16> -> tensor<3x2xf16>
  return %y : tensor<3x2xf16>
}

// -----

func.func @gain(%x: tensor<3x2xf16>) -> tensor<3x2xf16> {
  %s = terse.weight "s" = dense<[2.0, 4.0]> : tensor<2xf32> -> tensor<2xf32>
  %gain = terse.weight "gain" = dense<3.0e4> : tensor<2xf16> -> tensor<2xf16>
  // expected-error@below {{expected values of the weight 'gain.scaled' within the range of 'f16'; got 1.200000e+05}}
  %n = terse.norm rms %x, %gain {epsilon = 1.0e-5} : tensor<3x2xf16>, tensor<2xf16>
  %ns = terse.scale_channels %n, %s {axis = 1 : i64} : tensor<3x2xf16>, tensor<2xf32>
  return %ns : tensor<3x2xf16>
}
