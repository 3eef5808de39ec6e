// RUN: terse-opt %s --terse-plan-arena --cse --split-input-file | FileCheck %s

// %a and %b are used across a barrier from %c on, which takes a slot of equal size; %d is used in the same
// interval as %c and does not.
// CHECK-LABEL: func.func private @forward_arena(%{{.*}}: memref<?x4xf32> {terse.name = "x"}) -> index
// CHECK: memref.dim
// CHECK: return
// CHECK-LABEL: func.func @forward
// CHECK-SAME: %[[ARENA:[a-z0-9]+]]: memref<?xi8> {terse.runtime = "arena"}
// CHECK-NOT: memref.alloc
// CHECK: %[[A:.*]] = memref.view %[[ARENA]][%c0][%{{.*}}] : memref<?xi8> to memref<?x4xf32>
// CHECK: %[[B:.*]] = memref.view %[[ARENA]][%[[SLOT1:.*]]][%{{.*}}]
// CHECK: %[[D:.*]] = memref.view %[[ARENA]][%[[SLOT2:.*]]][%{{.*}}]
// CHECK: kernel.launch @k ins(%{{.*}}) outs(%[[A]] :
// CHECK: kernel.launch @k ins(%[[A]] : memref<?x4xf32>) outs(%[[B]] :
// CHECK: kernel.launch @k ins(%[[B]] : memref<?x4xf32>) outs(%[[A]] :
// CHECK: kernel.launch @k ins(%[[B]] : memref<?x4xf32>) outs(%[[D]] :
func.func private @k(%a: memref<?x4xf32>, %b: memref<?x4xf32>, %t: index, %n: index) { return }
func.func @forward(%x: memref<?x4xf32> {terse.name = "x"}, %arena: memref<?xi8> {terse.runtime = "arena"}) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x4xf32>
  %a = memref.alloc(%n) : memref<?x4xf32>
  %b = memref.alloc(%n) : memref<?x4xf32>
  %c = memref.alloc(%n) : memref<?x4xf32>
  %d = memref.alloc(%n) : memref<?x4xf32>
  kernel.launch @k ins(%x : memref<?x4xf32>) outs(%a : memref<?x4xf32>)
  kernel.barrier
  kernel.launch @k ins(%a : memref<?x4xf32>) outs(%b : memref<?x4xf32>)
  kernel.barrier
  kernel.launch @k ins(%b : memref<?x4xf32>) outs(%c : memref<?x4xf32>)
  kernel.launch @k ins(%b : memref<?x4xf32>) outs(%d : memref<?x4xf32>)
  return
}

// -----

// A slot is as large as the largest of its tenants, whatever the sizes turn out to be.
// CHECK-LABEL: func.func private @forward_arena
// CHECK: %[[MAX:.*]] = arith.maxui
// CHECK: return %[[MAX]] : index
func.func private @k(%a: memref<?xf32>, %t: index, %n: index) { return }
func.func @forward(%n: index {terse.symbol = "n"}, %m: index {terse.symbol = "m"}, %arena: memref<?xi8> {terse.runtime = "arena"}) {
  %a = memref.alloc(%n) : memref<?xf32>
  %b = memref.alloc(%m) : memref<?xf32>
  kernel.launch @k outs(%a : memref<?xf32>)
  kernel.barrier
  kernel.launch @k outs(%b : memref<?xf32>)
  return
}

// -----

// A buffer of a loop's body has one place for all iterations; the sizes of views lead back to arguments.
// CHECK-LABEL: func.func @forward
// CHECK: scf.for
// CHECK: memref.view
func.func private @k(%a: memref<?xf32>, %t: index, %n: index) { return }
func.func @forward(%x: memref<?x4xf32>, %arena: memref<?xi8> {terse.runtime = "arena"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %flat = memref.collapse_shape %x [[0, 1]] : memref<?x4xf32> into memref<?xf32>
  %n = memref.dim %flat, %c0 : memref<?xf32>
  %a = memref.alloc(%n) : memref<?xf32>
  scf.for %i = %c0 to %c4 step %c1 {
    %b = memref.alloc(%n) : memref<?xf32>
    kernel.barrier
    kernel.launch @k outs(%b : memref<?xf32>)
    kernel.launch @k outs(%a : memref<?xf32>)
  }
  return
}
