// RUN: terse-opt %s --terse-lower-to-linalg --split-input-file | FileCheck %s
// Values are checked by test/Numerics; here is checked what code comes out.

// Sums start from the bias, and the weight is read in the order it lies in.
// CHECK-DAG: #[[NK:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func.func @linear
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf16>, %[[W:.*]]: tensor<4x8xf16>, %[[B:.*]]: tensor<4xf16>
// CHECK: %[[INIT:.*]] = linalg.generic {{.*}} ins(%[[B]] : tensor<4xf16>) outs({{.*}} : tensor<?x4xf32>)
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[NK]], #{{.*}}], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[W]] : {{.*}}) outs(%[[INIT]] : tensor<?x4xf32>)
// CHECK: arith.addf {{.*}} fastmath<reassoc,contract> : f32
// CHECK: arith.truncf {{.*}} : f32 to f16
func.func @linear(%x: tensor<?x8xf16>, %w: tensor<4x8xf16>, %b: tensor<4xf16>) -> tensor<?x4xf16> {
  %y = terse.linear %x, %w bias %b : tensor<4xf16> : tensor<?x8xf16>, tensor<4x8xf16> -> tensor<?x4xf16>
  return %y : tensor<?x4xf16>
}

// -----

// CHECK-DAG: #[[KN:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func.func @linear_of_file_order
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[KN]], #{{.*}}], iterator_types = ["parallel", "reduction", "parallel"]}
func.func @linear_of_file_order(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %w = terse.weight "w" = dense<1.0> : tensor<8x4xf32> -> tensor<8x4xf32>
  %y = terse.linear %x, %w {reduction_axis = 0 : i64} : tensor<?x8xf32>, tensor<8x4xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// Rows beyond the length are not read.
// CHECK-LABEL: func.func @attention
// CHECK-SAME: %[[LENGTH:[a-z0-9]+]]: index
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 0, 0] [%{{.*}}, 2, %[[LENGTH]], 4] [1, 1, 1, 1]
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 0, 0] [%{{.*}}, 2, %[[LENGTH]], 4] [1, 1, 1, 1]
// CHECK-NOT: terse.
func.func @attention(%q: tensor<?x?x16xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>, %n: index) -> tensor<?x?x16xf32> {
  %y = terse.attention %q, %k, %v length %n {num_heads = 4 : i64, scale = 0.5 : f64, causal} : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// CHECK-LABEL: func.func @cache_update
// CHECK-SAME: %[[CACHE:.*]]: tensor<?x2x?x4xf32>, %[[NEW:.*]]: tensor<?x?x8xf32>, %[[AT:.*]]: index
// CHECK: %[[SLICE:.*]] = tensor.extract_slice %[[CACHE]][0, 0, %[[AT]], 0]
// CHECK: %[[ROWS:.*]] = linalg.generic {{.*}} outs(%[[SLICE]]
// CHECK: tensor.insert_slice %[[ROWS]] into %[[CACHE]][0, 0, %[[AT]], 0]
func.func @cache_update(%c: tensor<?x2x?x4xf32>, %n: tensor<?x?x8xf32>, %p: index) -> tensor<?x2x?x4xf32> {
  %y = terse.cache_update %c, %n at %p : tensor<?x2x?x4xf32>, tensor<?x?x8xf32>
  return %y : tensor<?x2x?x4xf32>
}

// -----

// A table of codes is not made a table of values.
// CHECK-LABEL: func.func @embedding_of_codes
// CHECK-NOT: tensor<100x8xf32>
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<?xi64>)
// CHECK-NOT: linalg.generic
func.func @embedding_of_codes(%ids: tensor<?xi64>, %codes: tensor<100x4xi8>, %scales: tensor<100x1xf16>) -> tensor<?x8xf32> {
  %t = terse.dequantize <i4, scale = f16, zero = none> %codes, %scales : tensor<100x4xi8>, tensor<100x1xf16> -> tensor<100x8xf32>
  %y = terse.embedding %ids, %t : tensor<?xi64>, tensor<100x8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
