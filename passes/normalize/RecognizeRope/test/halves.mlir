// RUN: terse-opt %s --terse-recognize-rope --terse-print-report 2>&1 | FileCheck %s

// As PyTorch's exporter writes it: x * cos + rotate_half(x) * sin, on [B, H, S, D].

// CHECK: terse-recognize-rope: ropes-recognized 1
// CHECK-LABEL: func.func @forward
// CHECK-SAME: %[[X:.*]]: tensor<?x?x8xf32>
// CHECK: %[[COS:.*]] = tensor.extract_slice %{{.*}}[0, 0, 0] [%{{.*}}, %{{.*}}, 2] [1, 1, 1] : tensor<?x?x4xf32> to tensor<?x?x2xf32>
// CHECK: %[[SIN:.*]] = tensor.extract_slice %{{.*}}[0, 0, 0] [%{{.*}}, %{{.*}}, 2] [1, 1, 1] : tensor<?x?x4xf32> to tensor<?x?x2xf32>
// CHECK: %[[ROPE:.*]] = terse.rope %[[X]], %[[COS]], %[[SIN]] {num_heads = 2 : i64} : tensor<?x?x8xf32>, tensor<?x?x2xf32>
// CHECK: tensor.expand_shape %[[ROPE]]
// CHECK: linalg.transpose
func.func @forward(%x: tensor<?x?x8xf32> {terse.name = "x", terse.dims = ["batch", "sequence", "8"]},
                   %angles: tensor<?x?x2xf32> {terse.name = "angles", terse.dims = ["batch", "sequence", "2"]}) -> tensor<?x2x?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x8xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x8xf32>
  %twice = tensor.concat dim(2) %angles, %angles : (tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x4xf32>
  %cos = math.cos %twice : tensor<?x?x4xf32>
  %sin = math.sin %twice : tensor<?x?x4xf32>
  %e = tensor.empty(%b, %s) : tensor<?x2x?x4xf32>
  %cosb = linalg.broadcast ins(%cos : tensor<?x?x4xf32>) outs(%e : tensor<?x2x?x4xf32>) dimensions = [1]
  %sinb = linalg.broadcast ins(%sin : tensor<?x?x4xf32>) outs(%e : tensor<?x2x?x4xf32>) dimensions = [1]
  %split = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [%b, %s, 2, 4] : tensor<?x?x8xf32> into tensor<?x?x2x4xf32>
  %t = linalg.transpose ins(%split : tensor<?x?x2x4xf32>) outs(%e : tensor<?x2x?x4xf32>) permutation = [0, 2, 1, 3]
  %lo = tensor.extract_slice %t[0, 0, 0, 0] [%b, 2, %s, 2] [1, 1, 1, 1] : tensor<?x2x?x4xf32> to tensor<?x2x?x2xf32>
  %hi = tensor.extract_slice %t[0, 0, 0, 2] [%b, 2, %s, 2] [1, 1, 1, 1] : tensor<?x2x?x4xf32> to tensor<?x2x?x2xf32>
  %neg = arith.negf %hi : tensor<?x2x?x2xf32>
  %rot = tensor.concat dim(3) %neg, %lo : (tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32>) -> tensor<?x2x?x4xf32>
  %a = arith.mulf %t, %cosb : tensor<?x2x?x4xf32>
  %c = arith.mulf %rot, %sinb : tensor<?x2x?x4xf32>
  %y = arith.addf %a, %c : tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// The same with the sign on the wrong half is no rotation.

// CHECK-LABEL: func.func @not_a_rotation
// CHECK-NOT: terse.rope
func.func @not_a_rotation(%x: tensor<?x?x8xf32> {terse.dims = ["batch", "sequence", "8"]},
                          %cos: tensor<?x?x4xf32> {terse.dims = ["batch", "sequence", "4"]},
                          %sin: tensor<?x?x4xf32> {terse.dims = ["batch", "sequence", "4"]}) -> tensor<?x2x?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x8xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x8xf32>
  %e = tensor.empty(%b, %s) : tensor<?x2x?x4xf32>
  %cosb = linalg.broadcast ins(%cos : tensor<?x?x4xf32>) outs(%e : tensor<?x2x?x4xf32>) dimensions = [1]
  %sinb = linalg.broadcast ins(%sin : tensor<?x?x4xf32>) outs(%e : tensor<?x2x?x4xf32>) dimensions = [1]
  %split = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [%b, %s, 2, 4] : tensor<?x?x8xf32> into tensor<?x?x2x4xf32>
  %t = linalg.transpose ins(%split : tensor<?x?x2x4xf32>) outs(%e : tensor<?x2x?x4xf32>) permutation = [0, 2, 1, 3]
  %lo = tensor.extract_slice %t[0, 0, 0, 0] [%b, 2, %s, 2] [1, 1, 1, 1] : tensor<?x2x?x4xf32> to tensor<?x2x?x2xf32>
  %hi = tensor.extract_slice %t[0, 0, 0, 2] [%b, 2, %s, 2] [1, 1, 1, 1] : tensor<?x2x?x4xf32> to tensor<?x2x?x2xf32>
  %rot = tensor.concat dim(3) %hi, %lo : (tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32>) -> tensor<?x2x?x4xf32>
  %a = arith.mulf %t, %cosb : tensor<?x2x?x4xf32>
  %c = arith.mulf %rot, %sinb : tensor<?x2x?x4xf32>
  %y = arith.addf %a, %c : tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}
