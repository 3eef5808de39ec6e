// RUN: terse-opt %s --terse-pack-weights | FileCheck %s

// Column 0 has codes 1 .. 8: bytes 0x51, 0x62, 0x73, 0x84, low nibbles k = 0 .. 3 and high ones k = 4 .. 7. Column 1
// has 9 .. 12 and 10 .. 13, in the next four bytes.
// CHECK-LABEL: func.func @forward
// CHECK-DAG: terse.weight "w.codes" = dense<{{\[\[}}81, 98, 115, -124, -87, -70, -53, -36, 0, 0,
// CHECK-DAG: terse.weight "w.scales" = dense<{{.*}}[5.000000e-01, 2.500000e-01, 0.000000e+00
// CHECK: kernel.qlinear <i4, scale = f16, zero = none>
func.func @forward(%x: tensor<?x8xf32>) -> tensor<?x2xf32> {
  %c = terse.weight "w.codes" = dense<[[0x21, 0x43, 0x65, 0x87], [0xA9, 0xCB, 0xBA, 0xDC]]> : tensor<2x4xi8> -> tensor<2x4xi8>
  %s = terse.weight "w.scales" = dense<[[0.5], [0.25]]> : tensor<2x1xf16> -> tensor<2x1xf16>
  %y = terse.qlinear <i4, scale = f16, zero = none> %x, %c, %s : tensor<?x8xf32>, tensor<2x4xi8>, tensor<2x1xf16> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// A float weight [K, N]: panels of 16 columns, row by row.
// CHECK-LABEL: func.func @float
// CHECK: terse.weight "f" = dense<{{.*}}[1.000000e+00, 2.000000e+00, 0.000000e+00
// CHECK: kernel.linear
func.func @float(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = terse.weight "f" = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  %y = terse.linear %x, %w {reduction_axis = 0 : i64} : tensor<?x2xf32>, tensor<2x2xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// Two codes of each four: 3 and 9 at k = 0 and 2 in low nibbles, 5 and 8 (zero) at k = 8 and 9 in high ones. Places lie behind 128 bytes.
// CHECK-LABEL: func.func @sparse
// CHECK: terse.weight "s.codes" = dense<"0x5389888888888888{{(88)+}}0056005500550055{{.*}}">
// CHECK: kernel.qlinear {{.*}} {sparse}
func.func @sparse(%x: tensor<?x32xf32>) -> tensor<?x1xf32> {
  %c = terse.weight "s.codes" = dense<[[0x83, 0x89, 0x88, 0x88, 0x85, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88]]> : tensor<1x16xi8> -> tensor<1x16xi8>
  %s = terse.weight "s.scales" = dense<0.5> : tensor<1x1xf16> -> tensor<1x1xf16>
  %y = terse.qlinear <i4, scale = f16, zero = none> %x, %c, %s : tensor<?x32xf32>, tensor<1x16xi8>, tensor<1x1xf16> -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// Codes 0 .. 7, each for four k: 0 and 1 in the first plane's low six bits, 2 and 3, 4 and 5 in the next ones', of 6 and 7 bits in each.
// CHECK-LABEL: func.func @three_bits
// CHECK: terse.weight "h.codes" = dense<"0xC8C8C8C8{{(00)+}}9A9A9A9A{{(00)+}}ECECECEC{{(00)+}}">
func.func @three_bits(%x: tensor<?x32xf32>) -> tensor<?x1xf32> {
  %c = terse.weight "h.codes" = dense<[[0, -112, 36, -110, -76, 109, 36, -39, -74, -74, -3, -1]]> : tensor<1x12xi8> -> tensor<1x12xi8>
  %s = terse.weight "h.scales" = dense<0.5> : tensor<1x1xf16> -> tensor<1x1xf16>
  %y = terse.qlinear <i3, scale = f16, zero = none> %x, %c, %s : tensor<?x32xf32>, tensor<1x12xi8>, tensor<1x1xf16> -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// Three of four, or an input that is not rounded: all codes are stored.
// CHECK-LABEL: func.func @dense
// CHECK-COUNT-2: kernel.qlinear {{.*}} : tensor<?x32xf32>, tensor<1x256xi8>
func.func @dense(%x: tensor<?x32xf32>) -> (tensor<?x1xf32>, tensor<?x1xf32>) {
  %c = terse.weight "d.codes" = dense<[[0x83, 0x98, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x79, 0x86]]> : tensor<1x16xi8> -> tensor<1x16xi8>
  %t = terse.weight "t.codes" = dense<0x88> : tensor<1x16xi8> -> tensor<1x16xi8>
  %s = terse.weight "d.scales" = dense<0.5> : tensor<1x1xf16> -> tensor<1x1xf16>
  %y = terse.qlinear <i4, scale = f16, zero = none> %x, %c, %s : tensor<?x32xf32>, tensor<1x16xi8>, tensor<1x1xf16> -> tensor<?x1xf32>
  %z = terse.qlinear <i4, scale = f16, zero = none> %x, %t, %s {grid = #terse.grid<none>} : tensor<?x32xf32>, tensor<1x16xi8>, tensor<1x1xf16> -> tensor<?x1xf32>
  return %y, %z : tensor<?x1xf32>, tensor<?x1xf32>
}

// A weight of bf16: the pairs of k of each column together, the last one filled up with 0.
// CHECK-LABEL: func.func @pairs
// CHECK: terse.weight "p" = dense<{{\[\[\[}}1.000000e+00, 2.000000e+00, 4.000000e+00, 5.000000e+00, 0.000000e+00
// CHECK-SAME: [3.000000e+00, 0.000000e+00, 6.000000e+00, 0.000000e+00, 0.000000e+00
// CHECK: kernel.linear {{.*}} : tensor<?x3xf32>, tensor<1x2x32xbf16> -> tensor<?x2xf32>
func.func @pairs(%x: tensor<?x3xf32>) -> tensor<?x2xf32> {
  %w = terse.weight "p" = dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xbf16> -> tensor<2x3xbf16>
  %y = terse.linear %x, %w : tensor<?x3xf32>, tensor<2x3xbf16> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
