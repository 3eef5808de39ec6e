// RUN: terse-opt %s --split-input-file --terse-slice-logits | FileCheck %s

// Tokens that attend to those behind them: no language model.

// CHECK-NOT: logits_to_keep
// CHECK-NOT: tensor.extract_slice
func.func @forward(%ids: tensor<?x?xi64> {terse.dims = ["b", "s"], terse.name = "input_ids"},
                   %x: tensor<?x?x8xf32> {terse.dims = ["b", "s", "8"], terse.name = "x"},
                   %k: tensor<?x1x?x8xf32> {terse.dims = ["b", "1", "s", "8"], terse.name = "k"})
    -> (tensor<?x?x8xf32> {terse.dims = ["b", "s", "8"], terse.name = "logits"}) {
  %c1 = arith.constant 1 : index
  %s = tensor.dim %ids, %c1 : tensor<?x?xi64>
  %a = terse.attention %x, %k, %k length %s {num_heads = 1 : i64, scale = 1.0 : f64} : tensor<?x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32> -> tensor<?x?x8xf32>
  return %a : tensor<?x?x8xf32>
}

// -----

// The file has logits of a number of tokens that is not that of the ids, or of a fixed one, or an own symbol of the name.

func.func @forward(%ids: tensor<?x?xi64> {terse.dims = ["b", "s"], terse.name = "input_ids"},
                   %x: tensor<?x?x8xf32> {terse.dims = ["b", "t", "8"], terse.name = "x"},
                   %k: tensor<?x1x?x8xf32> {terse.dims = ["b", "1", "t", "8"], terse.name = "k"})
    -> (tensor<?x?x8xf32> {terse.dims = ["b", "t", "8"], terse.name = "logits"}) {
  %c1 = arith.constant 1 : index
  %s = tensor.dim %x, %c1 : tensor<?x?x8xf32>
  %a = terse.attention %x, %k, %k length %s {causal, num_heads = 1 : i64, scale = 1.0 : f64} : tensor<?x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32> -> tensor<?x?x8xf32>
  return %a : tensor<?x?x8xf32>
}

// -----

func.func @forward(%ids: tensor<1x4xi64> {terse.dims = ["1", "4"], terse.name = "input_ids"},
                   %x: tensor<1x4x8xf32> {terse.dims = ["1", "4", "8"], terse.name = "x"},
                   %k: tensor<1x1x4x8xf32> {terse.dims = ["1", "1", "4", "8"], terse.name = "k"})
    -> (tensor<1x4x8xf32> {terse.dims = ["1", "4", "8"], terse.name = "logits"}) {
  %s = arith.constant 4 : index
  %a = terse.attention %x, %k, %k length %s {causal, num_heads = 1 : i64, scale = 1.0 : f64} : tensor<1x4x8xf32>, tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32> -> tensor<1x4x8xf32>
  return %a : tensor<1x4x8xf32>
}

// -----

// CHECK: func.func @forward(%{{.*}}: tensor<?x?xi64> {terse.dims = ["b", "logits_to_keep"]
// CHECK-NOT: tensor.extract_slice
func.func @forward(%ids: tensor<?x?xi64> {terse.dims = ["b", "logits_to_keep"], terse.name = "input_ids"},
                   %x: tensor<?x?x8xf32> {terse.dims = ["b", "logits_to_keep", "8"], terse.name = "x"},
                   %k: tensor<?x1x?x8xf32> {terse.dims = ["b", "1", "logits_to_keep", "8"], terse.name = "k"})
    -> (tensor<?x?x8xf32> {terse.dims = ["b", "logits_to_keep", "8"], terse.name = "logits"}) {
  %c1 = arith.constant 1 : index
  %s = tensor.dim %ids, %c1 : tensor<?x?xi64>
  %a = terse.attention %x, %k, %k length %s {causal, num_heads = 1 : i64, scale = 1.0 : f64} : tensor<?x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32> -> tensor<?x?x8xf32>
  return %a : tensor<?x?x8xf32>
}
