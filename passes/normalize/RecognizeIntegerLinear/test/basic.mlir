// RUN: terse-opt %s --terse-recognize-integer-linear --terse-print-report 2>&1 | FileCheck %s

// CHECK: integer-layers-recognized 2
// CHECK: integer-products-left 1

// Scales for each output channel, multiplied with the input's first.
// CHECK-LABEL: func.func @channels
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>)
// CHECK: %[[W:.*]] = terse.dequantize <i8, scale = f32, zero = none> {{.*}} : tensor<3x4xi8>, tensor<3x1xf32> -> tensor<3x4xf32>
// CHECK: %[[R:.*]] = terse.quantize_dynamic %[[X]] {per_tensor}
// CHECK: %[[Y:.*]] = terse.linear %[[R]], %[[W]] {name = "layer"}
// CHECK: return %[[Y]]
func.func @channels(%x: tensor<?x4xf32>) -> tensor<?x3xf32> {
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %x, %c0 : tensor<?x4xf32>
  %w = terse.weight "layer.weight" = dense<[[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]> : tensor<3x4xi8> -> tensor<3x4xi8>
  %middle = arith.constant dense<128> : tensor<3x4xi32>
  %scales = arith.constant dense<[0.5, 0.25, 0.125]> : tensor<3xf32>
  %codes, %scale, %zero = terse.quantize_tensor %x : tensor<?x4xf32> -> tensor<?x4xi8>, tensor<f32>, tensor<i8>
  %wide = arith.extui %codes : tensor<?x4xi8> to tensor<?x4xi32>
  %wide_zero = arith.extui %zero : tensor<i8> to tensor<i32>
  %e0 = tensor.empty(%rows) : tensor<?x4xi32>
  %zeros = linalg.broadcast ins(%wide_zero : tensor<i32>) outs(%e0 : tensor<?x4xi32>) dimensions = [0, 1]
  %centred = arith.subi %wide, %zeros : tensor<?x4xi32>
  %wide_w = arith.extui %w : tensor<3x4xi8> to tensor<3x4xi32>
  %centred_w = arith.subi %wide_w, %middle : tensor<3x4xi32>
  %e1 = tensor.empty() : tensor<4x3xi32>
  %turned = linalg.transpose ins(%centred_w : tensor<3x4xi32>) outs(%e1 : tensor<4x3xi32>) permutation = [1, 0]
  %sum = terse.matmul %centred, %turned : tensor<?x4xi32>, tensor<4x3xi32> -> tensor<?x3xi32>
  %float = arith.sitofp %sum : tensor<?x3xi32> to tensor<?x3xf32>
  %e2 = tensor.empty() : tensor<3xf32>
  %scale_v = linalg.broadcast ins(%scale : tensor<f32>) outs(%e2 : tensor<3xf32>) dimensions = [0]
  %both = arith.mulf %scale_v, %scales : tensor<3xf32>
  %e3 = tensor.empty(%rows) : tensor<?x3xf32>
  %all = linalg.broadcast ins(%both : tensor<3xf32>) outs(%e3 : tensor<?x3xf32>) dimensions = [0]
  %y = arith.mulf %float, %all : tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// One scale, and a zero point; tokens of a batch are rows of one product.
// CHECK-LABEL: func.func @tokens
// CHECK-SAME: (%[[X:.*]]: tensor<2x5x4xf32>)
// CHECK-DAG: %[[S:.*]] = arith.constant dense<2.500000e-01> : tensor<3x1xf32>
// CHECK-DAG: %[[Z:.*]] = arith.constant dense<7> : tensor<3x1xi8>
// CHECK: terse.dequantize <i8, scale = f32, zero = integer> %{{.*}}, %[[S]] zero %[[Z]]
// CHECK: %[[R:.*]] = terse.quantize_dynamic %[[X]] {per_tensor}
// CHECK: %[[F:.*]] = tensor.collapse_shape %[[R]] {{\[\[}}0, 1], [2]]
// CHECK: %[[L:.*]] = terse.linear %[[F]]
// CHECK: tensor.expand_shape %[[L]] {{.*}} : tensor<10x3xf32> into tensor<2x5x3xf32>
func.func @tokens(%x: tensor<2x5x4xf32>) -> tensor<2x5x3xf32> {
  %w = terse.weight "layer.weight" = dense<[[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]> : tensor<3x4xi8> -> tensor<3x4xi8>
  %w_zero = arith.constant dense<7> : tensor<3x4xi32>
  %w_scale = arith.constant dense<0.25> : tensor<f32>
  %codes, %scale, %zero = terse.quantize_tensor %x : tensor<2x5x4xf32> -> tensor<2x5x4xi8>, tensor<f32>, tensor<i8>
  %wide = arith.extui %codes : tensor<2x5x4xi8> to tensor<2x5x4xi32>
  %wide_zero = arith.extui %zero : tensor<i8> to tensor<i32>
  %e0 = tensor.empty() : tensor<2x5x4xi32>
  %zeros = linalg.broadcast ins(%wide_zero : tensor<i32>) outs(%e0 : tensor<2x5x4xi32>) dimensions = [0, 1, 2]
  %centred = arith.subi %wide, %zeros : tensor<2x5x4xi32>
  %rows = tensor.collapse_shape %centred [[0, 1], [2]] : tensor<2x5x4xi32> into tensor<10x4xi32>
  %wide_w = arith.extui %w : tensor<3x4xi8> to tensor<3x4xi32>
  %centred_w = arith.subi %wide_w, %w_zero : tensor<3x4xi32>
  %e1 = tensor.empty() : tensor<4x3xi32>
  %turned = linalg.transpose ins(%centred_w : tensor<3x4xi32>) outs(%e1 : tensor<4x3xi32>) permutation = [1, 0]
  %sum = terse.matmul %rows, %turned : tensor<10x4xi32>, tensor<4x3xi32> -> tensor<10x3xi32>
  %tokens = tensor.expand_shape %sum [[0, 1], [2]] output_shape [2, 5, 3] : tensor<10x3xi32> into tensor<2x5x3xi32>
  %float = arith.sitofp %tokens : tensor<2x5x3xi32> to tensor<2x5x3xf32>
  %both = arith.mulf %w_scale, %scale : tensor<f32>
  %e2 = tensor.empty() : tensor<2x5x3xf32>
  %all = linalg.broadcast ins(%both : tensor<f32>) outs(%e2 : tensor<2x5x3xf32>) dimensions = [0, 1, 2]
  %y = arith.mulf %all, %float : tensor<2x5x3xf32>
  return %y : tensor<2x5x3xf32>
}

// Without the input's scale the product is not the layer's.
// CHECK-LABEL: func.func @unscaled
// CHECK: terse.matmul
// CHECK-NOT: terse.linear
func.func @unscaled(%x: tensor<2x4xf32>, %s: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %w = terse.weight "layer.weight" = dense<1> : tensor<3x4xi8> -> tensor<3x4xi8>
  %w_zero = arith.constant dense<7> : tensor<3x4xi32>
  %codes, %scale, %zero = terse.quantize_tensor %x : tensor<2x4xf32> -> tensor<2x4xi8>, tensor<f32>, tensor<i8>
  %wide = arith.extui %codes : tensor<2x4xi8> to tensor<2x4xi32>
  %wide_zero = arith.extui %zero : tensor<i8> to tensor<i32>
  %e0 = tensor.empty() : tensor<2x4xi32>
  %zeros = linalg.broadcast ins(%wide_zero : tensor<i32>) outs(%e0 : tensor<2x4xi32>) dimensions = [0, 1]
  %centred = arith.subi %wide, %zeros : tensor<2x4xi32>
  %wide_w = arith.extui %w : tensor<3x4xi8> to tensor<3x4xi32>
  %centred_w = arith.subi %wide_w, %w_zero : tensor<3x4xi32>
  %e1 = tensor.empty() : tensor<4x3xi32>
  %turned = linalg.transpose ins(%centred_w : tensor<3x4xi32>) outs(%e1 : tensor<4x3xi32>) permutation = [1, 0]
  %sum = terse.matmul %centred, %turned : tensor<2x4xi32>, tensor<4x3xi32> -> tensor<2x3xi32>
  %float = arith.sitofp %sum : tensor<2x3xi32> to tensor<2x3xf32>
  %y = arith.mulf %float, %s : tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
