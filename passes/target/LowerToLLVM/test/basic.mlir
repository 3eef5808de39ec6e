// RUN: terse-opt %s --terse-lower-to-llvm --split-input-file | FileCheck %s
// RUN: terse-opt %s --terse-lower-to-llvm=level=avx2 --split-input-file | FileCheck %s --check-prefix=AVX2

// A kernel is hidden, not inlined, and takes a pointer and the dynamic size of each buffer.
// CHECK-LABEL: llvm.func @forward
// CHECK: llvm.call @k(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) : (!llvm.ptr, i64, i64, i64) -> ()
// CHECK: llvm.call @terse_barrier(%{{.*}}, %{{.*}}, %{{.*}}) : (!llvm.ptr, !llvm.ptr, i64) -> ()
// CHECK: llvm.cond_br
// CHECK: llvm.call @k
// CHECK: llvm.func internal @k(%{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64) attributes {{{.*}}no_inline
func.func private @terse_barrier(!llvm.ptr, !llvm.ptr, i64)
func.func @forward(%x: memref<?x4xf32>, %barrier: !llvm.ptr {terse.runtime = "barrier"}, %t: index {terse.runtime = "thread"}, %n: index {terse.runtime = "threads"}) {
  kernel.launch @k outs(%x : memref<?x4xf32>)
  kernel.barrier
  kernel.launch serial @k outs(%x : memref<?x4xf32>)
  return
}
func.func private @k(%x: memref<?x4xf32> {llvm.noalias}, %t: index, %n: index) {
  %c0 = arith.constant 0 : index
  %f = memref.load %x[%t, %c0] : memref<?x4xf32>
  %e = math.exp %f : f32
  memref.store %e, %x[%n, %c0] : memref<?x4xf32>
  return
}

// -----

// A barrier with something to read ahead gives the thread's share of it: 528 of 704 blocks are split, 176 are taken.
// CHECK-LABEL: llvm.func @ahead
// CHECK-DAG: %[[MOST:.*]] = llvm.mlir.constant(262144 : i64)
// CHECK-DAG: %[[ALL:.*]] = llvm.mlir.constant(720896 : i64)
// CHECK-DAG: %[[SPLIT:.*]] = llvm.mlir.constant(528 : i64)
// CHECK-DAG: %[[BLOCK:.*]] = llvm.mlir.constant(1024 : i64)
// CHECK-DAG: %[[BEFORE:.*]] = llvm.mul %{{.*}}, %[[SPLIT]]
// CHECK: %[[FIRST:.*]] = llvm.udiv %[[BEFORE]], %{{.*}}
// CHECK: %[[OFFSET:.*]] = llvm.mul %[[FIRST]], %[[BLOCK]]
// CHECK: %[[ADDRESS:.*]] = llvm.add %{{.*}}, %[[OFFSET]]
// CHECK: %[[REST:.*]] = llvm.sub %[[ALL]], %[[OFFSET]]
// CHECK: %[[AHEAD:.*]] = llvm.inttoptr %[[ADDRESS]]
// CHECK: %[[BYTES:.*]] = llvm.intr.umin(%[[REST]], %[[MOST]])
// CHECK: llvm.call @terse_barrier(%{{.*}}, %[[AHEAD]], %[[BYTES]])
// CHECK: llvm.func internal @stream(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64)
func.func private @terse_barrier(!llvm.ptr, !llvm.ptr, i64)
func.func @ahead(%w: memref<704x1024xi8>, %barrier: !llvm.ptr {terse.runtime = "barrier"}, %t: index {terse.runtime = "thread"}, %n: index {terse.runtime = "threads"}) {
  kernel.barrier ahead(%w : memref<704x1024xi8>)
  kernel.launch @stream ins(%w : memref<704x1024xi8>)
  return
}
func.func private @stream(%w: memref<704x1024xi8> {kernel.streamed}, %t: index, %n: index) { return }

// -----

// exp is a polynomial, sin a call of libm.
// CHECK-LABEL: llvm.func @functions
// CHECK-NOT: llvm.intr.exp
// CHECK: llvm.intr.sin
func.func @functions(%x: f32) -> (f32, f32) {
  %e = math.exp %x : f32
  %s = math.sin %x : f32
  return %e, %s : f32, f32
}

// -----

// Without an instruction for f16 the conversion is integer arithmetic. Sums are of f32.
// CHECK-LABEL: llvm.func @half
// CHECK-NOT: llvm.fpext
// CHECK: llvm.fadd %{{.*}}, %{{.*}} : f32
// CHECK-NOT: llvm.fptrunc
// AVX2-LABEL: llvm.func @half
// AVX2-COUNT-2: llvm.fpext %{{.*}} : f16 to f32
// AVX2: llvm.fadd %{{.*}}, %{{.*}} : f32
// AVX2: llvm.fptrunc
func.func @half(%x: f16, %y: f16) -> f16 {
  %s = arith.addf %x, %y : f16
  return %s : f16
}

// A scalar reshaped to an element.
// CHECK-LABEL: llvm.func internal @scalar_as_element
// CHECK-NOT: memref
func.func private @scalar_as_element(%m: memref<f32>, %o: memref<1x1xf32>) {
  %c = arith.constant 0 : index
  %e = memref.expand_shape %m [] output_shape [1, 1] : memref<f32> into memref<1x1xf32>
  %v = memref.load %e[%c, %c] : memref<1x1xf32>
  memref.store %v, %o[%c, %c] : memref<1x1xf32>
  return
}

// -----

// No choice between vectors of bf16, which only processors with bf16 have.
// CHECK-LABEL: llvm.func @short
// CHECK: llvm.select {{.*}} : vector<6xi1>, vector<6xi32>
// CHECK-NOT: llvm.select {{.*}}bf16
// CHECK: llvm.bitcast %{{.*}} : vector<6xi16> to vector<6xbf16>
func.func @short(%x: vector<6xf32>) -> vector<6xbf16> {
  %y = arith.truncf %x : vector<6xf32> to vector<6xbf16>
  return %y : vector<6xbf16>
}
