// RUN: terse-opt %s --terse-simplify-movement --canonicalize --cse --terse-print-report 2>&1 | FileCheck %s

// CHECK: terse-simplify-movement: movements-removed 2

// Halves of a transpose, exchanged twice: nothing happened.

// CHECK-LABEL: func.func @there_and_back
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<?x?x8xf32>
// CHECK-NEXT: %[[Y:.*]] = arith.negf %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @there_and_back(%x: tensor<?x?x8xf32> {terse.dims = ["batch", "sequence", "8"]}) -> tensor<?x?x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x8xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x8xf32>
  %e = tensor.empty(%s, %b) : tensor<?x?x8xf32>
  %t = linalg.transpose ins(%x : tensor<?x?x8xf32>) outs(%e : tensor<?x?x8xf32>) permutation = [1, 0, 2]
  %lo = tensor.extract_slice %t[0, 0, 0] [%s, %b, 4] [1, 1, 1] : tensor<?x?x8xf32> to tensor<?x?x4xf32>
  %hi = tensor.extract_slice %t[0, 0, 4] [%s, %b, 4] [1, 1, 1] : tensor<?x?x8xf32> to tensor<?x?x4xf32>
  %swapped = tensor.concat dim(2) %lo, %hi : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
  %f = tensor.empty(%b, %s) : tensor<?x?x8xf32>
  %u = linalg.transpose ins(%swapped : tensor<?x?x8xf32>) outs(%f : tensor<?x?x8xf32>) permutation = [1, 0, 2]
  %y = arith.negf %u : tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// Batch and sequence may differ, so this transpose stays.

// CHECK-LABEL: func.func @transposed
// CHECK: linalg.transpose
// CHECK: linalg.transpose
func.func @transposed(%x: tensor<?x?x8xf32> {terse.dims = ["batch", "sequence", "8"]}) -> tensor<?x?x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x8xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x8xf32>
  %e = tensor.empty(%s, %b) : tensor<?x?x8xf32>
  %t = linalg.transpose ins(%x : tensor<?x?x8xf32>) outs(%e : tensor<?x?x8xf32>) permutation = [1, 0, 2]
  %n = arith.negf %t : tensor<?x?x8xf32>
  %f = tensor.empty(%b, %s) : tensor<?x?x8xf32>
  %u = linalg.transpose ins(%n : tensor<?x?x8xf32>) outs(%f : tensor<?x?x8xf32>) permutation = [1, 0, 2]
  %y = arith.negf %u : tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// A guard against NaN and a rounding are no movement.

// CHECK-LABEL: func.func @computed
// CHECK: arith.select
// CHECK: arith.truncf
func.func @computed(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x3xf32>
  %nan = arith.cmpf uno, %x, %x : tensor<2x3xf32>
  %guarded = arith.select %nan, %zero, %x : tensor<2x3xi1>, tensor<2x3xf32>
  %half = arith.truncf %guarded : tensor<2x3xf32> to tensor<2x3xf16>
  %whole = arith.extf %half : tensor<2x3xf16> to tensor<2x3xf32>
  %e = tensor.empty() : tensor<3x2xf32>
  %t = linalg.transpose ins(%whole : tensor<2x3xf32>) outs(%e : tensor<3x2xf32>) permutation = [1, 0]
  %f = tensor.empty() : tensor<2x3xf32>
  %u = linalg.transpose ins(%t : tensor<3x2xf32>) outs(%f : tensor<2x3xf32>) permutation = [1, 0]
  %y = arith.negf %u : tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// Rows of a table of angles are computed for the rows that are read, from their own positions.

// CHECK-LABEL: func.func @angles
// CHECK-SAME: %[[PAST:[a-z0-9]*]]: index
// CHECK-NOT: tensor.extract_slice
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<4xi64>)
// CHECK: %[[I:.*]] = linalg.index 0
// CHECK: %[[P:.*]] = arith.addi %[[I]], %[[PAST]]
// CHECK: arith.index_cast %[[P]]
// CHECK: math.cos %{{.*}} : tensor<4x2xf32>
// CHECK-NOT: tensor.extract_slice
func.func @angles(%past: index {terse.symbol = "past"}, %x: tensor<?xf32> {terse.dims = ["n"]}) -> tensor<4x2xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %ei = tensor.empty(%n) : tensor<?xi64>
  %range = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} outs(%ei : tensor<?xi64>) {
  ^bb0(%out: i64):
    %i = linalg.index 0 : index
    %v = arith.index_cast %i : index to i64
    linalg.yield %v : i64
  } -> tensor<?xi64>
  %place = arith.sitofp %range : tensor<?xi64> to tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?x4xf32>
  %twice = linalg.broadcast ins(%place : tensor<?xf32>) outs(%e : tensor<?x4xf32>) dimensions = [1]
  %cos = math.cos %twice : tensor<?x4xf32>
  %rows = tensor.extract_slice %cos[%past, 0] [4, 2] [1, 1] : tensor<?x4xf32> to tensor<4x2xf32>
  return %rows : tensor<4x2xf32>
}
