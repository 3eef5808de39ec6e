// RUN: terse-opt %s --terse-bufferize --split-input-file | FileCheck %s
// RUN: terse-opt %s --terse-bufferize=fuse=false --split-input-file | FileCheck %s --check-prefix=PLAIN

// The chain is one operation, written straight to the output; without fusion two.
// CHECK-LABEL: func.func @forward
// CHECK-SAME: %[[X:.*]]: memref<?xf32> {terse.dims = ["n"], terse.name = "x"}, %[[Y:.*]]: memref<?xf32> {terse.name = "y", terse.output})
// CHECK-NOT: alloc
// CHECK: linalg.generic {{.*}} ins(%[[X]] : memref<?xf32>) outs(%[[Y]] : memref<?xf32>)
// CHECK-NOT: linalg.generic
// CHECK: return{{$}}
// PLAIN-LABEL: func.func @forward
// PLAIN-COUNT-2: linalg.generic
func.func @forward(%x: tensor<?xf32> {terse.name = "x", terse.dims = ["n"]}) -> (tensor<?xf32> {terse.name = "y"}) {
  %a = arith.mulf %x, %x : tensor<?xf32>
  %y = math.exp %a : tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// The parts of a concatenation are computed in place; inputs are not written to.
// CHECK-LABEL: func.func @forward
// CHECK-SAME: %[[X:.*]]: memref<?x4xf32>, %[[Y:.*]]: memref<?x4xf32> {terse.output})
// CHECK-NOT: memref.alloc
// CHECK: return
func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %e = math.exp %x : tensor<?x4xf32>
  %n = arith.negf %x : tensor<?x4xf32>
  %y = tensor.concat dim(0) %e, %n : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// A state is changed where it is, and is neither copied nor returned.
// CHECK-LABEL: func.func @forward
// CHECK-SAME: %[[S:.*]]: memref<4x8xf32> {terse.state = "s"}, %[[X:.*]]: memref<1x8xf32>, %[[AT:.*]]: index {terse.symbol = "past"})
// CHECK-NOT: alloc
// CHECK: %[[ROW:.*]] = memref.subview %[[S]][%[[AT]], 0] [1, 8] [1, 1]
// CHECK-NEXT: memref.copy %[[X]], %[[ROW]]
// CHECK-NEXT: return{{$}}
func.func @forward(%s: tensor<4x8xf32> {terse.state = "s"}, %x: tensor<1x8xf32>, %at: index {terse.symbol = "past"}) -> (tensor<4x8xf32> {terse.state = "s"}) {
  %r = tensor.insert_slice %x into %s[%at, 0] [1, 8] [1, 1] : tensor<1x8xf32> into tensor<4x8xf32>
  return %r : tensor<4x8xf32>
}

// -----

// Work of the same shape has a buffer each, so that they can be planned apart.
// CHECK-LABEL: func.func @forward
// CHECK-COUNT-2: memref.alloc
// CHECK-NOT: memref.copy
func.func @forward(%x: tensor<4x4xf32>, %y: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
  %a = linalg.matmul ins(%x, %y : tensor<4x4xf32>, tensor<4x4xf32>) outs(%f : tensor<4x4xf32>) -> tensor<4x4xf32>
  %b = linalg.matmul ins(%y, %a : tensor<4x4xf32>, tensor<4x4xf32>) outs(%f : tensor<4x4xf32>) -> tensor<4x4xf32>
  %c = linalg.matmul ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>) outs(%f : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %c : tensor<4x4xf32>
}

// -----

// Launches that read the same slice share a copy of it; the first rows need none.
// CHECK-LABEL: func.func @forward
// CHECK: %[[COPY:.*]] = memref.alloc
// CHECK: linalg.copy {{.*}} outs(%[[COPY]]
// CHECK-NOT: memref.copy
// CHECK: kernel.launch @k ins(%[[COPY]], %[[ROWS:.*]] : memref<?x2xf32>, memref<?x4xf32>)
// CHECK-NOT: memref.copy
// CHECK: kernel.launch @l ins(%[[COPY]], %[[ROWS]] : memref<?x2xf32>, memref<?x4xf32>)
func.func private @k(memref<?x2xf32>, memref<?x4xf32>, memref<8xf32>, index, index)
func.func private @l(memref<?x2xf32>, memref<?x4xf32>, memref<8xf32>, index, index)
func.func @forward(%x: tensor<?x4xf32>, %n: index) -> (tensor<8xf32>, tensor<8xf32>) {
  %s = tensor.extract_slice %x[0, 1] [%n, 2] [1, 1] : tensor<?x4xf32> to tensor<?x2xf32>
  %r = tensor.extract_slice %x[0, 0] [%n, 4] [1, 1] : tensor<?x4xf32> to tensor<?x4xf32>
  %e = tensor.empty() : tensor<8xf32>
  %a = kernel.launch @k ins(%s, %r : tensor<?x2xf32>, tensor<?x4xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  %b = kernel.launch @l ins(%s, %r : tensor<?x2xf32>, tensor<?x4xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  return %a, %b : tensor<8xf32>, tensor<8xf32>
}
