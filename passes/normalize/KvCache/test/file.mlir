// RUN: terse-opt %s --terse-kv-cache --canonicalize --cse --terse-print-report 2>&1 | FileCheck %s

// Past keys and values come in, the same with the new ones appended go out.

// CHECK: terse-kv-cache: states 2
// CHECK-LABEL: func.func @forward
// CHECK-SAME: %[[PAST:[a-z0-9]*]]: index {terse.symbol = "past"}
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<?x?x8xf32>
// CHECK-SAME: %[[KC:[a-z0-9]*]]: tensor<?x2x?x4xf32> {terse.dims = ["batch", "2", "capacity", "4"], terse.state = "past.0.key"}
// CHECK-SAME: %[[VC:[a-z0-9]*]]: tensor<?x2x?x4xf32> {terse.dims = ["batch", "2", "capacity", "4"], terse.state = "past.0.value"}
// CHECK-SAME: %[[M:[a-z0-9]*]]: tensor<?x?xi1> {terse.dims = ["batch", "past + sequence"]}
// CHECK-SAME: -> (tensor<?x?x8xf32> {terse.name = "y"}, tensor<?x2x?x4xf32> {terse.dims = ["batch", "2", "capacity", "4"], terse.state = "past.0.key"}, tensor<?x2x?x4xf32>
// CHECK-DAG: %[[S:.*]] = tensor.dim %[[X]], %c1
// CHECK-DAG: %[[T:.*]] = arith.addi %{{.*}}, %{{.*}} : index
// CHECK-DAG: %[[K:.*]] = terse.cache_update %[[KC]], %[[X]] at %[[PAST]]
// CHECK-DAG: %[[V:.*]] = terse.cache_update %[[VC]], %{{.*}} at %[[PAST]]
// CHECK: %[[Y:.*]] = terse.attention %[[X]], %[[K]], %[[V]] length %[[T]]
// CHECK: return %[[Y]], %[[K]], %[[V]]
func.func @forward(%x: tensor<?x?x8xf32> {terse.name = "x", terse.dims = ["batch", "sequence", "8"]},
                   %pk: tensor<?x2x?x4xf32> {terse.name = "past.0.key", terse.dims = ["batch", "2", "past_len", "4"]},
                   %pv: tensor<?x2x?x4xf32> {terse.name = "past.0.value", terse.dims = ["batch", "2", "past_len", "4"]},
                   %mask: tensor<?x?xi1> {terse.dims = ["batch", "past_len + sequence"]})
    -> (tensor<?x?x8xf32> {terse.name = "y"}, tensor<?x2x?x4xf32> {terse.name = "present.0.key"}, tensor<?x2x?x4xf32> {terse.name = "present.0.value"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %pk, %c0 : tensor<?x2x?x4xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x8xf32>
  %split = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [%b, %s, 2, 4] : tensor<?x?x8xf32> into tensor<?x?x2x4xf32>
  %e = tensor.empty(%b, %s) : tensor<?x2x?x4xf32>
  %new = linalg.transpose ins(%split : tensor<?x?x2x4xf32>) outs(%e : tensor<?x2x?x4xf32>) permutation = [0, 2, 1, 3]
  %twice = arith.addf %new, %new : tensor<?x2x?x4xf32>
  %k = tensor.concat dim(2) %pk, %new : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %v = tensor.concat dim(2) %pv, %twice : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %t = tensor.dim %k, %c2 : tensor<?x2x?x4xf32>
  %y = terse.attention %x, %k, %v length %t padding %mask : tensor<?x?xi1> {causal, num_heads = 2 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %y, %k, %v : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}
