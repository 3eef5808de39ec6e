// RUN: terse-opt %s --terse-record-interface | FileCheck %s

// CHECK: terse.interface = {capacity = "capacity"
// CHECK-SAME: constraints = ["past + sequence <= 64"]
// CHECK-SAME: inputs = [{dtype = "i64", name = "input_ids", role = "input_ids", shape = ["batch", "sequence"]}
// CHECK-SAME: {dtype = "bool", name = "attention_mask", role = "attention_mask", shape = ["batch", "past + sequence"]}]
// CHECK-SAME: outputs = [{dtype = "f32", name = "logits", role = "logits", shape = ["batch", "2*sequence", "16"]}]
// CHECK-SAME: past = "past"
// CHECK-SAME: states = [{dtype = "f32", name = "past_key_values.0.key", shape = ["batch", "2", "capacity", "8"]}]
// CHECK-SAME: symbols = ["batch", "sequence", "past", "capacity"]
func.func @forward(%past: index {terse.symbol = "past"},
    %ids: tensor<?x?xi64> {terse.name = "input_ids", terse.dims = ["batch", "sequence"]},
    %mask: tensor<?x?xi1> {terse.name = "attention_mask", terse.dims = ["batch", "past + sequence"]},
    %k: tensor<?x2x?x8xf32> {terse.state = "past_key_values.0.key", terse.dims = ["batch", "2", "capacity", "8"]})
    -> (tensor<?x?x16xf32> {terse.name = "logits", terse.dims = ["batch", "2*sequence", "16"]},
        tensor<?x2x?x8xf32> {terse.state = "past_key_values.0.key", terse.dims = ["batch", "2", "capacity", "8"]})
    attributes {terse.constraints = ["past + sequence <= 64"]} {
  %b = arith.constant 1 : index
  %y = tensor.empty(%b, %b) : tensor<?x?x16xf32>
  return %y, %k : tensor<?x?x16xf32>, tensor<?x2x?x8xf32>
}
