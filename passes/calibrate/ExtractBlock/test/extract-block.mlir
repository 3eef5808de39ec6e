// RUN: terse-opt %s --terse-extract-block=index=0 | FileCheck %s --check-prefix=FIRST
// RUN: terse-opt %s --terse-extract-block=index=1 --terse-print-report 2>&1 | FileCheck %s --check-prefix=SECOND
// RUN: terse-opt %s --terse-extract-block=index=2 | FileCheck %s --check-prefix=LAST
// RUN: terse-opt %s --terse-extract-block="index=1 count=2" --terse-print-report 2>&1 | FileCheck %s --check-prefix=TWO
// RUN: terse-opt %s --terse-insert-taps=at=blocks --terse-extract-block=count=2 | FileCheck %s --check-prefix=TAPS

// A chain of an attention-like part, a part without a residual connection, and a head.

// The first block has the embedding and what positions need; its state is kept, the other block's is not.
// FIRST: func.func @forward(%{{[a-z0-9]+}}: index {terse.symbol = "past"}, %{{[a-z0-9]+}}: tensor<?x?xi64>
// FIRST-SAME: %[[STATE:[a-z0-9]+]]: tensor<?x1x?x8xf32> {{{.*}}terse.state = "cache.0"})
// FIRST-SAME: -> (tensor<?x?x8xf32> {terse.dims = ["b", "s", "8"], terse.name = "block_output"},
// FIRST-SAME: tensor<?x1x?x8xf32> {{{.*}}terse.state = "cache.0"}, tensor<?x?x8xf32> {terse.dims = ["b", "s", "8"], terse.name = "tap:v"})
// FIRST: %[[X:.*]] = terse.embedding
// FIRST: terse.linear %[[X]]
// FIRST: %[[CACHE:.*]] = terse.cache_update %[[STATE]]
// FIRST: %[[SUM:.*]] = arith.addf
// FIRST-NEXT: return %[[SUM]], %[[CACHE]], %[[X]]
// FIRST-NOT: terse.tap

// The input comes from the block before; the model's inputs stay, other arguments go.
// SECOND: terse-extract-block: blocks 3
// SECOND: terse-extract-block: layers 1
// SECOND: func.func @forward(%{{[^:]*}}: tensor<?x?xi64> {{{.*}}terse.name = "input_ids"}, %[[IN:[a-z0-9]+]]: tensor<?x?x8xf32> {terse.dims = ["b", "s", "8"], terse.name = "block_input"})
// SECOND-SAME: -> (tensor<?x?x16xf32> {terse.dims = ["b", "s", "16"], terse.name = "block_output"})
// SECOND: %[[UP:.*]] = terse.linear %[[IN]]
// SECOND-NEXT: return %[[UP]]

// LAST: terse.name = "input_ids"}, %[[IN:[a-z0-9]+]]: tensor<?x?x16xf32> {terse.dims = ["b", "s", "16"], terse.name = "block_input"})
// LAST-SAME: -> (tensor<?x?x4xf32> {terse.dims = ["b", "s", "4"], terse.name = "logits"})
// LAST: %[[A:.*]] = terse.activation silu %[[IN]]
// LAST: %[[Y:.*]] = terse.linear %[[A]]
// LAST: return %[[Y]]

// Two that follow each other.
// TWO: terse-extract-block: layers 2
// TWO: %[[IN:[a-z0-9]+]]: tensor<?x?x8xf32> {terse.dims = ["b", "s", "8"], terse.name = "block_input"})
// TWO-SAME: -> (tensor<?x?x4xf32> {terse.dims = ["b", "s", "4"], terse.name = "logits"})
// TWO: terse.linear %[[IN]]

// What each of them takes, the first one from embeddings.
// TAPS: terse.name = "block_output"}
// TAPS-SAME: terse.name = "tap:v.weight"}, {{.*}}tensor<?x?x8xf32> {terse.dims = ["b", "s", "8"], terse.name = "tap:up.weight"})
// TAPS: %[[X:.*]] = terse.embedding
// TAPS: %[[SUM:.*]] = arith.addf %[[X]]
// TAPS: %[[UP:.*]] = terse.linear %[[SUM]]
// TAPS: return %[[UP]], %{{.*}}, %[[X]], %[[X]], %[[SUM]]
func.func @forward(%past: index {terse.symbol = "past"}, %ids: tensor<?x?xi64> {terse.dims = ["b", "s"], terse.name = "input_ids"},
    %state: tensor<?x1x?x8xf32> {terse.dims = ["b", "1", "capacity", "8"], terse.state = "cache.0"})
    -> (tensor<?x?x4xf32> {terse.dims = ["b", "s", "4"], terse.name = "logits"},
        tensor<?x1x?x8xf32> {terse.dims = ["b", "1", "capacity", "8"], terse.state = "cache.0"}) {
  %c1 = arith.constant 1 : index
  %table = terse.weight "table" = dense<0.0> : tensor<9x8xf32> -> tensor<9x8xf32>
  %wv = terse.weight "v.weight" = dense<0.0> : tensor<8x8xf32> -> tensor<8x8xf32>
  %wup = terse.weight "up.weight" = dense<0.0> : tensor<16x8xf32> -> tensor<16x8xf32>
  %whead = terse.weight "head.weight" = dense<0.0> : tensor<4x16xf32> -> tensor<4x16xf32>
  %x = terse.embedding %ids, %table : tensor<?x?xi64>, tensor<9x8xf32> -> tensor<?x?x8xf32>
  %tapped = terse.tap "v" %x : tensor<?x?x8xf32>
  %v = terse.linear %tapped, %wv : tensor<?x?x8xf32>, tensor<8x8xf32> -> tensor<?x?x8xf32>
  %cache = terse.cache_update %state, %v at %past : tensor<?x1x?x8xf32>, tensor<?x?x8xf32>
  %s = tensor.dim %ids, %c1 : tensor<?x?xi64>
  %length = arith.addi %past, %s : index
  %a = terse.attention %v, %cache, %cache length %length {num_heads = 1 : i64, scale = 1.0 : f64, causal}
    : tensor<?x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32> -> tensor<?x?x8xf32>
  %sum = arith.addf %x, %a : tensor<?x?x8xf32>
  %up = terse.linear %sum, %wup : tensor<?x?x8xf32>, tensor<16x8xf32> -> tensor<?x?x16xf32>
  %act = terse.activation silu %up : tensor<?x?x16xf32>
  %head = terse.linear %act, %whead : tensor<?x?x16xf32>, tensor<4x16xf32> -> tensor<?x?x4xf32>
  return %head, %cache : tensor<?x?x4xf32>, tensor<?x1x?x8xf32>
}
