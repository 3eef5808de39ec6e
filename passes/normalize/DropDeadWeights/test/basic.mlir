// RUN: terse-opt %s --terse-drop-dead-weights --terse-print-report 2>&1 | FileCheck %s

// CHECK: terse-drop-dead-weights: weights-removed 1
// CHECK: terse-drop-dead-weights: bytes-removed 256
// CHECK-LABEL: func.func @forward
// CHECK: terse.weight "used"
// CHECK-NOT: terse.weight "unused"
func.func @forward(%x: tensor<3x2xf32>) -> tensor<3x4xf32> {
  %unused = terse.weight "unused" = dense<0.0> : tensor<8x8xf32> -> tensor<8x8xf32>
  %w = terse.weight "used" = dense<1.0> : tensor<4x2xf32> -> tensor<4x2xf32>
  %y = terse.linear %x, %w : tensor<3x2xf32>, tensor<4x2xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
