// RUN: terse-opt %s --terse-prune-magnitude="sparsity=0.5" --terse-print-report 2>&1 | FileCheck %s
// RUN: terse-opt %s --terse-prune-magnitude="pattern=2:4 head=true" | FileCheck %s --check-prefix=PATTERN

// CHECK: terse-prune-magnitude: layers-pruned 2
// CHECK: terse-prune-magnitude: layers-left 2
// CHECK: terse-prune-magnitude: zeros 0.375
// CHECK: terse-prune-magnitude: layer-errors {"down":0.15
// CHECK: terse-prune-magnitude: worst-layer down (0.1566)

// CHECK-LABEL: func.func @forward
func.func @forward(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  // Of the whole matrix the four least: all of the first row.
  // CHECK-DAG: %[[UP:.*]] = terse.weight "up.pruned" = dense<{{\[\[}}0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00], [1.000000e+01, 4.000000e+01, -3.000000e+01, 2.000000e+01]]>
  // PATTERN-DAG: terse.weight "up.pruned" = dense<{{\[\[}}0.000000e+00, 4.000000e+00, -3.000000e+00, 0.000000e+00], [0.000000e+00, 4.000000e+01, -3.000000e+01, 0.000000e+00]]>
  %up = terse.weight "up" = dense<[[1.0, 4.0, -3.0, 2.0], [10.0, 40.0, -30.0, 20.0]]> : tensor<2x4xf32> -> tensor<2x4xf32>
  // [K, N] in f64; the layer's policy asks for a quarter.
  // CHECK-DAG: %[[DOWN:.*]] = terse.weight "down.pruned" = dense<{{\[\[}}0.000000e+00, 5.000000e+00], [0.000000e+00, 6.000000e+00], [3.000000e+00, 7.000000e+00], [4.000000e+00, 8.000000e+00]]> : tensor<4x2xf64>
  %down = terse.weight "down" = dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf64> -> tensor<2x4xf64>
  %down32 = arith.truncf %down : tensor<2x4xf64> to tensor<2x4xf32>
  %kept = terse.weight "kept" = dense<1.0> : tensor<4x4xf32> -> tensor<4x4xf32>
  // CHECK: terse.linear %{{.*}}, %[[UP]] {name = "up", terse.sparsity = "unstructured"}
  // PATTERN: terse.linear {{.*}} {name = "up", terse.sparsity = "2:4"}
  %h = terse.linear %x, %up {name = "up"} : tensor<1x4xf32>, tensor<2x4xf32> -> tensor<1x2xf32>
  // CHECK: terse.linear {{.*}} {name = "down", terse.policy = {sparsity = 2.500000e-01 : f64}, terse.sparsity = "unstructured"}
  %y = terse.linear %h, %down32 {name = "down", reduction_axis = 0 : i64, terse.policy = {sparsity = 0.25}} : tensor<1x2xf32>, tensor<2x4xf32> -> tensor<1x4xf32>
  // CHECK: terse.linear {{.*}} {name = "kept", terse.policy = {keep}}
  %z = terse.linear %y, %kept {name = "kept", terse.policy = {keep}} : tensor<1x4xf32>, tensor<4x4xf32> -> tensor<1x4xf32>
  // The head is left unless it is asked for.
  // CHECK: terse.linear {{.*}} {name = "head"}
  // PATTERN: terse.linear {{.*}} {name = "head", terse.sparsity = "2:4"}
  %logits = terse.linear %z, %kept {name = "head"} : tensor<1x4xf32>, tensor<4x4xf32> -> tensor<1x4xf32>
  return %logits : tensor<1x4xf32>
}
