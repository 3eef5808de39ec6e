// RUN: terse-opt %s --terse-spmd --split-input-file | FileCheck %s

// Rows: the norm's sum and its use are one launch without a barrier. The product of matrices needs all of
// it; its sums start in registers.
// CHECK-LABEL: func.func private @forward
// CHECK-SAME: memref<?xi8> {terse.runtime = "weights"}, %{{.*}}: memref<?xi8> {terse.runtime = "arena"}, %{{.*}}: !llvm.ptr {terse.runtime = "barrier"}, %{{.*}}: index {terse.runtime = "thread"}, %{{.*}}: index {terse.runtime = "threads"})
// CHECK: kernel.launch @[[ROWS:.*]] ins(%{{.*}} : memref<?x8xf32>) outs(%[[SUM:.*]], %[[SCALED:.*]] :
// CHECK: %[[W:.*]] = memref.view %{{.*}}[%c64][] : memref<?xi8> to memref<8x8xf32>
// CHECK: kernel.barrier
// CHECK: kernel.launch @[[MATMUL:.*]] ins(%[[SCALED]], %[[W]]
// CHECK-NOT: kernel.launch
// CHECK: return
// CHECK: func.func private @[[ROWS]](%{{.*}}: memref<?x8xf32> {llvm.noalias}
// CHECK: scf.for
// CHECK: %[[SQUARES:.*]] = scf.for {{.*}} iter_args
// CHECK: memref.store %[[SQUARES]]
// CHECK: scf.for
// CHECK: func.func private @[[MATMUL]]
// CHECK-COUNT-2: scf.for
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %cst)
func.func @forward(%x: memref<?x8xf32>, %y: memref<?x8xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %w = kernel.weight "w" at 64 : memref<8x8xf32>
  %n = memref.dim %x, %c0 : memref<?x8xf32>
  %sum = memref.alloc(%n) : memref<?xf32>
  %scaled = memref.alloc(%n) : memref<?x8xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<?xf32>)
  linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<?x8xf32>) outs(%sum : memref<?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %p = arith.mulf %in, %in : f32
    %s = arith.addf %p, %out : f32
    linalg.yield %s : f32
  }
  linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a, b)>], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : memref<?x8xf32>, memref<?xf32>) outs(%scaled : memref<?x8xf32>) {
  ^bb0(%in: f32, %s: f32, %out: f32):
    %q = arith.divf %in, %s : f32
    linalg.yield %q : f32
  }
  linalg.fill ins(%zero : f32) outs(%y : memref<?x8xf32>)
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%scaled, %w : memref<?x8xf32>, memref<8x8xf32>) outs(%y : memref<?x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %p, %out : f32
    linalg.yield %s : f32
  }
  return
}

// -----

// Equal work is one function. Work on other rows needs a barrier, and so does overwriting what is still
// read; independent work does not.
// CHECK-LABEL: func.func private @forward
// CHECK: kernel.launch @[[T:.*]] ins(%[[A:.*]] : memref<4x4xf32>) outs(%[[B:.*]] :
// CHECK-NEXT: kernel.barrier
// CHECK-NEXT: kernel.launch @[[T]] ins(%[[B]] : memref<4x4xf32>) outs(%[[C:.*]] :
// CHECK-NEXT: kernel.launch @[[M:.*]] ins(%[[A]] 
// CHECK-NEXT: kernel.barrier
// CHECK-NEXT: kernel.launch @[[T]] ins(%[[C]] : memref<4x4xf32>) outs(%[[A]] :
// CHECK-NEXT: return
func.func @forward(%a: memref<4x4xf32>, %b: memref<4x4xf32>, %c: memref<4x4xf32>, %d: memref<4x4xf32>) {
  linalg.transpose ins(%a : memref<4x4xf32>) outs(%b : memref<4x4xf32>) permutation = [1, 0]
  linalg.transpose ins(%b : memref<4x4xf32>) outs(%c : memref<4x4xf32>) permutation = [1, 0]
  linalg.matmul ins(%a, %a : memref<4x4xf32>, memref<4x4xf32>) outs(%d : memref<4x4xf32>)
  linalg.transpose ins(%c : memref<4x4xf32>) outs(%a : memref<4x4xf32>) permutation = [1, 0]
  return
}

// -----

// Rows of another number of rows are other rows: nothing says that the sizes are equal.
// CHECK-LABEL: func.func private @forward
// CHECK: kernel.launch
// CHECK: kernel.barrier
// CHECK: kernel.launch
func.func @forward(%a: memref<?x4xf32>, %b: memref<?x4xf32>, %n: index) {
  %part = memref.subview %b[0, 0] [%n, 4] [1, 1] : memref<?x4xf32> to memref<?x4xf32, strided<[4, 1]>>
  linalg.copy ins(%a : memref<?x4xf32>) outs(%b : memref<?x4xf32>)
  linalg.negf ins(%part : memref<?x4xf32, strided<[4, 1]>>) outs(%part : memref<?x4xf32, strided<[4, 1]>>)
  return
}

// -----

// A scalar that threads read is behind a barrier; a single store is one thread's. Blocks of a
// loop start with a barrier, for what ran before may be their own end.
// CHECK-LABEL: func.func private @forward
// CHECK: kernel.launch serial @
// CHECK: kernel.barrier
// CHECK-NEXT: memref.load
// CHECK: scf.for
// CHECK-NEXT: kernel.barrier
// CHECK-NEXT: kernel.launch @
func.func @forward(%a: memref<4xf32>, %b: memref<8xf32>, %n: memref<1xi64>, %v: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  memref.store %v, %n[%c0] : memref<1xi64>
  %end = memref.load %n[%c0] : memref<1xi64>
  %e = arith.index_cast %end : i64 to index
  scf.for %i = %c0 to %e step %c1 {
    linalg.exp ins(%b : memref<8xf32>) outs(%b : memref<8xf32>)
  }
  return
}

// -----

// Two chains run side by side: a barrier per step, not per launch. Parts of one buffer that lie side by
// side are no conflict.
// CHECK-LABEL: func.func private @forward
// CHECK: kernel.launch @k ins(%[[X:.*]] : memref<?xf32>) outs(%[[A:.*]] :
// CHECK-NOT: kernel.barrier
// CHECK: kernel.launch @k ins(%[[X]] : memref<?xf32>) outs(%[[B:.*]] :
// CHECK: kernel.barrier
// CHECK: kernel.launch @part ins(%[[A]] : memref<?xf32>)
// CHECK-NOT: kernel.barrier
// CHECK: kernel.launch @part ins(%[[B]] : memref<?xf32>)
// CHECK-NEXT: return
func.func private @k(%a: memref<?xf32>, %b: memref<?xf32>, %t: index, %n: index) { return }
func.func private @part(%a: memref<?xf32>, %b: memref<?xf32, strided<[1], offset: ?>>, %t: index, %n: index) { return }
func.func @forward(%x: memref<?xf32>, %y: memref<?xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %a = memref.alloc(%n) : memref<?xf32>
  %b = memref.alloc(%n) : memref<?xf32>
  %first = memref.subview %y[%c0] [%n] [1] : memref<?xf32> to memref<?xf32, strided<[1], offset: ?>>
  %second = memref.subview %y[%n] [%n] [1] : memref<?xf32> to memref<?xf32, strided<[1], offset: ?>>
  kernel.launch @k ins(%x : memref<?xf32>) outs(%a : memref<?xf32>)
  kernel.launch @part ins(%a : memref<?xf32>) outs(%first : memref<?xf32, strided<[1], offset: ?>>)
  kernel.launch @k ins(%x : memref<?xf32>) outs(%b : memref<?xf32>)
  kernel.launch @part ins(%b : memref<?xf32>) outs(%second : memref<?xf32, strided<[1], offset: ?>>)
  return
}

// -----

// Kernels that go row by row, as their loads and stores show, need no barrier for rows that they have in common, whatever shape
// the buffer is seen in; short elementwise rows between them are theirs too. A kernel that reads another row does.
// CHECK-LABEL: func.func private @forward
// CHECK: kernel.launch @rows ins(%{{.*}} : memref<?x8xf32>) outs(%[[A:.*]] :
// CHECK-NOT: kernel.barrier
// CHECK: kernel.launch @share_1 ins(%{{.*}}) outs(%{{.*}}) {kernel.row_elements = array<i64: 8, 8>}
// CHECK-NOT: kernel.barrier
// CHECK: kernel.launch @rows
// CHECK: kernel.barrier
// CHECK: kernel.launch @next_row
func.func private @rows(%x: memref<?x8xf32>, %y: memref<?x8xf32>, %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x8xf32>
  scf.for %row = %thread to %n step %threads {
    %v = vector.load %x[%row, %c0] : memref<?x8xf32>, vector<8xf32>
    vector.store %v, %y[%row, %c0] : memref<?x8xf32>, vector<8xf32>
  }
  return
}
func.func private @next_row(%x: memref<?x8xf32>, %y: memref<?x8xf32>, %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : memref<?x8xf32>
  %end = arith.subi %n, %c1 : index
  scf.for %row = %thread to %end step %threads {
    %next = arith.addi %row, %c1 : index
    %v = vector.load %x[%next, %c0] : memref<?x8xf32>, vector<8xf32>
    vector.store %v, %y[%row, %c0] : memref<?x8xf32>, vector<8xf32>
  }
  return
}
func.func @forward(%x: memref<?x8xf32>, %y: memref<?x8xf32>, %s: index, %t: index) {
  %n = arith.muli %s, %t : index
  %a = memref.alloc(%n) : memref<?x8xf32>
  %b = memref.alloc(%s, %t) : memref<?x?x8xf32>
  %c = memref.alloc(%n) : memref<?x8xf32>
  %a3 = memref.expand_shape %a [[0, 1], [2]] output_shape [%s, %t, 8] : memref<?x8xf32> into memref<?x?x8xf32>
  %b2 = memref.collapse_shape %b [[0, 1], [2]] : memref<?x?x8xf32> into memref<?x8xf32>
  kernel.launch @rows ins(%x : memref<?x8xf32>) outs(%a : memref<?x8xf32>)
  linalg.exp ins(%a3 : memref<?x?x8xf32>) outs(%b : memref<?x?x8xf32>)
  kernel.launch @rows ins(%b2 : memref<?x8xf32>) outs(%c : memref<?x8xf32>)
  kernel.launch @next_row ins(%c : memref<?x8xf32>) outs(%y : memref<?x8xf32>)
  return
}

// -----

// Who waits reads ahead what the next layer streams, over small work in between; behind the last layer there is nothing.
// CHECK-LABEL: func.func private @forward
// CHECK: kernel.launch @layer ins(%{{.*}}, %{{.*}} : memref<?x8xf32>, memref<704x1024xi8>) outs(%[[A:.*]] :
// CHECK: %[[NEXT:.*]] = memref.view %{{.*}}[%c720896{{.*}}][] : memref<?xi8> to memref<704x1024xi8>
// CHECK-NEXT: kernel.barrier ahead(%[[NEXT]] : memref<704x1024xi8>)
// CHECK: kernel.launch @small ins(%[[A]] :
// CHECK: kernel.barrier ahead(
// CHECK-NEXT: kernel.launch @layer
// CHECK-NEXT: kernel.barrier{{$}}
// CHECK-NEXT: kernel.launch @small
func.func private @layer(%x: memref<?x8xf32>, %w: memref<704x1024xi8> {kernel.streamed}, %y: memref<?x8xf32>, %thread: index, %threads: index) { return }
func.func private @small(%x: memref<?x8xf32>, %y: memref<?x8xf32>, %thread: index, %threads: index) { return }
func.func @forward(%x: memref<?x8xf32>, %y: memref<?x8xf32>) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x8xf32>
  %w0 = kernel.weight "w0" at 0 : memref<704x1024xi8>
  %a = memref.alloc(%n) : memref<?x8xf32>
  kernel.launch @layer ins(%x, %w0 : memref<?x8xf32>, memref<704x1024xi8>) outs(%a : memref<?x8xf32>)
  %b = memref.alloc(%n) : memref<?x8xf32>
  kernel.launch @small ins(%a : memref<?x8xf32>) outs(%b : memref<?x8xf32>)
  %w1 = kernel.weight "w1" at 720896 : memref<704x1024xi8>
  %c = memref.alloc(%n) : memref<?x8xf32>
  kernel.launch @layer ins(%b, %w1 : memref<?x8xf32>, memref<704x1024xi8>) outs(%c : memref<?x8xf32>)
  kernel.launch @small ins(%c : memref<?x8xf32>) outs(%y : memref<?x8xf32>)
  return
}
