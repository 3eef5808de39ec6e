// RUN: terse-opt %s --split-input-file --terse-kv-cache --canonicalize --cse --terse-print-report 2>&1 | FileCheck %s

// No cache in the file: positions come from the number of tokens alone.

// CHECK: terse-kv-cache: states 2
// CHECK: terse-kv-cache: no-cache linalg.reduce may mix tokens
// CHECK: terse-kv-cache: no-cache a tensor depends on the number of tokens otherwise than by position

// CHECK-LABEL: func.func @forward
// CHECK-SAME: %[[PAST:[a-z0-9]*]]: index {terse.symbol = "past"}
// CHECK-SAME: %[[IDS:[a-z0-9]*]]: tensor<?x?xi64> {terse.dims = ["batch", "sequence"], terse.name = "input_ids"}
// CHECK-SAME: %[[M:[a-z0-9]*]]: tensor<?x?xi64> {terse.dims = ["batch", "past + sequence"]}
// CHECK-SAME: %[[KC:[a-z0-9]*]]: tensor<?x2x?x2xf32> {terse.dims = ["batch", "2", "capacity", "2"], terse.state = "past_key_values.0.key"}
// CHECK-SAME: %[[VC:[a-z0-9]*]]: tensor<?x2x?x2xf32> {terse.dims = ["batch", "2", "capacity", "2"], terse.state = "past_key_values.0.value"}
// CHECK-DAG: %[[S:.*]] = tensor.dim %[[IDS]], %c1
// CHECK-DAG: %[[T:.*]] = arith.addi %[[PAST]], %[[S]] : index
// CHECK-DAG: tensor.extract_slice %{{.*}}[0, %[[PAST]], 0] [%{{.*}}, %[[S]], 4] [1, 1, 1]
// CHECK-DAG: %[[K:.*]] = terse.cache_update %[[KC]], %[[X:[0-9]*]] at %[[PAST]]
// CHECK-DAG: %[[V:.*]] = terse.cache_update %[[VC]], %[[X]] at %[[PAST]]
// CHECK: terse.attention %[[X]], %[[K]], %[[V]] length %[[T]] padding
// CHECK: return %{{.*}}, %[[K]], %[[V]]
func.func @forward(%ids: tensor<?x?xi64> {terse.name = "input_ids", terse.dims = ["batch", "sequence"]},
                   %mask: tensor<?x?xi64> {terse.dims = ["batch", "sequence"]}) -> tensor<?x?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %ids, %c0 : tensor<?x?xi64>
  %s = tensor.dim %mask, %c1 : tensor<?x?xi64>
  %table = terse.weight "wte" = dense<1.0> : tensor<9x4xf32> -> tensor<9x4xf32>
  %places = terse.weight "wpe" = dense<2.0> : tensor<64x4xf32> -> tensor<64x4xf32>
  %x = terse.embedding %ids, %table : tensor<?x?xi64>, tensor<9x4xf32> -> tensor<?x?x4xf32>
  %ei = tensor.empty(%s) : tensor<?xi64>
  %range = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} outs(%ei : tensor<?xi64>) {
  ^bb0(%out: i64):
    %i = linalg.index 0 : index
    %v = arith.index_cast %i : index to i64
    linalg.yield %v : i64
  } -> tensor<?xi64>
  %pos = terse.embedding %range, %places : tensor<?xi64>, tensor<64x4xf32> -> tensor<?x4xf32>
  %e = tensor.empty(%b, %s) : tensor<?x?x4xf32>
  %posb = linalg.broadcast ins(%pos : tensor<?x4xf32>) outs(%e : tensor<?x?x4xf32>) dimensions = [0]
  %h = arith.addf %x, %posb : tensor<?x?x4xf32>
  %split = tensor.expand_shape %h [[0], [1], [2, 3]] output_shape [%b, %s, 2, 2] : tensor<?x?x4xf32> into tensor<?x?x2x2xf32>
  %ek = tensor.empty(%b, %s) : tensor<?x2x?x2xf32>
  %k = linalg.transpose ins(%split : tensor<?x?x2x2xf32>) outs(%ek : tensor<?x2x?x2xf32>) permutation = [0, 2, 1, 3]
  %zero = arith.constant 0 : i64
  %zeros = tensor.splat %zero[%b, %s] : tensor<?x?xi64>
  %pad = arith.cmpi ne, %mask, %zeros : tensor<?x?xi64>
  %y = terse.attention %h, %k, %k length %s padding %pad : tensor<?x?xi1> {causal, num_heads = 2 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x4xf32>, tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32> -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// -----

// The mean over all tokens is no matter of one token.

// CHECK-LABEL: func.func @forward
// CHECK-NOT: terse.symbol
// CHECK: return
func.func @forward(%h: tensor<?x?x4xf32> {terse.name = "x", terse.dims = ["batch", "sequence", "4"]}) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %h, %c0 : tensor<?x?x4xf32>
  %s = tensor.dim %h, %c1 : tensor<?x?x4xf32>
  %split = tensor.expand_shape %h [[0], [1], [2, 3]] output_shape [%b, %s, 2, 2] : tensor<?x?x4xf32> into tensor<?x?x2x2xf32>
  %ek = tensor.empty(%b, %s) : tensor<?x2x?x2xf32>
  %k = linalg.transpose ins(%split : tensor<?x?x2x2xf32>) outs(%ek : tensor<?x2x?x2xf32>) permutation = [0, 2, 1, 3]
  %y = terse.attention %h, %k, %k length %s {causal, num_heads = 2 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x4xf32>, tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32> -> tensor<?x?x4xf32>
  %e = tensor.empty(%b) : tensor<?x4xf32>
  %r = linalg.reduce ins(%y : tensor<?x?x4xf32>) outs(%e : tensor<?x4xf32>) dimensions = [1] (%in: f32, %acc: f32) {
    %sum = arith.addf %in, %acc : f32
    linalg.yield %sum : f32
  }
  return %r : tensor<?x4xf32>
}

// -----

// Positions counted from the end are not known before the last token is.

// CHECK-LABEL: func.func @forward
// CHECK-NOT: terse.symbol
// CHECK: return
func.func @forward(%x: tensor<?x?x4xf32> {terse.name = "x", terse.dims = ["batch", "sequence", "4"]}) -> tensor<?x?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x4xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x4xf32>
  %e = tensor.empty(%b, %s) : tensor<?x?x4xf32>
  %pos = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} outs(%e : tensor<?x?x4xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 1 : index
    %d = arith.subi %s, %i : index
    %v = arith.index_cast %d : index to i64
    %f = arith.sitofp %v : i64 to f32
    linalg.yield %f : f32
  } -> tensor<?x?x4xf32>
  %h = arith.addf %x, %pos : tensor<?x?x4xf32>
  %split = tensor.expand_shape %h [[0], [1], [2, 3]] output_shape [%b, %s, 2, 2] : tensor<?x?x4xf32> into tensor<?x?x2x2xf32>
  %ek = tensor.empty(%b, %s) : tensor<?x2x?x2xf32>
  %k = linalg.transpose ins(%split : tensor<?x?x2x2xf32>) outs(%ek : tensor<?x2x?x2xf32>) permutation = [0, 2, 1, 3]
  %y = terse.attention %h, %k, %k length %s {causal, num_heads = 2 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x4xf32>, tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32> -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}
