// RUN: terse-opt %s --canonicalize --cse | FileCheck %s

// Operations of the dialect have no side effects: unused ones go, equal ones become one, weights too.

// CHECK-LABEL: func.func @forward
// CHECK-SAME: (%[[X:[a-z0-9]*]]: tensor<3x4xf32>)
// CHECK-NEXT: %[[W:.*]] = terse.weight "w"
// CHECK-NEXT: %[[Y:.*]] = terse.linear %[[X]], %[[W]]
// CHECK-NEXT: return %[[Y]], %[[Y]]
func.func @forward(%x: tensor<3x4xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %w = terse.weight "w" = dense<1.0> : tensor<2x4xf32> -> tensor<2x4xf32>
  %w2 = terse.weight "w" = dense<1.0> : tensor<2x4xf32> -> tensor<2x4xf32>
  %unused = terse.weight "unused" = dense<1.0> : tensor<8xf32> -> tensor<8xf32>
  %rounded = terse.quantize_dynamic %x : tensor<3x4xf32>
  %a = terse.linear %x, %w : tensor<3x4xf32>, tensor<2x4xf32> -> tensor<3x2xf32>
  %b = terse.linear %x, %w2 : tensor<3x4xf32>, tensor<2x4xf32> -> tensor<3x2xf32>
  return %a, %b : tensor<3x2xf32>, tensor<3x2xf32>
}

// A rotation of single channels is none.
// CHECK-LABEL: func.func @rotate
// CHECK-NOT: terse.rotate
// CHECK: return %arg0
func.func @rotate(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %y = terse.rotate %x {block = 1 : i64} : tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// Layers of different names are different layers.
// CHECK-LABEL: func.func @named
// CHECK-COUNT-2: terse.linear
func.func @named(%x: tensor<3x4xf32>, %w: tensor<2x4xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %a = terse.linear %x, %w {name = "a"} : tensor<3x4xf32>, tensor<2x4xf32> -> tensor<3x2xf32>
  %b = terse.linear %x, %w {name = "b"} : tensor<3x4xf32>, tensor<2x4xf32> -> tensor<3x2xf32>
  return %a, %b : tensor<3x2xf32>, tensor<3x2xf32>
}
