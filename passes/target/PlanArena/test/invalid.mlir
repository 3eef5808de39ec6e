// RUN: terse-opt %s --terse-plan-arena --split-input-file -verify-diagnostics

// expected-error @+1 {{expected an argument for the arena}}
func.func @forward() {
  return
}

// -----

func.func private @k(%a: memref<?xf32>, %t: index, %n: index) { return }
func.func @forward(%x: memref<1xindex>, %arena: memref<?xi8> {terse.runtime = "arena"}) {
  %c0 = arith.constant 0 : index
  %n = memref.load %x[%c0] : memref<1xindex>
  // expected-error @+1 {{expected sizes that follow from the sizes of the inputs; dynamic size 0 depends on data}}
  %a = memref.alloc(%n) : memref<?xf32>
  kernel.launch @k outs(%a : memref<?xf32>)
  return
}

// -----

func.func private @k(%a: memref<8xf32>, %t: index, %n: index) { return }
func.func @forward(%x: memref<8xf32>, %arena: memref<?xi8> {terse.runtime = "arena"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%carried = %x) -> memref<8xf32> {
    // expected-error @+1 {{expected a buffer that is not carried around the loop}}
    %b = memref.alloc() : memref<8xf32>
    kernel.launch @k outs(%b : memref<8xf32>)
    scf.yield %b : memref<8xf32>
  }
  kernel.launch @k outs(%r : memref<8xf32>)
  return
}

// -----

func.func @forward(%arena: memref<?xi8> {terse.runtime = "arena"}) {
  // expected-error @+1 {{expected a buffer of numbers in row-major order; got 'memref<4xf32, strided<[2]>>'}}
  %a = memref.alloc() : memref<4xf32, strided<[2]>>
  return
}
