// RUN: terse-opt %s --terse-recognize-norm --terse-print-report 2>&1 | FileCheck %s

// CHECK: terse-recognize-norm: norms-recognized 2
// CHECK: terse-recognize-norm: layer-norms 2

// The difference from the mean is computed twice, as PyTorch's exporter writes it below opset 17.
// CHECK-LABEL: func.func @layer
// CHECK-SAME: (%[[X:.*]]: tensor<2x?x8xf32>, %[[W:.*]]: tensor<8xf32>, %[[B:.*]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.*]] = terse.norm layer %[[X]], %[[W]] bias %[[B]] : tensor<8xf32> {epsilon = {{1.0+[eE]-0?5}}
// CHECK-NEXT: return %[[Y]]
func.func @layer(%x: tensor<2x?x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<2x?x8xf32> {
  %c1 = arith.constant 1 : index
  %s = tensor.dim %x, %c1 : tensor<2x?x8xf32>
  %zero = arith.constant 0.0 : f32
  %eight = arith.constant 8.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %two = arith.constant 2.0 : f32
  %e0 = tensor.empty(%s) : tensor<2x?xf32>
  %e1 = tensor.empty(%s) : tensor<2x?x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e0 : tensor<2x?xf32>) -> tensor<2x?xf32>
  %eights = linalg.fill ins(%eight : f32) outs(%e0 : tensor<2x?xf32>) -> tensor<2x?xf32>
  %sum = linalg.reduce { arith.addf } ins(%x : tensor<2x?x8xf32>) outs(%init : tensor<2x?xf32>) dimensions = [2]
  %mean = arith.divf %sum, %eights : tensor<2x?xf32>
  %means = linalg.broadcast ins(%mean : tensor<2x?xf32>) outs(%e1 : tensor<2x?x8xf32>) dimensions = [2]
  %d = arith.subf %x, %means : tensor<2x?x8xf32>
  %d2 = arith.subf %x, %means : tensor<2x?x8xf32>
  %twos = tensor.splat %two[%s] : tensor<2x?x8xf32>
  %square = math.powf %d2, %twos : tensor<2x?x8xf32>
  %sum2 = linalg.reduce { arith.addf } ins(%square : tensor<2x?x8xf32>) outs(%init : tensor<2x?xf32>) dimensions = [2]
  %var = arith.divf %sum2, %eights : tensor<2x?xf32>
  %epss = tensor.splat %eps[%s] : tensor<2x?xf32>
  %shifted = arith.addf %var, %epss : tensor<2x?xf32>
  %root = math.sqrt %shifted : tensor<2x?xf32>
  %roots = linalg.broadcast ins(%root : tensor<2x?xf32>) outs(%e1 : tensor<2x?x8xf32>) dimensions = [2]
  %normed = arith.divf %d, %roots : tensor<2x?x8xf32>
  %scale = linalg.broadcast ins(%w : tensor<8xf32>) outs(%e1 : tensor<2x?x8xf32>) dimensions = [0, 1]
  %scaled = arith.mulf %normed, %scale : tensor<2x?x8xf32>
  %bias = linalg.broadcast ins(%b : tensor<8xf32>) outs(%e1 : tensor<2x?x8xf32>) dimensions = [0, 1]
  %y = arith.addf %scaled, %bias : tensor<2x?x8xf32>
  return %y : tensor<2x?x8xf32>
}

// Without scale and bias; both become plain constants.
// CHECK-LABEL: func.func @plain
// CHECK: %[[ONE:.*]] = arith.constant dense<1.000000e+00> : tensor<8xf32>
// CHECK: terse.norm layer %{{.*}}, %[[ONE]] {epsilon = 0.000000e+00
func.func @plain(%x: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %init = arith.constant dense<0.0> : tensor<3xf32>
  %n = arith.constant dense<0.125> : tensor<3xf32>
  %e1 = tensor.empty() : tensor<3x8xf32>
  %sum = linalg.reduce { arith.addf } ins(%x : tensor<3x8xf32>) outs(%init : tensor<3xf32>) dimensions = [1]
  %mean = arith.mulf %sum, %n : tensor<3xf32>
  %means = linalg.broadcast ins(%mean : tensor<3xf32>) outs(%e1 : tensor<3x8xf32>) dimensions = [1]
  %d = arith.subf %x, %means : tensor<3x8xf32>
  %square = arith.mulf %d, %d : tensor<3x8xf32>
  %sum2 = linalg.reduce { arith.addf } ins(%square : tensor<3x8xf32>) outs(%init : tensor<3xf32>) dimensions = [1]
  %var = arith.mulf %sum2, %n : tensor<3xf32>
  %inverse = math.rsqrt %var : tensor<3xf32>
  %wide = linalg.broadcast ins(%inverse : tensor<3xf32>) outs(%e1 : tensor<3x8xf32>) dimensions = [1]
  %y = arith.mulf %d, %wide : tensor<3x8xf32>
  return %y : tensor<3x8xf32>
}
