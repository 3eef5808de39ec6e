// RUN: terse-opt %s --terse-spmd --split-input-file -verify-diagnostics

// expected-error @+1 {{expected a function named 'forward'}}
module {
}

// -----

// expected-error @+1 {{expected a bufferized entry function without results}}
func.func @forward(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

func.func private @library(memref<4xf32>)
func.func @forward(%x: memref<4xf32>) {
  // expected-error @+1 {{expected work that threads can share}}
  call @library(%x) : (memref<4xf32>) -> ()
  return
}
