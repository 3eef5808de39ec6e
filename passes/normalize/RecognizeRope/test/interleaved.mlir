// RUN: terse-opt %s --terse-recognize-rope --terse-print-report 2>&1 | FileCheck %s

// Neighbours are rotated, of the first half of each head, on [B, S, H, D]; heads' queries and keys lie side by side.

// CHECK: terse-recognize-rope: ropes-recognized 1
// CHECK-LABEL: func.func @forward
// CHECK: %[[SPLIT:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0], [1], [2, 3]] {{.*}} : tensor<?x?x32xf32> into tensor<?x?x2x16xf32>
// CHECK: %[[KEYS:.*]] = tensor.extract_slice %[[SPLIT]][0, 0, 0, 8] [%{{.*}}, %{{.*}}, 2, 8] [1, 1, 1, 1]
// CHECK: %[[ROWS:.*]] = tensor.collapse_shape %[[KEYS]] {{\[\[}}0], [1], [2, 3]]
// CHECK: terse.rope %[[ROWS]], %{{.*}}, %{{.*}} {interleaved, num_heads = 2 : i64} : tensor<?x?x16xf32>, tensor<?x?x2xf32>
func.func @forward(%x: tensor<?x?x32xf32> {terse.dims = ["batch", "sequence", "32"]},
                   %angles: tensor<?x?x2xf32> {terse.dims = ["batch", "sequence", "2"]}) -> tensor<?x?x2x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x32xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x32xf32>
  %cos = math.cos %angles : tensor<?x?x2xf32>
  %sin = math.sin %angles : tensor<?x?x2xf32>
  %e = tensor.empty(%b, %s) : tensor<?x?x2x2xf32>
  %cosb = linalg.broadcast ins(%cos : tensor<?x?x2xf32>) outs(%e : tensor<?x?x2x2xf32>) dimensions = [2]
  %sinb = linalg.broadcast ins(%sin : tensor<?x?x2xf32>) outs(%e : tensor<?x?x2x2xf32>) dimensions = [2]
  %heads = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [%b, %s, 2, 16] : tensor<?x?x32xf32> into tensor<?x?x2x16xf32>
  %k = tensor.extract_slice %heads[0, 0, 0, 8] [%b, %s, 2, 8] [1, 1, 1, 1] : tensor<?x?x2x16xf32> to tensor<?x?x2x8xf32>
  %even = tensor.extract_slice %k[0, 0, 0, 0] [%b, %s, 2, 2] [1, 1, 1, 2] : tensor<?x?x2x8xf32> to tensor<?x?x2x2xf32>
  %odd = tensor.extract_slice %k[0, 0, 0, 1] [%b, %s, 2, 2] [1, 1, 1, 2] : tensor<?x?x2x8xf32> to tensor<?x?x2x2xf32>
  %rest = tensor.extract_slice %k[0, 0, 0, 4] [%b, %s, 2, 4] [1, 1, 1, 1] : tensor<?x?x2x8xf32> to tensor<?x?x2x4xf32>
  %ec = arith.mulf %even, %cosb : tensor<?x?x2x2xf32>
  %os = arith.mulf %odd, %sinb : tensor<?x?x2x2xf32>
  %first = arith.subf %ec, %os : tensor<?x?x2x2xf32>
  %es = arith.mulf %even, %sinb : tensor<?x?x2x2xf32>
  %oc = arith.mulf %odd, %cosb : tensor<?x?x2x2xf32>
  %second = arith.addf %oc, %es : tensor<?x?x2x2xf32>
  %f5 = tensor.expand_shape %first [[0], [1], [2], [3, 4]] output_shape [%b, %s, 2, 2, 1] : tensor<?x?x2x2xf32> into tensor<?x?x2x2x1xf32>
  %s5 = tensor.expand_shape %second [[0], [1], [2], [3, 4]] output_shape [%b, %s, 2, 2, 1] : tensor<?x?x2x2xf32> into tensor<?x?x2x2x1xf32>
  %pairs = tensor.concat dim(4) %f5, %s5 : (tensor<?x?x2x2x1xf32>, tensor<?x?x2x2x1xf32>) -> tensor<?x?x2x2x2xf32>
  %turned = tensor.collapse_shape %pairs [[0], [1], [2], [3, 4]] : tensor<?x?x2x2x2xf32> into tensor<?x?x2x4xf32>
  %y = tensor.concat dim(3) %turned, %rest : (tensor<?x?x2x4xf32>, tensor<?x?x2x4xf32>) -> tensor<?x?x2x8xf32>
  return %y : tensor<?x?x2x8xf32>
}
