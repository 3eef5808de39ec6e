// RUN: terse-opt %s --terse-simplify-movement=through-layers=true | FileCheck %s
// RUN: terse-opt %s --terse-simplify-movement | FileCheck %s --check-prefix=WITHOUT

// Rows of a layer are the layer of rows; its channels are not cut.

// CHECK-LABEL: func.func @rows
// CHECK: %[[ROWS:.*]] = tensor.extract_slice %arg0[0, 3, 0] [2, 1, 8] [1, 1, 1] : tensor<2x4x8xf32> to tensor<2x1x8xf32>
// CHECK: %[[Q:.*]] = terse.quantize_static %[[ROWS]]
// CHECK: %[[Y:.*]] = terse.linear %[[Q]], %arg1 bias %arg2 {{.*}} -> tensor<2x1x16xf32>
// CHECK: return %[[Y]]
// WITHOUT-LABEL: func.func @rows
// WITHOUT: terse.linear {{.*}} -> tensor<2x4x16xf32>
// WITHOUT: tensor.extract_slice
func.func @rows(%x: tensor<2x4x8xf32>, %w: tensor<16x8xf32>, %b: tensor<16xf32>) -> tensor<2x1x16xf32> {
  %q = terse.quantize_static %x {high = 127 : i64, low = -128 : i64, scale = 0.1 : f64, zero = 0 : i64} : tensor<2x4x8xf32>
  %y = terse.linear %q, %w bias %b : tensor<16xf32> : tensor<2x4x8xf32>, tensor<16x8xf32> -> tensor<2x4x16xf32>
  %r = tensor.extract_slice %y[0, 3, 0] [2, 1, 16] [1, 1, 1] : tensor<2x4x16xf32> to tensor<2x1x16xf32>
  return %r : tensor<2x1x16xf32>
}

// CHECK-LABEL: func.func @channels
// CHECK: terse.linear {{.*}} -> tensor<2x4x16xf32>
// CHECK: tensor.extract_slice
func.func @channels(%x: tensor<2x4x8xf32>, %w: tensor<16x8xf32>) -> tensor<2x1x4xf32> {
  %y = terse.linear %x, %w : tensor<2x4x8xf32>, tensor<16x8xf32> -> tensor<2x4x16xf32>
  %r = tensor.extract_slice %y[0, 3, 0] [2, 1, 4] [1, 1, 1] : tensor<2x4x16xf32> to tensor<2x1x4xf32>
  return %r : tensor<2x1x4xf32>
}

// The range of all rows is not that of a few.

// CHECK-LABEL: func.func @range
// CHECK: terse.quantize_dynamic %arg0 {per_tensor} : tensor<4x8xf32>
func.func @range(%x: tensor<4x8xf32>) -> tensor<1x8xf32> {
  %q = terse.quantize_dynamic %x {per_tensor} : tensor<4x8xf32>
  %r = tensor.extract_slice %q[3, 0] [1, 8] [1, 1] : tensor<4x8xf32> to tensor<1x8xf32>
  return %r : tensor<1x8xf32>
}

// What is read in another way too is there anyway.

// CHECK-LABEL: func.func @shared
// CHECK: %[[Y:.*]] = terse.norm rms %arg0
// CHECK: tensor.extract_slice %[[Y]]
func.func @shared(%x: tensor<4x8xf32>, %s: tensor<8xf32>) -> (tensor<1x8xf32>, tensor<4x8xf32>) {
  %y = terse.norm rms %x, %s {epsilon = 1.0e-5 : f64} : tensor<4x8xf32>, tensor<8xf32>
  %r = tensor.extract_slice %y[3, 0] [1, 8] [1, 1] : tensor<4x8xf32> to tensor<1x8xf32>
  return %r, %y : tensor<1x8xf32>, tensor<4x8xf32>
}

// CHECK-LABEL: func.func @scales
// CHECK-DAG: terse.scale_channels %{{.*}}, %arg1 {axis = 1 : i64} : tensor<1x8xf32>
// CHECK-DAG: terse.scale_channels %arg0, %arg2 {axis = 0 : i64} : tensor<4x8xf32>
func.func @scales(%x: tensor<4x8xf32>, %s: tensor<8xf32>, %t: tensor<4xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
  %y = terse.scale_channels %x, %s {axis = 1 : i64} : tensor<4x8xf32>, tensor<8xf32>
  %z = terse.scale_channels %x, %t {axis = 0 : i64} : tensor<4x8xf32>, tensor<4xf32>
  %r = tensor.extract_slice %y[3, 0] [1, 8] [1, 1] : tensor<4x8xf32> to tensor<1x8xf32>
  %q = tensor.extract_slice %z[3, 0] [1, 8] [1, 1] : tensor<4x8xf32> to tensor<1x8xf32>
  return %r, %q : tensor<1x8xf32>, tensor<1x8xf32>
}
