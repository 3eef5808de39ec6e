// RUN: terse-opt %s --terse-prune-structured="share=50%% multiple=1 criterion=magnitude correct=false" --terse-print-report 2>&1 | FileCheck %s
// RUN: terse-opt %s --terse-prune-structured="share=0.5 multiple=1 criterion=magnitude correct=false targets=heads layers=out" | FileCheck %s --check-prefix=HEADS

// CHECK-DAG: terse-prune-structured: feed-forwards-pruned 2
// CHECK-DAG: terse-prune-structured: attentions-pruned 1
// CHECK-DAG: terse-prune-structured: parameters-removed 32
// CHECK-DAG: terse-prune-structured: left {{.*}}"down":"the policy of layer 'up' keeps it"
// CHECK-DAG: "merged.down":"layer 'merged' makes several values at once"
// CHECK-DAG: "more":"it reads more than linear layers through elementwise operations"
// CHECK-DAG: "one":"the share of its 1 channels is less than one"
// CHECK-DAG: "seen":"a value within it is read elsewhere"
// CHECK-DAG: "twice":"the weight of layer 'twice' is read elsewhere"

// CHECK-LABEL: func.func @plain
func.func @plain(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %up = terse.weight "up" = dense<[[1.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 2.0], [4.0, 0.0, 0.0]]> : tensor<4x3xf32> -> tensor<4x3xf32>
  // [K, N] in f16.
  %down = terse.weight "down" = dense<[[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 4.0]]> : tensor<4x3xf16> -> tensor<4x3xf16>
  %down32 = arith.extf %down : tensor<4x3xf16> to tensor<4x3xf32>
  %bias = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  // CHECK-DAG: %[[UP:.*]] = terse.weight "up.pruned" = dense<{{\[\[}}0.000000e+00, 5.000000e+00, 0.000000e+00], [4.000000e+00, 0.000000e+00, 0.000000e+00]]>
  // CHECK-DAG: %[[BIAS:.*]] = terse.weight "constant.pruned" = dense<[2.000000e+00, 4.000000e+00]>
  // CHECK: terse.linear %{{.*}}, %[[UP]] bias %[[BIAS]] : tensor<2xf32> {name = "up"} : tensor<?x3xf32>, tensor<2x3xf32> -> tensor<?x2xf32>
  // CHECK: terse.activation relu %{{.*}} : tensor<?x2xf32>
  // CHECK: terse.weight "down.pruned" = dense<{{\[\[}}2.000000e+00, 0.000000e+00], [0.000000e+00, 0.000000e+00], [0.000000e+00, 4.000000e+00]]> : tensor<3x2xf16>
  // CHECK: terse.linear {{.*}}terse.kept_channels = {kept = array<i64: 1, 3>, of = 4 : i64}} : tensor<?x2xf32>, tensor<3x2xf32> -> tensor<?x3xf32>
  %h = terse.linear %x, %up bias %bias : tensor<4xf32> {name = "up"} : tensor<?x3xf32>, tensor<4x3xf32> -> tensor<?x4xf32>
  %a = terse.activation relu %h : tensor<?x4xf32>
  %y = terse.linear %a, %down32 {name = "plain", reduction_axis = 0 : i64} : tensor<?x4xf32>, tensor<4x3xf32> -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// A gated one, the gate's activation written out.
// CHECK-LABEL: func.func @gated
func.func @gated(%x: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %gate = terse.weight "gate" = dense<[[1.0, 0.0], [2.0, 0.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  %up = terse.weight "up" = dense<[[1.0, 0.0], [2.0, 0.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  %down = terse.weight "down" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %g = terse.linear %x, %gate {name = "gate"} : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %u = terse.linear %x, %up {name = "up.of.gated"} : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  // CHECK: terse.activation sigmoid %{{.*}} : tensor<1x1xf32>
  // CHECK: arith.mulf {{.*}} : tensor<1x1xf32>
  // CHECK: arith.mulf {{.*}} : tensor<1x1xf32>
  %s = terse.activation sigmoid %g : tensor<1x2xf32>
  %p = arith.mulf %g, %s : tensor<1x2xf32>
  %q = arith.mulf %p, %u : tensor<1x2xf32>
  // CHECK: terse.linear {{.*}}kept = array<i64: 1>
  %y = terse.linear %q, %down {name = "gated"} : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  return %y : tensor<1x2xf32>
}

// Two KV heads of one channel, two query heads each.
// CHECK-LABEL: func.func @attention
// CHECK-SAME: %{{.*}}: tensor<?x1x?x1xf32> {terse.dims = ["b", "1", "capacity", "1"]}
// CHECK-SAME: -> (tensor<?x?x2xf32>, tensor<?x1x?x1xf32>, tensor<?x1x?x1xf32>)
// HEADS-LABEL: func.func @plain
// HEADS-NOT: kept_channels
// HEADS-LABEL: func.func @attention
// HEADS: terse.attention {{.*}}num_heads = 2
func.func @attention(%x: tensor<?x?x2xf32>, %keys: tensor<?x2x?x1xf32> {terse.dims = ["b", "2", "capacity", "1"]},
                     %values: tensor<?x2x?x1xf32>, %past: index, %length: index) -> (tensor<?x?x2xf32>, tensor<?x2x?x1xf32>, tensor<?x2x?x1xf32>) {
  %wq = terse.weight "q" = dense<[[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]]> : tensor<4x2xf32> -> tensor<4x2xf32>
  %wk = terse.weight "k" = dense<[[1.0, 0.0], [2.0, 0.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  %wv = terse.weight "v" = dense<[[3.0, 0.0], [4.0, 0.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  %wo = terse.weight "o" = dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf32> -> tensor<2x4xf32>
  // CHECK-DAG: terse.weight "q.pruned" = dense<{{\[\[}}3.000000e+00, 0.000000e+00], [4.000000e+00, 0.000000e+00]]>
  // CHECK-DAG: terse.weight "v.pruned" = dense<{{\[\[}}4.000000e+00, 0.000000e+00]]>
  %q = terse.linear %x, %wq {name = "q"} : tensor<?x?x2xf32>, tensor<4x2xf32> -> tensor<?x?x4xf32>
  %k = terse.linear %x, %wk {name = "k"} : tensor<?x?x2xf32>, tensor<2x2xf32> -> tensor<?x?x2xf32>
  %v = terse.linear %x, %wv {name = "v"} : tensor<?x?x2xf32>, tensor<2x2xf32> -> tensor<?x?x2xf32>
  // CHECK: terse.cache_update {{.*}} : tensor<?x1x?x1xf32>, tensor<?x?x1xf32>
  %keys1 = terse.cache_update %keys, %k at %past : tensor<?x2x?x1xf32>, tensor<?x?x2xf32>
  %values1 = terse.cache_update %values, %v at %past : tensor<?x2x?x1xf32>, tensor<?x?x2xf32>
  // CHECK: terse.attention {{.*}}num_heads = 2 : i64{{.*}} : tensor<?x?x2xf32>, tensor<?x1x?x1xf32>, tensor<?x1x?x1xf32> -> tensor<?x?x2xf32>
  %a = terse.attention %q, %keys1, %values1 length %length {causal, num_heads = 4 : i64, scale = 1.0 : f64} : tensor<?x?x4xf32>, tensor<?x2x?x1xf32>, tensor<?x2x?x1xf32> -> tensor<?x?x4xf32>
  // CHECK: terse.weight "o.pruned" = dense<{{\[\[}}3.000000e+00, 4.000000e+00], [7.000000e+00, 8.000000e+00]]>
  // CHECK: terse.linear {{.*}}kept = array<i64: 2, 3>
  %y = terse.linear %a, %wo {name = "out"} : tensor<?x?x4xf32>, tensor<2x4xf32> -> tensor<?x?x2xf32>
  return %y, %keys1, %values1 : tensor<?x?x2xf32>, tensor<?x2x?x1xf32>, tensor<?x2x?x1xf32>
}

// CHECK-LABEL: func.func @left
// CHECK-NOT: kept_channels
func.func @left(%x: tensor<1x2xf32>) -> (tensor<1x2xf32>, tensor<1x2xf32>) {
  %w0 = terse.weight "w0" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %w1 = terse.weight "w1" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %w2 = terse.weight "w2" = dense<1.0> : tensor<1x2xf32> -> tensor<1x2xf32>
  %w3 = terse.weight "w3" = dense<1.0> : tensor<2x1xf32> -> tensor<2x1xf32>
  %w4 = terse.weight "w4" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %w5 = terse.weight "w5" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %h0 = terse.linear %x, %w0 {name = "up", terse.policy = {keep}} : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %y0 = terse.linear %h0, %w1 {name = "down"} : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %sum = arith.addf %x, %y0 : tensor<1x2xf32>
  %h1 = terse.linear %sum, %w2 {name = "more"} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x1xf32>
  %y1 = terse.linear %h1, %w3 {name = "one"} : tensor<1x1xf32>, tensor<2x1xf32> -> tensor<1x2xf32>
  %n1 = terse.softmax %y1 {axis = 1 : i64} : tensor<1x2xf32>
  %h2 = terse.linear %n1, %w4 {name = "first"} : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %y2 = terse.linear %h2, %w5 {name = "twice"} : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %n2 = terse.softmax %y2 {axis = 1 : i64} : tensor<1x2xf32>
  %h3 = terse.linear %n2, %w5 {name = "second"} : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %w6 = terse.weight "w6" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %y3 = terse.linear %h3, %w6 {name = "seen"} : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  return %h3, %y3 : tensor<1x2xf32>, tensor<1x2xf32>
}

// CHECK-LABEL: func.func @merged
// CHECK-NOT: kept_channels
func.func @merged(%x: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %w = terse.weight "w" = dense<1.0> : tensor<4x2xf32> -> tensor<4x2xf32>
  %w1 = terse.weight "w1" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %h = terse.linear %x, %w {name = "merged"} : tensor<1x2xf32>, tensor<4x2xf32> -> tensor<1x4xf32>
  %g = tensor.extract_slice %h[0, 0] [1, 2] [1, 1] : tensor<1x4xf32> to tensor<1x2xf32>
  %u = tensor.extract_slice %h[0, 2] [1, 2] [1, 1] : tensor<1x4xf32> to tensor<1x2xf32>
  %a = terse.activation silu %g : tensor<1x2xf32>
  %p = arith.mulf %a, %u : tensor<1x2xf32>
  %y = terse.linear %p, %w1 {name = "merged.down"} : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  return %y : tensor<1x2xf32>
}
