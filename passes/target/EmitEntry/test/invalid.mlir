// RUN: terse-opt %s --terse-emit-entry --split-input-file --verify-diagnostics

// expected-error@below {{expected functions @forward and @forward_arena and the attribute 'terse.interface'}}
module {}

// -----

module attributes {terse.interface = {symbols = []}} {
// expected-error@below {{expected an argument as the runtime gives it, with known symbols; argument 0 is 'memref<?xf32>'}}
func.func @forward(%x: memref<?xf32> {terse.name = "x", terse.dims = ["n"]}) {
  return
}
func.func @forward_arena(%x: memref<?xf32> {terse.name = "x", terse.dims = ["n"]}) -> index {
  %0 = arith.constant 0 : index
  return %0 : index
}
}
