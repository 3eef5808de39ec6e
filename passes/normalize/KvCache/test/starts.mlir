// RUN: terse-opt %s --terse-kv-cache --canonicalize --cse --terse-print-report 2>&1 | FileCheck %s

// New rows of each sequence are written where it ends: the update goes to the state, what made room for it is gone.

// CHECK: terse-kv-cache: states 2
// CHECK-LABEL: func.func @forward
// CHECK-SAME: %[[PAST:[a-z0-9]*]]: index {terse.symbol = "past"}
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<?x?x8xf32>
// CHECK-SAME: %[[KC:[a-z0-9]*]]: tensor<?x2x?x4xf32> {terse.dims = ["batch", "2", "capacity", "4"], terse.state = "past.0.key"}
// CHECK-SAME: %[[VC:[a-z0-9]*]]: tensor<?x2x?x4xf32> {terse.dims = ["batch", "2", "capacity", "4"], terse.state = "past.0.value"}
// CHECK-SAME: %[[STARTS:[a-z0-9]*]]: tensor<?xi64>
// CHECK-NOT: tensor.concat
// CHECK: %[[T:.*]] = arith.addi %{{.*}}, %{{.*}} : index
// CHECK: %[[K:.*]] = terse.cache_update %[[KC]], %[[X]] at %[[PAST]] starts %[[STARTS]] : tensor<?xi64>
// CHECK: %[[V:.*]] = terse.cache_update %[[VC]], %[[X]] at %[[PAST]] starts %[[STARTS]] : tensor<?xi64>
// CHECK: %[[Y:.*]] = terse.attention %[[X]], %[[K]], %[[V]] length %[[T]] starts %[[STARTS]]
// CHECK: return %[[Y]], %[[K]], %[[V]]
func.func @forward(%x: tensor<?x?x8xf32> {terse.name = "x", terse.dims = ["batch", "sequence", "8"]},
                   %pk: tensor<?x2x?x4xf32> {terse.name = "past.0.key", terse.dims = ["batch", "2", "past_len", "4"]},
                   %pv: tensor<?x2x?x4xf32> {terse.name = "past.0.value", terse.dims = ["batch", "2", "past_len", "4"]},
                   %starts: tensor<?xi64> {terse.name = "starts", terse.dims = ["batch"]})
    -> (tensor<?x?x8xf32> {terse.name = "y"}, tensor<?x2x?x4xf32> {terse.name = "present.0.key"}, tensor<?x2x?x4xf32> {terse.name = "present.0.value"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %pk, %c0 : tensor<?x2x?x4xf32>
  %p = tensor.dim %pk, %c2 : tensor<?x2x?x4xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x8xf32>
  %split = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [%b, %s, 2, 4] : tensor<?x?x8xf32> into tensor<?x?x2x4xf32>
  %e = tensor.empty(%b, %s) : tensor<?x2x?x4xf32>
  %new = linalg.transpose ins(%split : tensor<?x?x2x4xf32>) outs(%e : tensor<?x2x?x4xf32>) permutation = [0, 2, 1, 3]
  %kr = tensor.concat dim(2) %pk, %new : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vr = tensor.concat dim(2) %pv, %new : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %k = terse.cache_update %kr, %x at %p starts %starts : tensor<?xi64> : tensor<?x2x?x4xf32>, tensor<?x?x8xf32>
  %v = terse.cache_update %vr, %x at %p starts %starts : tensor<?xi64> : tensor<?x2x?x4xf32>, tensor<?x?x8xf32>
  %t = tensor.dim %k, %c2 : tensor<?x2x?x4xf32>
  %y = terse.attention %x, %k, %v length %t starts %starts : tensor<?xi64> {causal, num_heads = 2 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %y, %k, %v : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}
