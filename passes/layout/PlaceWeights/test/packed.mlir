// RUN: terse-opt %s --terse-pack-weights --terse-place-weights | FileCheck %s

// Packed weights have panels of 16 rows; described is what they were packed from.
// CHECK-LABEL: module attributes {terse.weights = [
// CHECK-SAME: {bits = 4 : i64, {{.*}} group_size = 8 : i64, kind = "linear", name = "p.codes", {{.*}} shape = [2, 8]
// CHECK-SAME: kind = "scales", name = "p.scales", {{.*}} part_of = "p.codes"
// CHECK-SAME: kind = "linear", name = "f", offset = {{[0-9]+}} : i64, shape = [2, 2]
func.func @packed(%x: tensor<?x8xf32>) -> tensor<?x2xf32> {
  %c = terse.weight "p.codes" = dense<[[0x21, 0x43, 0x65, 0x87], [0xA9, 0xCB, 0xBA, 0xDC]]> : tensor<2x4xi8> -> tensor<2x4xi8>
  %s = terse.weight "p.scales" = dense<[[0.5], [0.25]]> : tensor<2x1xf16> -> tensor<2x1xf16>
  %y = terse.qlinear <i4, scale = f16, zero = none> %x, %c, %s : tensor<?x8xf32>, tensor<2x4xi8>, tensor<2x1xf16> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
func.func @float(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = terse.weight "f" = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  %y = terse.linear %x, %w {reduction_axis = 0 : i64} : tensor<?x2xf32>, tensor<2x2xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
