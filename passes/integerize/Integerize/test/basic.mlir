// RUN: terse-opt %s --terse-integerize --terse-print-report 2>&1 | FileCheck %s

// CHECK: terse-integerize: layers-integerized 6
// CHECK: terse-integerize: layers-weight-only 3
// CHECK: terse-integerize: layers-left 1
// CHECK: terse-integerize: embeddings-integerized 3

// CHECK-LABEL: func.func @linear
// CHECK-SAME: (%[[X:[a-z0-9]*]]: tensor<3x8xf32>, %[[CODES:[a-z0-9]*]]: {{.*}}, %[[SCALES:[a-z0-9]*]]: {{.*}}, %[[ZEROS:[a-z0-9]*]]: tensor<4x2xi8>, %[[BIAS:[a-z0-9]*]]: tensor<4xf32>)
// CHECK-NEXT: %[[A:.*]] = terse.qlinear <i4, group = 4, scale = f16, zero = integer> %[[X]], %[[CODES]], %[[SCALES]] zero %[[ZEROS]] : tensor<4x2xi8> {name = "q"}
// CHECK-NEXT: %[[B:.*]] = terse.qlinear {{.*}} zero %[[ZEROS]] : tensor<4x2xi8> bias %[[BIAS]] : tensor<4xf32> {name = "k"}
// CHECK-NEXT: return %[[A]], %[[B]]
func.func @linear(%x: tensor<3x8xf32>, %codes: tensor<4x4xi8>, %scales: tensor<4x2xf16>, %zeros: tensor<4x2xi8>, %bias: tensor<4xf32>)
    -> (tensor<3x4xf32>, tensor<3x4xf32>) {
  %xq = terse.quantize_dynamic %x : tensor<3x8xf32>
  %w = terse.dequantize <i4, group = 4, scale = f16, zero = integer> %codes, %scales zero %zeros : tensor<4x2xi8> : tensor<4x4xi8>, tensor<4x2xf16> -> tensor<4x8xf32>
  %a = terse.linear %xq, %w {name = "q"} : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  %b = terse.linear %xq, %w bias %bias : tensor<4xf32> {name = "k"} : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  return %a, %b : tensor<3x4xf32>, tensor<3x4xf32>
}

// The input is not rounded: products are of floats and codes.
// CHECK-LABEL: func.func @float_input
// CHECK: terse.qlinear {{.*}} {grid = #terse.grid<none>}
func.func @float_input(%x: tensor<3x8xf32>, %codes: tensor<4x8xi8>, %scales: tensor<4x1xf16>) -> tensor<3x4xf32> {
  %w = terse.dequantize <i8, scale = f16, zero = none> %codes, %scales : tensor<4x8xi8>, tensor<4x1xf16> -> tensor<4x8xf32>
  %y = terse.linear %x, %w : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// Unless the file allows it.
// CHECK-LABEL: func.func @allowed
// CHECK: terse.qlinear
// CHECK-NOT: grid
// CHECK: return
func.func @allowed(%x: tensor<3x8xf32>, %codes: tensor<4x8xi8>, %scales: tensor<4x1xf16>) -> tensor<3x4xf32> {
  %w = terse.dequantize <i8, scale = f16, zero = none> %codes, %scales : tensor<4x8xi8>, tensor<4x1xf16> -> tensor<4x8xf32>
  %y = terse.linear %x, %w {terse.round_input} : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// Grids of whole tensors and fixed ones; one of 16 bits is none.
// CHECK-LABEL: func.func @grids
// CHECK: terse.quantize_static {{.*}} low = -32768
// CHECK: terse.qlinear {{.*}} {grid = #terse.grid<tensor>}
// CHECK: terse.qlinear {{.*}} {grid = #terse.grid<fixed, scale = 2.500000e-01 : f64, zero = 3, high = 255>}
// CHECK: terse.qlinear {{.*}} {grid = #terse.grid<none>}
func.func @grids(%x: tensor<3x8xf32>, %codes: tensor<4x8xi8>, %scales: tensor<4x1xf16>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) {
  %w = terse.dequantize <i8, scale = f16, zero = none> %codes, %scales : tensor<4x8xi8>, tensor<4x1xf16> -> tensor<4x8xf32>
  %a = terse.quantize_dynamic %x {per_tensor} : tensor<3x8xf32>
  %b = terse.quantize_static %x {scale = 0.25, zero = 3 : i64, low = 0 : i64, high = 255 : i64} : tensor<3x8xf32>
  %c = terse.quantize_static %x {scale = 0.25, zero = 0 : i64, low = -32768 : i64, high = 32767 : i64} : tensor<3x8xf32>
  %y = terse.linear %a, %w : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  %z = terse.linear %b, %w : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  %t = terse.linear %c, %w : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  return %y, %z, %t : tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>
}

// Codes that do not lie along the summed axis.
// CHECK-LABEL: func.func @other_axis
// CHECK: terse.dequantize
// CHECK: terse.linear
func.func @other_axis(%x: tensor<3x8xf32>, %codes: tensor<8x4xi8>, %scales: tensor<8x1xf16>) -> tensor<3x4xf32> {
  %w = terse.dequantize <i8, scale = f16, zero = none> %codes, %scales : tensor<8x4xi8>, tensor<8x1xf16> -> tensor<8x4xf32>
  %y = terse.linear %x, %w {reduction_axis = 0 : i64} : tensor<3x8xf32>, tensor<8x4xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// CHECK-LABEL: func.func @embedding
// CHECK-SAME: (%[[IDS:[a-z0-9]*]]: tensor<?x?xi64>, %[[CODES:[a-z0-9]*]]: {{.*}}, %[[SCALES:[a-z0-9]*]]:
// CHECK-NEXT: %[[C:.*]] = terse.embedding %[[IDS]], %[[CODES]] {name = "table"} : tensor<?x?xi64>, tensor<9x8xi8> -> tensor<?x?x8xi8>
// CHECK-NEXT: %[[S:.*]] = terse.embedding %[[IDS]], %[[SCALES]] {name = "table"} : tensor<?x?xi64>, tensor<9x1xf16> -> tensor<?x?x1xf16>
// CHECK-NEXT: terse.dequantize <i8, scale = f16, zero = none> %[[C]], %[[S]] : tensor<?x?x8xi8>, tensor<?x?x1xf16> -> tensor<?x?x8xf32>
func.func @embedding(%ids: tensor<?x?xi64>, %codes: tensor<9x8xi8>, %scales: tensor<9x1xf16>) -> tensor<?x?x8xf32> {
  %w = terse.dequantize <i8, scale = f16, zero = none> %codes, %scales : tensor<9x8xi8>, tensor<9x1xf16> -> tensor<9x8xf32>
  %y = terse.embedding %ids, %w {name = "table"} : tensor<?x?xi64>, tensor<9x8xf32> -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// Scales of rows are gathered too.
// CHECK-LABEL: func.func @double
// CHECK-DAG: %[[S:.*]] = terse.embedding %{{.*}}, %{{.*}} : tensor<?xi64>, tensor<9x2xi8> -> tensor<?x2xi8>
// CHECK-DAG: %[[R:.*]] = terse.embedding %{{.*}}, %{{.*}} : tensor<?xi64>, tensor<9x1xf32> -> tensor<?x1xf32>
// CHECK: terse.dequantize <i8, group = 4, scale = i8, zero = none> %{{.*}}, %[[S]] rows %[[R]]
// CHECK: terse.qlinear <i8, group = 4, scale = i8, zero = none> %{{.*}}, %{{.*}}, %{{.*}} rows %{{.*}} : tensor<9x1xf32>
func.func @double(%ids: tensor<?xi64>, %codes: tensor<9x8xi8>, %scales: tensor<9x2xi8>, %rows: tensor<9x1xf32>) -> tensor<?x9xf32> {
  %w = terse.dequantize <i8, group = 4, scale = i8, zero = none> %codes, %scales rows %rows : tensor<9x1xf32> : tensor<9x8xi8>, tensor<9x2xi8> -> tensor<9x8xf32>
  %x = terse.embedding %ids, %w : tensor<?xi64>, tensor<9x8xf32> -> tensor<?x8xf32>
  %y = terse.linear %x, %w : tensor<?x8xf32>, tensor<9x8xf32> -> tensor<?x9xf32>
  return %y : tensor<?x9xf32>
}

// One scale for all rows is not gathered.
// CHECK-LABEL: func.func @one_scale
// CHECK-DAG: %[[ONE:.*]] = arith.constant 2.500000e-01 : f32
// CHECK-DAG: %[[C:.*]] = terse.embedding {{.*}} -> tensor<?x8xi8>
// CHECK: %[[S:.*]] = tensor.splat %[[ONE]]{{.*}} : tensor<?x1xf32>
// CHECK: terse.dequantize <i8, scale = f32, zero = none> %[[C]], %[[S]]
func.func @one_scale(%ids: tensor<?xi64>, %codes: tensor<9x8xi8>) -> tensor<?x8xf32> {
  %scales = arith.constant dense<0.25> : tensor<9x1xf32>
  %w = terse.dequantize <i8, scale = f32, zero = none> %codes, %scales : tensor<9x8xi8>, tensor<9x1xf32> -> tensor<9x8xf32>
  %y = terse.embedding %ids, %w : tensor<?xi64>, tensor<9x8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// What is pruned stays so.
// CHECK-LABEL: func.func @sparse
// CHECK: terse.qlinear {{.*}} {terse.sparsity = "2:4"}
func.func @sparse(%x: tensor<3x8xf32>, %codes: tensor<4x4xi8>, %scales: tensor<4x1xf16>) -> tensor<3x4xf32> {
  %xq = terse.quantize_dynamic %x : tensor<3x8xf32>
  %w = terse.dequantize <i4, scale = f16, zero = none> %codes, %scales : tensor<4x4xi8>, tensor<4x1xf16> -> tensor<4x8xf32>
  %y = terse.linear %xq, %w {terse.sparsity = "2:4"} : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
