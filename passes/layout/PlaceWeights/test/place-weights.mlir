// RUN: terse-opt %s --terse-place-weights | FileCheck %s
// RUN: terse-opt %s --terse-place-weights --terse-print-report 2>&1 | FileCheck %s --check-prefix=REPORT

// Offsets are multiples of 64; equal data have one place, read as any type; the
// inline constant is placed like the others.
// CHECK-LABEL: module attributes {terse.weights = [
// CHECK-SAME: {bytes = 132 : i64, data = #terse.file<"model.onnx", 64, 132>, kind = "embedding", name = "table", offset = 0 : i64, type = tensor<11x3xf32>}
// CHECK-SAME: {bits = 8 : i64, bytes = 16 : i64, data = dense<1.000000e+00> : tensor<4xf32>, kind = "mine", name = "ones", offset = 192 : i64, type = tensor<4xf32>}
// REPORT: terse-place-weights: weights-placed 2
// REPORT: terse-place-weights: section-bytes 208
// REPORT: terse-place-weights: shared-bytes 132
func.func @forward(%ids: tensor<?xi64>, %x: tensor<?x3xf32>) -> (tensor<?x3xf32>, tensor<?x11xf32>, tensor<4xf32>) {
  // CHECK: %[[TABLE:.*]] = kernel.weight "table" at 0 : tensor<11x3xf32>
  %table = terse.weight "table" = #terse.file<"model.onnx", 64, 132> -> tensor<11x3xf32>
  // CHECK: %[[HEAD:.*]] = kernel.weight "head" at 0 : tensor<11x3xf32>
  %head = terse.weight "head" = #terse.file<"model.onnx", 64, 132> -> tensor<11x3xf32>
  // CHECK: kernel.weight "ones" at 192 : tensor<4xf32>
  %ones = terse.weight "ones" = dense<1.0> : tensor<4xf32> {kind = "mine", bits = 8} -> tensor<4xf32>
  // CHECK: terse.embedding %{{.*}}, %[[TABLE]]
  %y = terse.embedding %ids, %table : tensor<?xi64>, tensor<11x3xf32> -> tensor<?x3xf32>
  // CHECK: terse.linear %{{.*}}, %[[HEAD]]
  %z = terse.linear %x, %head : tensor<?x3xf32>, tensor<11x3xf32> -> tensor<?x11xf32>
  return %y, %z, %ones : tensor<?x3xf32>, tensor<?x11xf32>, tensor<4xf32>
}
