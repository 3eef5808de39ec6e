// RUN: terse-opt %s --terse-quantize-weights="bits=4 symmetric=false" --terse-print-report 2>&1 | FileCheck %s

// Layers that share a weight share its codes, unless they are rounded in another way.
// CHECK: terse-quantize-weights: layers-quantized 3
// CHECK-LABEL: func.func @shared
// CHECK-COUNT-2: terse.weight "w.codes"
// CHECK-NOT: terse.weight "w.codes"
func.func @shared(%x: tensor<1x8xf32>) -> (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>) {
  %w = terse.weight "w" = dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.5], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9]]> : tensor<2x8xf32> -> tensor<2x8xf32>
  %a = terse.linear %x, %w : tensor<1x8xf32>, tensor<2x8xf32> -> tensor<1x2xf32>
  %b = terse.linear %x, %w {terse.policy = {method = "hqq"}} : tensor<1x8xf32>, tensor<2x8xf32> -> tensor<1x2xf32>
  %c = terse.linear %x, %w : tensor<1x8xf32>, tensor<2x8xf32> -> tensor<1x2xf32>
  return %a, %b, %c : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>
}
