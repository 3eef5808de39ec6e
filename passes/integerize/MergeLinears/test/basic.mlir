// RUN: terse-opt %s --terse-merge-linears --terse-print-report 2>&1 | FileCheck %s

// CHECK: terse-merge-linears: layers-merged 11
// CHECK: terse-merge-linears: merged-layers 5

// [N, K] weights one after the other; the layer without a bias gets zeros.
// CHECK-LABEL: func.func @rows
// CHECK-SAME: (%[[X:.*]]: tensor<?x2xf32>)
// CHECK-DAG: %[[W:.*]] = terse.weight "attn.q.weight+k.weight" = dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00], [5.000000e+00, 6.000000e+00]]> : tensor<3x2xf32>
// CHECK-DAG: %[[B:.*]] = terse.weight "attn.q+k.bias" = dense<[7.000000e+00, 8.000000e+00, 0.000000e+00]> : tensor<3xf32>
// CHECK: %[[QK:.*]] = terse.linear %[[X]], %[[W]] bias %[[B]] : tensor<3xf32> {name = "attn.q+k"} : tensor<?x2xf32>, tensor<3x2xf32> -> tensor<?x3xf32>
// CHECK: %[[N:.*]] = tensor.dim %[[QK]], %{{.*}}
// CHECK: %[[Q:.*]] = tensor.extract_slice %[[QK]][0, 0] [%[[N]], 2] [1, 1]
// CHECK: %[[K:.*]] = tensor.extract_slice %[[QK]][0, 2] [%[[N]], 1] [1, 1]
// CHECK: return %[[Q]], %[[K]]
func.func @rows(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x1xf32>) {
  %wq = terse.weight "attn.q.weight" = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  %bq = arith.constant dense<[7.0, 8.0]> : tensor<2xf32>
  %q = terse.linear %x, %wq bias %bq : tensor<2xf32> {name = "attn.q"} : tensor<?x2xf32>, tensor<2x2xf32> -> tensor<?x2xf32>
  %wk = terse.weight "attn.k.weight" = dense<[[5.0, 6.0]]> : tensor<1x2xf32> -> tensor<1x2xf32>
  %k = terse.linear %x, %wk {name = "attn.k"} : tensor<?x2xf32>, tensor<1x2xf32> -> tensor<?x1xf32>
  return %q, %k : tensor<?x2xf32>, tensor<?x1xf32>
}

// [K, N] weights side by side.
// CHECK-LABEL: func.func @columns
// CHECK: terse.weight "gate+up" = dense<{{\[\[}}1.000000e+00, 2.000000e+00, 5.000000e+00], [3.000000e+00, 4.000000e+00, 6.000000e+00]]> : tensor<2x3xf32>
// CHECK: terse.linear {{.*}} {reduction_axis = 0 : i64} : tensor<5x2xf32>, tensor<2x3xf32> -> tensor<5x3xf32>
func.func @columns(%x: tensor<5x2xf32>) -> (tensor<5x2xf32>, tensor<5x1xf32>) {
  %gate = terse.weight "gate" = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  %up = terse.weight "up" = dense<[[5.0], [6.0]]> : tensor<2x1xf32> -> tensor<2x1xf32>
  %g = terse.linear %x, %gate {reduction_axis = 0 : i64} : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %u = terse.linear %x, %up {reduction_axis = 0 : i64} : tensor<5x2xf32>, tensor<2x1xf32> -> tensor<5x1xf32>
  return %g, %u : tensor<5x2xf32>, tensor<5x1xf32>
}

// Codes, scales and zero points; the layer of another scheme stays alone.
// CHECK-LABEL: func.func @codes
// CHECK-DAG: %[[C:.*]] = terse.weight "q+k+v" = dense<{{\[\[}}1, 2], [3, 4], [5, 6]]> : tensor<3x2xi8>
// CHECK-DAG: %[[S:.*]] = terse.weight "qs+ks+vs" = dense<{{\[\[}}1.000000e+00], [2.000000e+00], [3.000000e+00]]> : tensor<3x1xf16>
// CHECK-DAG: %[[Z:.*]] = terse.weight "qz+kz+vz" = dense<{{\[\[}}7], [8], [9]]> : tensor<3x1xi8>
// CHECK: terse.qlinear <i4, scale = f16, zero = integer> %{{.*}}, %[[C]], %[[S]] zero %[[Z]] : tensor<3x1xi8> {name = "q+k+v"} : tensor<5x4xf32>, tensor<3x2xi8>, tensor<3x1xf16> -> tensor<5x3xf32>
// CHECK: terse.qlinear <i8,
func.func @codes(%x: tensor<5x4xf32>) -> (tensor<5x1xf32>, tensor<5x1xf32>, tensor<5x1xf32>, tensor<5x1xf32>) {
  %q = terse.weight "q" = dense<[[1, 2]]> : tensor<1x2xi8> -> tensor<1x2xi8>
  %qs = terse.weight "qs" = dense<1.0> : tensor<1x1xf16> -> tensor<1x1xf16>
  %qz = terse.weight "qz" = dense<7> : tensor<1x1xi8> -> tensor<1x1xi8>
  %k = terse.weight "k" = dense<[[3, 4]]> : tensor<1x2xi8> -> tensor<1x2xi8>
  %ks = terse.weight "ks" = dense<2.0> : tensor<1x1xf16> -> tensor<1x1xf16>
  %kz = terse.weight "kz" = dense<8> : tensor<1x1xi8> -> tensor<1x1xi8>
  %v = terse.weight "v" = dense<[[5, 6]]> : tensor<1x2xi8> -> tensor<1x2xi8>
  %vs = terse.weight "vs" = dense<3.0> : tensor<1x1xf16> -> tensor<1x1xf16>
  %vz = terse.weight "vz" = dense<9> : tensor<1x1xi8> -> tensor<1x1xi8>
  %o = terse.weight "o" = dense<1> : tensor<1x4xi8> -> tensor<1x4xi8>
  %os = terse.weight "os" = dense<3.0> : tensor<1x1xf16> -> tensor<1x1xf16>
  %a = terse.qlinear <i4, scale = f16, zero = integer> %x, %q, %qs zero %qz : tensor<1x1xi8> {name = "q"} : tensor<5x4xf32>, tensor<1x2xi8>, tensor<1x1xf16> -> tensor<5x1xf32>
  %b = terse.qlinear <i4, scale = f16, zero = integer> %x, %k, %ks zero %kz : tensor<1x1xi8> {name = "k"} : tensor<5x4xf32>, tensor<1x2xi8>, tensor<1x1xf16> -> tensor<5x1xf32>
  %c = terse.qlinear <i4, scale = f16, zero = integer> %x, %v, %vs zero %vz : tensor<1x1xi8> {name = "v"} : tensor<5x4xf32>, tensor<1x2xi8>, tensor<1x1xf16> -> tensor<5x1xf32>
  %d = terse.qlinear <i8, scale = f16, zero = none> %x, %o, %os {name = "o"} : tensor<5x4xf32>, tensor<1x4xi8>, tensor<1x1xf16> -> tensor<5x1xf32>
  return %a, %b, %c, %d : tensor<5x1xf32>, tensor<5x1xf32>, tensor<5x1xf32>, tensor<5x1xf32>
}

// CHECK-LABEL: func.func @rows_of_codes
// CHECK-DAG: %[[R:.*]] = terse.weight "qr+kr" = dense<{{\[\[}}1.000000e+00], [2.000000e+00]]> : tensor<2x1xf32>
// CHECK: terse.qlinear <i4, group = 2, scale = i8, zero = none> %{{.*}}, %{{.*}}, %{{.*}} rows %[[R]] : tensor<2x1xf32> : tensor<5x4xf32>, tensor<2x2xi8>, tensor<2x2xi8> -> tensor<5x2xf32>
func.func @rows_of_codes(%x: tensor<5x4xf32>) -> (tensor<5x1xf32>, tensor<5x1xf32>) {
  %q = terse.weight "q" = dense<[[1, 2]]> : tensor<1x2xi8> -> tensor<1x2xi8>
  %qs = terse.weight "qs" = dense<[[127, -5]]> : tensor<1x2xi8> -> tensor<1x2xi8>
  %qr = terse.weight "qr" = dense<1.0> : tensor<1x1xf32> -> tensor<1x1xf32>
  %k = terse.weight "k" = dense<[[3, 4]]> : tensor<1x2xi8> -> tensor<1x2xi8>
  %ks = terse.weight "ks" = dense<[[-127, 7]]> : tensor<1x2xi8> -> tensor<1x2xi8>
  %kr = terse.weight "kr" = dense<2.0> : tensor<1x1xf32> -> tensor<1x1xf32>
  %a = terse.qlinear <i4, group = 2, scale = i8, zero = none> %x, %q, %qs rows %qr : tensor<1x1xf32> : tensor<5x4xf32>, tensor<1x2xi8>, tensor<1x2xi8> -> tensor<5x1xf32>
  %b = terse.qlinear <i4, group = 2, scale = i8, zero = none> %x, %k, %ks rows %kr : tensor<1x1xf32> : tensor<5x4xf32>, tensor<1x2xi8>, tensor<1x2xi8> -> tensor<5x1xf32>
  return %a, %b : tensor<5x1xf32>, tensor<5x1xf32>
}

// A pruned layer stays apart from one that is not, whose weights would make it dense.
// CHECK-LABEL: func.func @pruned
// CHECK: terse.linear {{.*}} {name = "a+b", terse.sparsity = "2:4"} : tensor<5x2xf32>, tensor<4x2xf32>
// CHECK: terse.linear {{.*}} {name = "c"} : tensor<5x2xf32>, tensor<2x2xf32>
func.func @pruned(%x: tensor<5x2xf32>) -> (tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>) {
  %a = terse.weight "a" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %b = terse.weight "b" = dense<2.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %c = terse.weight "c" = dense<3.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %y = terse.linear %x, %a {name = "a", terse.sparsity = "2:4"} : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %z = terse.linear %x, %b {name = "b", terse.sparsity = "2:4"} : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %w = terse.linear %x, %c {name = "c"} : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  return %y, %z, %w : tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>
}

// The weight is read elsewhere too: joined, it would be there twice.
// CHECK-LABEL: func.func @shared
// CHECK-COUNT-2: terse.linear
func.func @shared(%x: tensor<5x2xf32>, %ids: tensor<3xi64>) -> (tensor<5x2xf32>, tensor<5x2xf32>, tensor<3x2xf32>) {
  %a = terse.weight "a" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %b = terse.weight "b" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %y = terse.linear %x, %a : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %z = terse.linear %x, %b : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %e = terse.embedding %ids, %a : tensor<3xi64>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y, %z, %e : tensor<5x2xf32>, tensor<5x2xf32>, tensor<3x2xf32>
}
