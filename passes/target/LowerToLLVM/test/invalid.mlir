// RUN: terse-opt %s --terse-lower-to-llvm --split-input-file -verify-diagnostics

func.func private @k(%x: memref<4xf32>, %t: index, %n: index) { return }
// expected-error @+1 {{expected arguments for the thread, the number of threads and the barrier}}
func.func @forward(%x: memref<4xf32>) {
  kernel.launch @k outs(%x : memref<4xf32>)
  return
}

// -----

// expected-error @+1 {{expected a kernel with a body}}
func.func private @k(memref<4xf32>, index, index)
func.func @forward(%x: memref<4xf32>, %barrier: !llvm.ptr {terse.runtime = "barrier"}, %t: index {terse.runtime = "thread"}, %n: index {terse.runtime = "threads"}) {
  kernel.launch @k outs(%x : memref<4xf32>)
  return
}
