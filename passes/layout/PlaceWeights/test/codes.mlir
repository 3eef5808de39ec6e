// RUN: terse-opt %s --split-input-file --terse-place-weights | FileCheck %s

// Codes are described as the values that they mean, scales and zero points as
// their parts.
// CHECK-LABEL: module attributes {terse.weights = [
// CHECK-SAME: {bits = 4 : i64, bytes = 16 : i64, {{.*}} group_size = 4 : i64, kind = "linear", name = "w.codes", offset = 0 : i64, scale = "f16", shape = [4, 8], symmetric = false, type = tensor<4x4xi8>}
// CHECK-SAME: kind = "scales", name = "w.scales", offset = 64 : i64, part_of = "w.codes"
// CHECK-SAME: kind = "zero_points", name = "w.zeros", offset = 128 : i64, part_of = "w.codes"
func.func @linear(%x: tensor<2x8xf32>) -> tensor<2x4xf32> {
  %codes = terse.weight "w.codes" = #terse.file<"a", 0, 16> -> tensor<4x4xi8>
  %scales = terse.weight "w.scales" = #terse.file<"a", 16, 16> -> tensor<4x2xf16>
  %zeros = terse.weight "w.zeros" = #terse.file<"a", 32, 8> -> tensor<4x2xi8>
  %y = terse.qlinear <i4, group = 4, scale = f16, zero = integer> %x, %codes, %scales zero %zeros : tensor<4x2xi8> : tensor<2x8xf32>, tensor<4x4xi8>, tensor<4x2xf16> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

// Rows of a table are gathered before they are dequantized.
// CHECK-LABEL: module attributes {terse.weights = [
// CHECK-SAME: {bits = 8 : i64, {{.*}} group_size = 8 : i64, kind = "embedding", name = "t.codes", {{.*}} shape = [9, 8], symmetric = true
// CHECK-SAME: kind = "scales", name = "t.scales", offset = 128 : i64, part_of = "t.codes"
func.func @embedding(%ids: tensor<1x3xi64>) -> tensor<1x3x8xf32> {
  %codes = terse.weight "t.codes" = #terse.file<"a", 0, 72> -> tensor<9x8xi8>
  %scales = terse.weight "t.scales" = #terse.file<"a", 72, 36> -> tensor<9x1xf32>
  %c = terse.embedding %ids, %codes : tensor<1x3xi64>, tensor<9x8xi8> -> tensor<1x3x8xi8>
  %s = terse.embedding %ids, %scales : tensor<1x3xi64>, tensor<9x1xf32> -> tensor<1x3x1xf32>
  %y = terse.dequantize <i8, scale = f32, zero = none> %c, %s : tensor<1x3x8xi8>, tensor<1x3x1xf32> -> tensor<1x3x8xf32>
  return %y : tensor<1x3x8xf32>
}

// -----

// CHECK-LABEL: module attributes {terse.weights = [
// CHECK-SAME: bits = 4 : i64, {{.*}} kind = "linear", name = "d.codes"
func.func @dequantized(%x: tensor<2x8xf32>) -> tensor<2x4xf32> {
  %codes = terse.weight "d.codes" = #terse.file<"a", 0, 16> -> tensor<4x4xi8>
  %scales = terse.weight "d.scales" = #terse.file<"a", 16, 16> -> tensor<4x2xf16>
  %w = terse.dequantize <i4, group = 4, scale = f16, zero = none> %codes, %scales : tensor<4x4xi8>, tensor<4x2xf16> -> tensor<4x8xf32>
  %y = terse.linear %x, %w : tensor<2x8xf32>, tensor<4x8xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

// CHECK-LABEL: module attributes {terse.weights = [
// CHECK-SAME: kind = "embedding", name = "t.codes", {{[^}]*}} scale = "i8"
// CHECK-SAME: kind = "scales", name = "t.scales", {{[^}]*}} part_of = "t.codes"
// CHECK-SAME: kind = "row_scales", name = "t.rows", {{[^}]*}} part_of = "t.codes"
func.func @double(%ids: tensor<1x3xi64>) -> tensor<1x3x8xf32> {
  %codes = terse.weight "t.codes" = #terse.file<"a", 0, 72> -> tensor<9x8xi8>
  %scales = terse.weight "t.scales" = #terse.file<"a", 72, 18> -> tensor<9x2xi8>
  %rows = terse.weight "t.rows" = #terse.file<"a", 92, 36> -> tensor<9x1xf32>
  %c = terse.embedding %ids, %codes : tensor<1x3xi64>, tensor<9x8xi8> -> tensor<1x3x8xi8>
  %s = terse.embedding %ids, %scales : tensor<1x3xi64>, tensor<9x2xi8> -> tensor<1x3x2xi8>
  %r = terse.embedding %ids, %rows : tensor<1x3xi64>, tensor<9x1xf32> -> tensor<1x3x1xf32>
  %y = terse.dequantize <i8, group = 4, scale = i8, zero = none> %c, %s rows %r : tensor<1x3x1xf32> : tensor<1x3x8xi8>, tensor<1x3x2xi8> -> tensor<1x3x8xf32>
  return %y : tensor<1x3x8xf32>
}
