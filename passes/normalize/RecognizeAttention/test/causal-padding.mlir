// RUN: terse-opt %s --terse-recognize-attention --canonicalize --cse --terse-print-report 2>&1 | FileCheck %s

// As Optimum writes it: queries and keys scaled by the root of the scale, KV heads repeated, a boolean
// mask of key <= query that is combined with attention_mask, 0 where a row is all masked.

// CHECK: terse-recognize-attention: attentions-recognized 1
// CHECK: terse-recognize-attention: softmaxes-left 0
// CHECK: terse-recognize-attention: matmuls-left 0
// CHECK-LABEL: func.func @forward
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<?x?x16xf32>
// CHECK-SAME: %[[K:[a-z0-9]*]]: tensor<?x?x8xf32>
// CHECK: %[[KEYS:.*]] = tensor.concat dim(2) %{{.*}}, %{{.*}} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
// CHECK: %[[VALUES:.*]] = tensor.concat dim(2)
// CHECK: %[[PADDING:.*]] = arith.cmpi ne
// CHECK: %[[A:.*]] = terse.attention %[[Q]], %[[KEYS]], %[[VALUES]] length %{{.*}} padding %[[PADDING]] : tensor<?x?xi1>
// CHECK-SAME: {causal, num_heads = 4 : i64, scale = 2.500000e-01 : f64}
// CHECK: return %[[A]]
func.func @forward(%q: tensor<?x?x16xf32> {terse.dims = ["batch", "sequence", "16"]},
                   %k: tensor<?x?x8xf32> {terse.dims = ["batch", "sequence", "8"]},
                   %v: tensor<?x?x8xf32> {terse.dims = ["batch", "sequence", "8"]},
                   %mask: tensor<?x?xi64> {terse.name = "attention_mask", terse.dims = ["batch", "past + sequence"]},
                   %past_k: tensor<?x2x?x4xf32> {terse.dims = ["batch", "2", "past", "4"]},
                   %past_v: tensor<?x2x?x4xf32> {terse.dims = ["batch", "2", "past", "4"]}) -> tensor<?x?x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %q, %c0 : tensor<?x?x16xf32>
  %s = tensor.dim %q, %c1 : tensor<?x?x16xf32>
  %p = tensor.dim %past_k, %c2 : tensor<?x2x?x4xf32>
  %t = arith.addi %p, %s : index
  // Which keys may be read.
  %em = tensor.empty(%b, %s, %t) : tensor<?x4x?x?xi1>
  %allowed = linalg.generic {indexing_maps = [affine_map<(b, h, i, j) -> (b, h, i, j)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%em : tensor<?x4x?x?xi1>) {
  ^bb0(%out: i1):
    %ib = linalg.index 0 : index
    %i = linalg.index 2 : index
    %j = linalg.index 3 : index
    %pos = arith.addi %i, %p : index
    %le = arith.cmpi sle, %j, %pos : index
    %m = tensor.extract %mask[%ib, %j] : tensor<?x?xi64>
    %zero = arith.constant 0 : i64
    %on = arith.cmpi ne, %m, %zero : i64
    %and = arith.andi %le, %on : i1
    linalg.yield %and : i1
  } -> tensor<?x4x?x?xi1>
  // Queries.
  %eq = tensor.empty(%b, %s) : tensor<?x4x?x4xf32>
  %q4 = tensor.expand_shape %q [[0], [1], [2, 3]] output_shape [%b, %s, 4, 4] : tensor<?x?x16xf32> into tensor<?x?x4x4xf32>
  %qt = linalg.transpose ins(%q4 : tensor<?x?x4x4xf32>) outs(%eq : tensor<?x4x?x4xf32>) permutation = [0, 2, 1, 3]
  %half = arith.constant 5.000000e-01 : f32
  %halves = tensor.splat %half[%b, %s] : tensor<?x4x?x4xf32>
  %qs = arith.mulf %qt, %halves : tensor<?x4x?x4xf32>
  // Keys and values, with the cache, repeated for the heads of a group.
  %ek = tensor.empty(%b, %s) : tensor<?x2x?x4xf32>
  %k4 = tensor.expand_shape %k [[0], [1], [2, 3]] output_shape [%b, %s, 2, 4] : tensor<?x?x8xf32> into tensor<?x?x2x4xf32>
  %kt = linalg.transpose ins(%k4 : tensor<?x?x2x4xf32>) outs(%ek : tensor<?x2x?x4xf32>) permutation = [0, 2, 1, 3]
  %keys = tensor.concat dim(2) %past_k, %kt : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %er = tensor.empty(%b, %t) : tensor<?x2x2x?x4xf32>
  %kr = linalg.broadcast ins(%keys : tensor<?x2x?x4xf32>) outs(%er : tensor<?x2x2x?x4xf32>) dimensions = [2]
  %k8 = tensor.collapse_shape %kr [[0], [1, 2], [3], [4]] : tensor<?x2x2x?x4xf32> into tensor<?x4x?x4xf32>
  %v4 = tensor.expand_shape %v [[0], [1], [2, 3]] output_shape [%b, %s, 2, 4] : tensor<?x?x8xf32> into tensor<?x?x2x4xf32>
  %vt = linalg.transpose ins(%v4 : tensor<?x?x2x4xf32>) outs(%ek : tensor<?x2x?x4xf32>) permutation = [0, 2, 1, 3]
  %values = tensor.concat dim(2) %past_v, %vt : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vr = linalg.broadcast ins(%values : tensor<?x2x?x4xf32>) outs(%er : tensor<?x2x2x?x4xf32>) dimensions = [2]
  %v8 = tensor.collapse_shape %vr [[0], [1, 2], [3], [4]] : tensor<?x2x2x?x4xf32> into tensor<?x4x?x4xf32>
  %ekt = tensor.empty(%b, %t) : tensor<?x4x4x?xf32>
  %ktt = linalg.transpose ins(%k8 : tensor<?x4x?x4xf32>) outs(%ekt : tensor<?x4x4x?xf32>) permutation = [0, 1, 3, 2]
  %halvesk = tensor.splat %half[%b, %t] : tensor<?x4x4x?xf32>
  %ks = arith.mulf %ktt, %halvesk : tensor<?x4x4x?xf32>
  // Scores.
  %scores = terse.matmul %qs, %ks : tensor<?x4x?x4xf32>, tensor<?x4x4x?xf32> -> tensor<?x4x?x?xf32>
  %zerof = arith.constant 0.0 : f32
  %inf = arith.constant 0xFF800000 : f32
  %zeros = tensor.splat %zerof[%b, %s, %t] : tensor<?x4x?x?xf32>
  %infs = tensor.splat %inf[%b, %s, %t] : tensor<?x4x?x?xf32>
  %bias = arith.select %allowed, %zeros, %infs : tensor<?x4x?x?xi1>, tensor<?x4x?x?xf32>
  %masked = arith.addf %scores, %bias : tensor<?x4x?x?xf32>
  %prob = terse.softmax %masked {axis = 3 : i64} : tensor<?x4x?x?xf32>
  %nan = arith.cmpf uno, %prob, %prob : tensor<?x4x?x?xf32>
  %guarded = arith.select %nan, %zeros, %prob : tensor<?x4x?x?xi1>, tensor<?x4x?x?xf32>
  %o = terse.matmul %guarded, %v8 : tensor<?x4x?x?xf32>, tensor<?x4x?x4xf32> -> tensor<?x4x?x4xf32>
  %eo = tensor.empty(%b, %s) : tensor<?x?x4x4xf32>
  %ot = linalg.transpose ins(%o : tensor<?x4x?x4xf32>) outs(%eo : tensor<?x?x4x4xf32>) permutation = [0, 2, 1, 3]
  %y = tensor.collapse_shape %ot [[0], [1], [2, 3]] : tensor<?x?x4x4xf32> into tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}
