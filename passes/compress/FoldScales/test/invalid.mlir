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

func.func @codes(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %s = terse.weight "s" = dense<[2.0, 4.0]> : tensor<2xf32> -> tensor<2xf32>
  %codes = terse.weight "codes" = dense<1> : tensor<2x1xi8> -> tensor<2x1xi8>
  %scales = terse.weight "scales" = dense<3.0e4> : tensor<2x1xf16> -> tensor<2x1xf16>
  %d = terse.dequantize <i4, scale = f16, zero = none> %codes, %scales : tensor<2x1xi8>, tensor<2x1xf16> -> tensor<2x2xf32>
  // expected-error@below {{expected scales of codes within the range of f16 after smoothing; got 1.200000e+05 in output channel 1}}
  %z = terse.linear %x, %d : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  %zs = terse.scale_channels %z, %s {axis = 1 : i64} : tensor<3x2xf32>, tensor<2xf32>
  return %zs : tensor<3x2xf32>
}
