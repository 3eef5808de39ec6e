// RUN: terse-opt %s --terse-record-interface | FileCheck %s

// A cache that stays in the interface: pasts and presents pair by name.
// CHECK: inputs = [{dtype = "f16", name = "past_key_values.0.key", role = "past", shape = ["n"]}]
// CHECK-SAME: outputs = [{dtype = "f16", name = "present.0.key", role = "present", shape = ["n"]}]
func.func @forward(%k: tensor<?xf16> {terse.name = "past_key_values.0.key", terse.dims = ["n"]})
    -> (tensor<?xf16> {terse.name = "present.0.key", terse.dims = ["n"]}) {
  return %k : tensor<?xf16>
}
