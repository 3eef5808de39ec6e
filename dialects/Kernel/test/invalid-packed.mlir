// RUN: terse-opt %s --split-input-file --verify-diagnostics

// P1
func.func @leading(%x: tensor<3x40xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>) -> tensor<2x24xf32> {
  // expected-error @+1 {{expected input and result of the same leading dimensions; got 'tensor<3x40xf32>' and 'tensor<2x24xf32>'}}
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %x, %c, %s
    : tensor<3x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<2x24xf32>
  return %0 : tensor<2x24xf32>
}

// -----

// P2
func.func @dynamic(%x: tensor<?x?xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>) -> tensor<?x24xf32> {
  // expected-error @+1 {{expected static numbers of channels; got 'tensor<?x?xf32>' and 'tensor<?x24xf32>'}}
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %x, %c, %s
    : tensor<?x?xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// -----

// P3
func.func @bias(%x: tensor<?x40xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>, %b: tensor<24xf32>) -> tensor<?x24xf32> {
  // expected-error @+1 {{expected a bias of shape [2, 16]; got 'tensor<24xf32>'}}
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %x, %c, %s bias %b : tensor<24xf32>
    : tensor<?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// -----

// P4
func.func @residual(%x: tensor<?x40xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>) -> tensor<?x24xf32> {
  // expected-error @+1 {{expected a residual of type 'tensor<?x24xf32>'; got 'tensor<?x40xf32>'}}
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %x, %c, %s residual %x : tensor<?x40xf32>
    : tensor<?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// -----

// P5
func.func @codes(%x: tensor<?x40xf32>, %c: tensor<2x300xi8>, %s: tensor<2x3x16xf16>) -> tensor<?x24xf32> {
  // expected-error @+1 {{expected codes of shape [2, 320]; got 'tensor<2x300xi8>'}}
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %x, %c, %s
    : tensor<?x40xf32>, tensor<2x300xi8>, tensor<2x3x16xf16> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// -----

// P6
func.func @scales(%x: tensor<?x40xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf32>) -> tensor<?x24xf32> {
  // expected-error @+1 {{expected scales of 'tensor<2x3x16xf16>'; got 'tensor<2x3x16xf32>'}}
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %x, %c, %s
    : tensor<?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf32> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// -----

// P7
func.func @zero(%x: tensor<?x40xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>) -> tensor<?x24xf32> {
  // expected-error @+1 {{expected zero points exactly when the scheme has them}}
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = integer> %x, %c, %s
    : tensor<?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// -----

// P8
func.func @zero_points(%x: tensor<?x40xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>, %z: tensor<2x3xi8>) -> tensor<?x24xf32> {
  // expected-error @+1 {{expected zero points of shape [2, 3, 8]; got 'tensor<2x3xi8>'}}
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = integer> %x, %c, %s zero %z : tensor<2x3xi8>
    : tensor<?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// -----

// P9
func.func @weight(%x: tensor<?x40xf32>, %w: tensor<40x24xf32>) -> tensor<?x24xf32> {
  // expected-error @+1 {{expected a weight of shape [2, 40, 16]; got 'tensor<40x24xf32>'}}
  %0 = kernel.linear %x, %w : tensor<?x40xf32>, tensor<40x24xf32> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// -----

// P9
func.func @pairs(%x: tensor<?x41xf32>, %w: tensor<2x41x16xbf16>) -> tensor<?x24xf32> {
  // expected-error @+1 {{expected a weight of shape [2, 21, 32]; got 'tensor<2x41x16xbf16>'}}
  %0 = kernel.linear %x, %w : tensor<?x41xf32>, tensor<2x41x16xbf16> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// -----

// P10
func.func @sums(%x: tensor<?x40xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>) -> tensor<?x24xf32> {
  // expected-error @+1 {{expected sums of columns of shape [2, 16] exactly when the grid of the input has a zero point}}
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %x, %c, %s {grid = #terse.grid<tensor>}
    : tensor<?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// -----

// P11
func.func @sparse(%x: tensor<?x32xf32>, %c: tensor<1x192xi8>, %s: tensor<1x1x16xf16>) -> tensor<?x16xf32> {
  // expected-error @+1 {{expected a symmetric scheme of 4 bits and a rounded input of sparse codes; got #terse.scheme<i2, scale = f16, zero = none>}}
  %0 = kernel.qlinear <i2, scale = f16, zero = none> %x, %c, %s {sparse} : tensor<?x32xf32>, tensor<1x192xi8>, tensor<1x1x16xf16> -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}

// -----

// P11
func.func @not_rounded(%x: tensor<?x32xf32>, %c: tensor<1x192xi8>, %s: tensor<1x1x16xf16>) -> tensor<?x16xf32> {
  // expected-error @+1 {{expected a symmetric scheme of 4 bits and a rounded input of sparse codes}}
  %0 = kernel.qlinear <i4, scale = f16, zero = none> %x, %c, %s {sparse, grid = #terse.grid<none>} : tensor<?x32xf32>, tensor<1x192xi8>, tensor<1x1x16xf16> -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}

// -----

// P12
func.func @f(%x: tensor<?x32xf32>, %c: tensor<1x256xi8>, %s: tensor<1x1x16xi8>) {
  // expected-error@below {{expected scales of rows of shape [1, 16] exactly when scales are of i8}}
  %0 = kernel.qlinear <i4, scale = i8, zero = none> %x, %c, %s : tensor<?x32xf32>, tensor<1x256xi8>, tensor<1x1x16xi8> -> tensor<?x16xf32>
  return
}

// -----

// P12
func.func @f(%x: tensor<?x32xf32>, %c: tensor<1x256xi8>, %s: tensor<1x1x16xi8>, %r: tensor<16xf32>) {
  // expected-error@below {{expected scales of rows of shape [1, 16] exactly when scales are of i8}}
  %0 = kernel.qlinear <i4, scale = i8, zero = none> %x, %c, %s rows %r : tensor<16xf32> : tensor<?x32xf32>, tensor<1x256xi8>, tensor<1x1x16xi8> -> tensor<?x16xf32>
  return
}

// -----

// P13
// expected-error @+1 {{expected 2 to 16 rows; got 17}}
func.func private @tiling() attributes {tiling = #kernel.tiling<few_rows = 17>}

// -----

// P14
// expected-error @+1 {{expected 1 to 8 panels; got 9}}
func.func private @tiling() attributes {tiling = #kernel.tiling<one_panels = 9>}

// -----

// P15
// expected-error @+1 {{expected a number of rows from which on weights are unpacked; got -1}}
func.func private @tiling() attributes {tiling = #kernel.tiling<unpacked_from = -1>}

// -----

// P16
// expected-error @+1 {{expected 0 to 65536 bytes to prefetch; got 65537}}
func.func private @tiling() attributes {tiling = #kernel.tiling<prefetch = 65537>}

// -----

// P16
// expected-error @+1 {{expected 0 to 65536 bytes to prefetch; got -1}}
func.func private @tiling() attributes {tiling = #kernel.tiling<one_prefetch = -1>}
