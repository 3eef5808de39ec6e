// RUN: terse-opt %s --terse-recognize-attention | FileCheck %s

// The bias of an attention that the file had, as a function of query and key.

// CHECK-LABEL: func.func @causal
// CHECK: terse.attention
// CHECK-NOT: bias
// CHECK-SAME: {causal, num_heads
func.func @causal(%q: tensor<?x?x16xf32> {terse.dims = ["batch", "sequence", "16"]},
    %k: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]},
    %v: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]}) -> tensor<?x?x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %q, %c0 : tensor<?x?x16xf32>
  %s = tensor.dim %q, %c1 : tensor<?x?x16xf32>
  %t = tensor.dim %k, %c2 : tensor<?x4x?x4xf32>
  %em = tensor.empty(%s, %t) : tensor<1x1x?x?xf32>
  %bias = linalg.generic {indexing_maps = [affine_map<(a, h, i, j) -> (a, h, i, j)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%em : tensor<1x1x?x?xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 2 : index
    %j = linalg.index 3 : index
    %past = arith.subi %t, %s : index
    %pos = arith.addi %i, %past : index
    %zero = arith.constant 0.0 : f32
    %low = arith.constant -3.40282347E+38 : f32
    %le = arith.cmpi sle, %j, %pos : index
    %m = arith.select %le, %zero, %low : f32
    linalg.yield %m : f32
  } -> tensor<1x1x?x?xf32>
  %y = terse.attention %q, %k, %v length %t bias %bias : tensor<1x1x?x?xf32> {num_heads = 4 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x16xf32>, tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32> -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// A window looks causal in any test of fewer tokens.

// CHECK-LABEL: func.func @window
// CHECK: terse.attention
// CHECK-SAME: {causal, num_heads = 4 : i64, scale = 5.000000e-01 : f64, window = 4096 : i64}
func.func @window(%q: tensor<?x?x16xf32> {terse.dims = ["batch", "sequence", "16"]},
    %k: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]},
    %v: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]}) -> tensor<?x?x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %q, %c0 : tensor<?x?x16xf32>
  %s = tensor.dim %q, %c1 : tensor<?x?x16xf32>
  %t = tensor.dim %k, %c2 : tensor<?x4x?x4xf32>
  %em = tensor.empty(%s, %t) : tensor<1x1x?x?xf32>
  %bias = linalg.generic {indexing_maps = [affine_map<(a, h, i, j) -> (a, h, i, j)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%em : tensor<1x1x?x?xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 2 : index
    %j = linalg.index 3 : index
    %past = arith.subi %t, %s : index
    %pos = arith.addi %i, %past : index
    %zero = arith.constant 0.0 : f32
    %low = arith.constant -3.40282347E+38 : f32
    %c4096 = arith.constant 4096 : index
    %first = arith.subi %pos, %c4096 : index
    %le = arith.cmpi sle, %j, %pos : index
    %gt = arith.cmpi sgt, %j, %first : index
    %in = arith.andi %le, %gt : i1
    %m = arith.select %in, %zero, %low : f32
    linalg.yield %m : f32
  } -> tensor<1x1x?x?xf32>
  %y = terse.attention %q, %k, %v length %t bias %bias : tensor<1x1x?x?xf32> {num_heads = 4 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x16xf32>, tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32> -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// Queries at the first positions while older keys are there: not causal as `attention` means it.

// CHECK-LABEL: func.func @top_left
// CHECK: terse.attention
// CHECK-SAME: bias
// CHECK-NOT: causal
// CHECK: return
func.func @top_left(%q: tensor<?x?x16xf32> {terse.dims = ["batch", "sequence", "16"]},
    %k: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]},
    %v: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]}) -> tensor<?x?x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %q, %c0 : tensor<?x?x16xf32>
  %s = tensor.dim %q, %c1 : tensor<?x?x16xf32>
  %t = tensor.dim %k, %c2 : tensor<?x4x?x4xf32>
  %em = tensor.empty(%s, %t) : tensor<1x1x?x?xf32>
  %bias = linalg.generic {indexing_maps = [affine_map<(a, h, i, j) -> (a, h, i, j)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%em : tensor<1x1x?x?xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 2 : index
    %j = linalg.index 3 : index
    %past = arith.subi %t, %s : index
    %pos = arith.addi %i, %past : index
    %zero = arith.constant 0.0 : f32
    %low = arith.constant -3.40282347E+38 : f32
    %le = arith.cmpi sle, %j, %i : index
    %m = arith.select %le, %zero, %low : f32
    linalg.yield %m : f32
  } -> tensor<1x1x?x?xf32>
  %y = terse.attention %q, %k, %v length %t bias %bias : tensor<1x1x?x?xf32> {num_heads = 4 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x16xf32>, tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32> -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// Distances are added (ALiBi): no mask.

// CHECK-LABEL: func.func @alibi
// CHECK: terse.attention
// CHECK-SAME: slopes
func.func @alibi(%q: tensor<?x?x16xf32> {terse.dims = ["batch", "sequence", "16"]},
    %k: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]},
    %v: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]}) -> tensor<?x?x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %q, %c0 : tensor<?x?x16xf32>
  %s = tensor.dim %q, %c1 : tensor<?x?x16xf32>
  %t = tensor.dim %k, %c2 : tensor<?x4x?x4xf32>
  %em = tensor.empty(%s, %t) : tensor<1x1x?x?xf32>
  %bias = linalg.generic {indexing_maps = [affine_map<(a, h, i, j) -> (a, h, i, j)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%em : tensor<1x1x?x?xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 2 : index
    %j = linalg.index 3 : index
    %past = arith.subi %t, %s : index
    %pos = arith.addi %i, %past : index
    %zero = arith.constant 0.0 : f32
    %low = arith.constant -3.40282347E+38 : f32
    %d = arith.subi %j, %pos : index
    %di = arith.index_cast %d : index to i64
    %m = arith.sitofp %di : i64 to f32
    linalg.yield %m : f32
  } -> tensor<1x1x?x?xf32>
  %y = terse.attention %q, %k, %v length %t bias %bias : tensor<1x1x?x?xf32> {num_heads = 4 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x16xf32>, tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32> -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// A prefix of 7 keys is seen by every query.

// CHECK-LABEL: func.func @prefix
// CHECK: terse.attention
// CHECK-SAME: bias
func.func @prefix(%q: tensor<?x?x16xf32> {terse.dims = ["batch", "sequence", "16"]},
    %k: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]},
    %v: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]}) -> tensor<?x?x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %q, %c0 : tensor<?x?x16xf32>
  %s = tensor.dim %q, %c1 : tensor<?x?x16xf32>
  %t = tensor.dim %k, %c2 : tensor<?x4x?x4xf32>
  %em = tensor.empty(%s, %t) : tensor<1x1x?x?xf32>
  %bias = linalg.generic {indexing_maps = [affine_map<(a, h, i, j) -> (a, h, i, j)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%em : tensor<1x1x?x?xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 2 : index
    %j = linalg.index 3 : index
    %past = arith.subi %t, %s : index
    %pos = arith.addi %i, %past : index
    %zero = arith.constant 0.0 : f32
    %low = arith.constant -3.40282347E+38 : f32
    %c7 = arith.constant 7 : index
    %pre = arith.cmpi slt, %j, %c7 : index
    %le = arith.cmpi sle, %j, %pos : index
    %in = arith.ori %le, %pre : i1
    %m = arith.select %in, %zero, %low : f32
    linalg.yield %m : f32
  } -> tensor<1x1x?x?xf32>
  %y = terse.attention %q, %k, %v length %t bias %bias : tensor<1x1x?x?xf32> {num_heads = 4 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x16xf32>, tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32> -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// Nothing is masked.

// CHECK-LABEL: func.func @none
// CHECK: terse.attention
// CHECK-NOT: bias
// CHECK-SAME: {num_heads
func.func @none(%q: tensor<?x?x16xf32> {terse.dims = ["batch", "sequence", "16"]},
    %k: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]},
    %v: tensor<?x4x?x4xf32> {terse.dims = ["batch", "4", "total", "4"]}) -> tensor<?x?x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %q, %c0 : tensor<?x?x16xf32>
  %s = tensor.dim %q, %c1 : tensor<?x?x16xf32>
  %t = tensor.dim %k, %c2 : tensor<?x4x?x4xf32>
  %em = tensor.empty(%s, %t) : tensor<1x1x?x?xf32>
  %bias = linalg.generic {indexing_maps = [affine_map<(a, h, i, j) -> (a, h, i, j)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%em : tensor<1x1x?x?xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 2 : index
    %j = linalg.index 3 : index
    %past = arith.subi %t, %s : index
    %pos = arith.addi %i, %past : index
    %zero = arith.constant 0.0 : f32
    %low = arith.constant -3.40282347E+38 : f32
    %ge = arith.cmpi sge, %j, %c0 : index
    %m = arith.select %ge, %zero, %low : f32
    linalg.yield %m : f32
  } -> tensor<1x1x?x?xf32>
  %y = terse.attention %q, %k, %v length %t bias %bias : tensor<1x1x?x?xf32> {num_heads = 4 : i64, scale = 5.000000e-01 : f64} : tensor<?x?x16xf32>, tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32> -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}
