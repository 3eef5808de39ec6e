// RUN: terse-opt %s --terse-slice-logits --terse-simplify-movement=through-layers=true --canonicalize --cse | FileCheck %s
// RUN: terse-opt %s --terse-slice-logits --terse-simplify-movement=through-layers=true --canonicalize --cse --terse-record-interface | FileCheck %s --check-prefix=INTERFACE

// What is behind the last attention is computed for as many tokens as there are logits of; the residual stream is cut.

// INTERFACE: terse.interface = {capacity = "capacity",
// INTERFACE-SAME: logits_to_keep = "s"
// INTERFACE-SAME: name = "logits", role = "logits", shape = ["b", "logits_to_keep", "32"]
// INTERFACE-SAME: symbols = ["b", "s", "capacity", "logits_to_keep", "past"]

// CHECK: func.func @forward(%[[KEEP:.*]]: index {terse.default_symbol = "s", terse.symbol = "logits_to_keep"}, %{{.*}}: index {terse.symbol = "past"}
// CHECK: %[[TOKENS:.*]] = tensor.dim %[[IDS:.*]], %c1
// CHECK: %[[FIRST:.*]] = arith.subi %[[TOKENS]], %[[KEEP]]
// CHECK: %[[X:.*]] = terse.embedding
// CHECK: %[[A:.*]] = terse.attention
// CHECK-DAG: %[[XS:.*]] = tensor.extract_slice %[[X]][0, %[[FIRST]], 0] [%{{.*}}, %[[KEEP]], 8] [1, 1, 1]
// CHECK-DAG: %[[AS:.*]] = tensor.extract_slice %[[A]][0, %[[FIRST]], 0] [%{{.*}}, %[[KEEP]], 8] [1, 1, 1]
// CHECK: %[[H:.*]] = arith.addf %[[XS]], %[[AS]]
// CHECK: %[[N:.*]] = terse.norm rms %[[H]]
// CHECK: %[[Q:.*]] = terse.quantize_dynamic %[[N]]
// CHECK: %[[G:.*]] = terse.linear %[[Q]]
// CHECK: %[[S:.*]] = terse.activation silu %[[G]]
// CHECK: %[[D:.*]] = terse.linear %[[S]]
// CHECK: %[[R:.*]] = arith.addf %[[H]], %[[D]]
// CHECK: %[[L:.*]] = terse.linear %[[R]]
// CHECK: return %[[L]]
func.func @forward(%past: index {terse.symbol = "past"},
                   %ids: tensor<?x?xi64> {terse.dims = ["b", "s"], terse.name = "input_ids"},
                   %keys: tensor<?x1x?x8xf32> {terse.dims = ["b", "1", "capacity", "8"], terse.state = "k"})
    -> (tensor<?x?x32xf32> {terse.dims = ["b", "s", "32"], terse.name = "logits"},
        tensor<?x1x?x8xf32> {terse.dims = ["b", "1", "capacity", "8"], terse.state = "k"}) {
  %table = terse.weight "table" = dense<0.5> : tensor<32x8xf32> -> tensor<32x8xf32>
  %gate = terse.weight "gate" = dense<0.5> : tensor<16x8xf32> -> tensor<16x8xf32>
  %down = terse.weight "down" = dense<0.5> : tensor<8x16xf32> -> tensor<8x16xf32>
  %ones = arith.constant dense<1.0> : tensor<8xf32>
  %c1 = arith.constant 1 : index
  %s = tensor.dim %ids, %c1 : tensor<?x?xi64>
  %length = arith.addi %past, %s : index
  %x = terse.embedding %ids, %table : tensor<?x?xi64>, tensor<32x8xf32> -> tensor<?x?x8xf32>
  %k = terse.cache_update %keys, %x at %past : tensor<?x1x?x8xf32>, tensor<?x?x8xf32>
  %a = terse.attention %x, %k, %k length %length {causal, num_heads = 1 : i64, scale = 1.0 : f64} : tensor<?x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32> -> tensor<?x?x8xf32>
  %h = arith.addf %x, %a : tensor<?x?x8xf32>
  %n = terse.norm rms %h, %ones {epsilon = 1.0e-5 : f64} : tensor<?x?x8xf32>, tensor<8xf32>
  %q = terse.quantize_dynamic %n : tensor<?x?x8xf32>
  %g = terse.linear %q, %gate : tensor<?x?x8xf32>, tensor<16x8xf32> -> tensor<?x?x16xf32>
  %silu = terse.activation silu %g : tensor<?x?x16xf32>
  %d = terse.linear %silu, %down : tensor<?x?x16xf32>, tensor<8x16xf32> -> tensor<?x?x8xf32>
  %r = arith.addf %h, %d : tensor<?x?x8xf32>
  %l = terse.linear %r, %table : tensor<?x?x8xf32>, tensor<32x8xf32> -> tensor<?x?x32xf32>
  return %l, %k : tensor<?x?x32xf32>, tensor<?x1x?x8xf32>
}
