// RUN: terse-opt %s --terse-recognize-norm --terse-print-report 2>&1 | FileCheck %s

// As PyTorch's TorchScript exporter writes it: pow, mean, sqrt, 1 / root, x times it, scale first.
// CHECK: terse-recognize-norm: norms-recognized 3
// CHECK: terse-recognize-norm: rms-norms 3
// CHECK-LABEL: func.func @pow_sqrt_reciprocal
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x128xf32>, %[[W:.*]]: tensor<128xf32>)
// CHECK-NEXT: %[[Y:.*]] = terse.norm rms %[[X]], %[[W]] {epsilon = {{1.0+[eE]-0?5}}
// CHECK-NEXT: return %[[Y]]
func.func @pow_sqrt_reciprocal(%x: tensor<?x?x128xf32>, %w: tensor<128xf32>) -> tensor<?x?x128xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x128xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x128xf32>
  %two = arith.constant 2.0 : f32
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %n = arith.constant 0.0078125 : f32
  %eps = arith.constant 1.0e-5 : f32
  %twos = tensor.splat %two[%b, %s] : tensor<?x?x128xf32>
  %square = math.powf %x, %twos : tensor<?x?x128xf32>
  %e0 = tensor.empty(%b, %s) : tensor<?x?xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e0 : tensor<?x?xf32>) -> tensor<?x?xf32>
  %sum = linalg.reduce { arith.addf } ins(%square : tensor<?x?x128xf32>) outs(%init : tensor<?x?xf32>) dimensions = [2]
  %sum1 = tensor.expand_shape %sum [[0], [1, 2]] output_shape [%b, %s, 1] : tensor<?x?xf32> into tensor<?x?x1xf32>
  %ns = tensor.splat %n[%b, %s] : tensor<?x?x1xf32>
  %mean = arith.mulf %sum1, %ns : tensor<?x?x1xf32>
  %epss = tensor.splat %eps[%b, %s] : tensor<?x?x1xf32>
  %shifted = arith.addf %mean, %epss : tensor<?x?x1xf32>
  %root = math.sqrt %shifted : tensor<?x?x1xf32>
  %ones = tensor.splat %one[%b, %s] : tensor<?x?x1xf32>
  %inverse = arith.divf %ones, %root : tensor<?x?x1xf32>
  %inverse2 = tensor.collapse_shape %inverse [[0], [1, 2]] : tensor<?x?x1xf32> into tensor<?x?xf32>
  %e1 = tensor.empty(%b, %s) : tensor<?x?x128xf32>
  %wide = linalg.broadcast ins(%inverse2 : tensor<?x?xf32>) outs(%e1 : tensor<?x?x128xf32>) dimensions = [2]
  %normed = arith.mulf %x, %wide : tensor<?x?x128xf32>
  %scale = linalg.broadcast ins(%w : tensor<128xf32>) outs(%e1 : tensor<?x?x128xf32>) dimensions = [0, 1]
  %y = arith.mulf %scale, %normed : tensor<?x?x128xf32>
  return %y : tensor<?x?x128xf32>
}

// x * x, division by n and by the root, in f32 around f16.
// CHECK-LABEL: func.func @half
// CHECK-SAME: (%[[X:.*]]: tensor<3x64xf16>, %[[W:.*]]: tensor<64xf16>)
// CHECK-NEXT: %[[Y:.*]] = terse.norm rms %[[X]], %[[W]]
// CHECK-NEXT: return %[[Y]]
func.func @half(%x: tensor<3x64xf16>, %w: tensor<64xf16>) -> tensor<3x64xf16> {
  %n = arith.constant dense<64.0> : tensor<3xf32>
  %eps = arith.constant dense<1.0e-6> : tensor<3xf32>
  %init = arith.constant dense<0.0> : tensor<3xf32>
  %xf = arith.extf %x : tensor<3x64xf16> to tensor<3x64xf32>
  %square = arith.mulf %xf, %xf : tensor<3x64xf32>
  %sum = linalg.reduce { arith.addf } ins(%square : tensor<3x64xf32>) outs(%init : tensor<3xf32>) dimensions = [1]
  %mean = arith.divf %sum, %n : tensor<3xf32>
  %shifted = arith.addf %eps, %mean : tensor<3xf32>
  %root = math.sqrt %shifted : tensor<3xf32>
  %e1 = tensor.empty() : tensor<3x64xf32>
  %wide = linalg.broadcast ins(%root : tensor<3xf32>) outs(%e1 : tensor<3x64xf32>) dimensions = [1]
  %normed = arith.divf %xf, %wide : tensor<3x64xf32>
  %narrow = arith.truncf %normed : tensor<3x64xf32> to tensor<3x64xf16>
  %e2 = tensor.empty() : tensor<3x64xf16>
  %scale = linalg.broadcast ins(%w : tensor<64xf16>) outs(%e2 : tensor<3x64xf16>) dimensions = [0]
  %y = arith.mulf %narrow, %scale : tensor<3x64xf16>
  return %y : tensor<3x64xf16>
}

// Power of -0.5, no scale, of a product that must stay whole; a factor of 3 goes into the scale.
// CHECK-LABEL: func.func @product_inside
// CHECK-DAG: %[[C:.*]] = arith.constant dense<3.000000e+00> : tensor<4xf32>
// CHECK-DAG: %[[X:.*]] = arith.mulf
// CHECK: terse.norm rms %[[X]], %[[C]]
func.func @product_inside(%a: tensor<3x4xf32>, %b: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %quarter = arith.constant dense<0.25> : tensor<3xf32>
  %eps = arith.constant dense<1.0e-6> : tensor<3xf32>
  %init = arith.constant dense<0.0> : tensor<3xf32>
  %power = arith.constant dense<-0.5> : tensor<3xf32>
  %three = arith.constant dense<3.0> : tensor<3x4xf32>
  %x = arith.mulf %a, %b : tensor<3x4xf32>
  %square = arith.mulf %x, %x : tensor<3x4xf32>
  %sum = linalg.reduce { arith.addf } ins(%square : tensor<3x4xf32>) outs(%init : tensor<3xf32>) dimensions = [1]
  %mean = arith.mulf %sum, %quarter : tensor<3xf32>
  %shifted = arith.addf %mean, %eps : tensor<3xf32>
  %inverse = math.powf %shifted, %power : tensor<3xf32>
  %e1 = tensor.empty() : tensor<3x4xf32>
  %wide = linalg.broadcast ins(%inverse : tensor<3xf32>) outs(%e1 : tensor<3x4xf32>) dimensions = [1]
  %normed = arith.mulf %wide, %x : tensor<3x4xf32>
  %y = arith.mulf %normed, %three : tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// Not a norm of x: the statistics are of another value; statistics over another dimension.
// CHECK-LABEL: func.func @other_value
// CHECK-NOT: terse.norm
func.func @other_value(%x: tensor<4x4xf32>, %z: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %quarter = arith.constant dense<0.25> : tensor<4xf32>
  %eps = arith.constant dense<1.0e-6> : tensor<4xf32>
  %init = arith.constant dense<0.0> : tensor<4xf32>
  %square = arith.mulf %z, %z : tensor<4x4xf32>
  %e1 = tensor.empty() : tensor<4x4xf32>
  %sum = linalg.reduce { arith.addf } ins(%square : tensor<4x4xf32>) outs(%init : tensor<4xf32>) dimensions = [1]
  %mean = arith.mulf %sum, %quarter : tensor<4xf32>
  %shifted = arith.addf %mean, %eps : tensor<4xf32>
  %inverse = math.rsqrt %shifted : tensor<4xf32>
  %wide = linalg.broadcast ins(%inverse : tensor<4xf32>) outs(%e1 : tensor<4x4xf32>) dimensions = [1]
  %y = arith.mulf %wide, %x : tensor<4x4xf32>
  %tall = linalg.broadcast ins(%inverse : tensor<4xf32>) outs(%e1 : tensor<4x4xf32>) dimensions = [0]
  %y2 = arith.mulf %tall, %z : tensor<4x4xf32>
  return %y, %y2 : tensor<4x4xf32>, tensor<4x4xf32>
}
