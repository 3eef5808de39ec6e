// RUN: terse-opt %s --split-input-file --terse-record-interface | FileCheck %s

// What is rounded by the range of a whole tensor depends on all tokens of a run.

// CHECK: terse.interface = {coupled_tokens = true, inputs
func.func @forward(%x: tensor<?x8xf32> {terse.name = "x", terse.dims = ["n", "8"]})
    -> (tensor<?x8xf32> {terse.name = "y", terse.dims = ["n", "8"]}) {
  %y = terse.quantize_dynamic %x {per_tensor} : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// CHECK: terse.interface = {inputs
func.func @forward(%x: tensor<?x8xf32> {terse.name = "x", terse.dims = ["n", "8"]})
    -> (tensor<?x8xf32> {terse.name = "y", terse.dims = ["n", "8"]}) {
  %y = terse.quantize_dynamic %x : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
