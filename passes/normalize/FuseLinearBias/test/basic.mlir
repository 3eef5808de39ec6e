// RUN: terse-opt %s --terse-fuse-linear-bias --terse-print-report 2>&1 | FileCheck %s

// CHECK: terse-fuse-linear-bias: biases-fused 1

// CHECK-LABEL: func.func @fuse
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x4xf32>, %[[W:.*]]: tensor<5x4xf32>, %[[B:.*]]: tensor<5xf32>)
// CHECK-NEXT: %[[Y:.*]] = terse.linear %[[X]], %[[W]] bias %[[B]] : tensor<5xf32> {name = "up"}
// CHECK-NEXT: return %[[Y]]
func.func @fuse(%x: tensor<2x3x4xf32>, %w: tensor<5x4xf32>, %b: tensor<5xf32>) -> tensor<2x3x5xf32> {
  %y = terse.linear %x, %w {name = "up"} : tensor<2x3x4xf32>, tensor<5x4xf32> -> tensor<2x3x5xf32>
  %e = tensor.empty() : tensor<2x3x5xf32>
  %wide = linalg.broadcast ins(%b : tensor<5xf32>) outs(%e : tensor<2x3x5xf32>) dimensions = [0, 1]
  %z = arith.addf %wide, %y : tensor<2x3x5xf32>
  return %z : tensor<2x3x5xf32>
}

// A vector along the tokens is no bias.
// CHECK-LABEL: func.func @along_tokens
// CHECK: arith.addf
func.func @along_tokens(%x: tensor<5x4xf32>, %w: tensor<5x4xf32>, %b: tensor<5xf32>) -> tensor<5x5xf32> {
  %y = terse.linear %x, %w : tensor<5x4xf32>, tensor<5x4xf32> -> tensor<5x5xf32>
  %e = tensor.empty() : tensor<5x5xf32>
  %wide = linalg.broadcast ins(%b : tensor<5xf32>) outs(%e : tensor<5x5xf32>) dimensions = [1]
  %z = arith.addf %y, %wide : tensor<5x5xf32>
  return %z : tensor<5x5xf32>
}

// The layer has another use.
// CHECK-LABEL: func.func @used_twice
// CHECK: arith.addf
func.func @used_twice(%x: tensor<3x4xf32>, %w: tensor<5x4xf32>, %b: tensor<5xf32>) -> (tensor<3x5xf32>, tensor<3x5xf32>) {
  %y = terse.linear %x, %w : tensor<3x4xf32>, tensor<5x4xf32> -> tensor<3x5xf32>
  %e = tensor.empty() : tensor<3x5xf32>
  %wide = linalg.broadcast ins(%b : tensor<5xf32>) outs(%e : tensor<3x5xf32>) dimensions = [0]
  %z = arith.addf %y, %wide : tensor<3x5xf32>
  return %y, %z : tensor<3x5xf32>, tensor<3x5xf32>
}
