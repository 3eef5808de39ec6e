// RUN: terse-opt %s --terse-emit-entry=level=avx2 | FileCheck %s

module attributes {terse.interface = {symbols = ["batch", "sequence", "past", "capacity"]}} {
// CHECK: func.func private @forward(
func.func @forward(%past: index {terse.symbol = "past"},
    %x: memref<?x?xi64> {terse.name = "x", terse.dims = ["batch", "past + 2*sequence"]},
    %k: memref<?x8xf32> {terse.state = "k", terse.dims = ["capacity", "8"]},
    %y: memref<?x4xf32> {terse.name = "y", terse.dims = ["batch", "4"], terse.output},
    %weights: memref<?xi8> {terse.runtime = "weights"}, %arena: memref<?xi8> {terse.runtime = "arena"},
    %barrier: !llvm.ptr {terse.runtime = "barrier"},
    %thread: index {terse.runtime = "thread"}, %threads: index {terse.runtime = "threads"}) {
  %ahead = llvm.mlir.zero : !llvm.ptr
  %bytes = arith.constant 0 : i64
  call @terse_barrier(%barrier, %ahead, %bytes) : (!llvm.ptr, !llvm.ptr, i64) -> ()
  return
}
func.func @forward_arena(%past: index {terse.symbol = "past"},
    %x: memref<?x?xi64> {terse.name = "x", terse.dims = ["batch", "past + 2*sequence"]}) -> index {
  return %past : index
}
func.func private @terse_barrier(!llvm.ptr, !llvm.ptr, i64)
}

// CHECK-LABEL: func.func @terse_forward_avx2(
// CHECK-SAME: %[[CALL:.*]]: !llvm.ptr, %[[THREAD:.*]]: i32, %[[THREADS:.*]]: i32)
// The third symbol is past:
// CHECK: %[[A:.*]] = llvm.getelementptr %[[CALL]][5]
// CHECK: %[[SYMBOLS:.*]] = llvm.load %[[A]]
// CHECK: %[[B:.*]] = llvm.getelementptr %[[SYMBOLS]][2] {{.*}} i64
// CHECK: %[[PAST64:.*]] = llvm.load %[[B]] {{.*}} i64
// CHECK: %[[PAST:.*]] = arith.index_cast %[[PAST64]] : i64 to index
// Inputs are the third field of the call:
// CHECK: llvm.getelementptr %[[CALL]][2]
// CHECK: %[[TWICE:.*]] = arith.muli %{{.*}}, %[[SEQUENCE:.*]] : i64
// CHECK: arith.addi %[[PAST64]], %[[TWICE]] : i64
// CHECK: %[[X:.*]] = builtin.unrealized_conversion_cast %{{.*}} to memref<?x?xi64>
// CHECK: llvm.getelementptr %[[CALL]][4]
// CHECK: %[[K:.*]] = builtin.unrealized_conversion_cast %{{.*}} to memref<?x8xf32>
// CHECK: llvm.getelementptr %[[CALL]][3]
// CHECK: %[[Y:.*]] = builtin.unrealized_conversion_cast %{{.*}} to memref<?x4xf32>
// CHECK: %[[T:.*]] = arith.index_cast %[[THREAD]]
// CHECK: %[[N:.*]] = arith.index_cast %[[THREADS]]
// CHECK: call @forward(%[[PAST]], %[[X]], %[[K]], %[[Y]], %{{.*}}, %{{.*}}, %[[CALL]], %[[T]], %[[N]])

// CHECK-LABEL: func.func @terse_forward_avx2_arena(
// CHECK-SAME: !llvm.ptr) -> i64
// CHECK: call @forward_arena
// CHECK: arith.index_cast %{{.*}} : index to i64

// CHECK-LABEL: func.func private @terse_barrier(
// CHECK: llvm.call %{{.*}}(%{{.*}}, %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, i64) -> ()
