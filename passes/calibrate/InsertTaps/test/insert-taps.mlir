// RUN: terse-opt %s --terse-insert-taps --terse-print-report 2>&1 | FileCheck %s

// CHECK: terse-insert-taps: taps-inserted 2

// CHECK-LABEL: func.func @forward
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>
func.func @forward(%x: tensor<?x64xf32>, %codes: tensor<8x64xi8>, %scales: tensor<8x1xf16>)
    -> (tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x8xf32>, tensor<?x16xf32>) {
  %wq = terse.weight "q.weight" = dense<0.0> : tensor<64x64xf32> -> tensor<64x64xf32>
  %wk = terse.weight "k.weight" = dense<0.0> : tensor<64x16xf16> -> tensor<64x16xf16>
  %wide = arith.extf %wk : tensor<64x16xf16> to tensor<64x16xf32>
  // CHECK: %[[T:.*]] = terse.tap "q_proj" %[[X]] : tensor<?x64xf32>
  // CHECK: %[[Q:.*]] = terse.linear %[[T]]
  %q = terse.linear %x, %wq {name = "q_proj"} : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  // CHECK: terse.linear %[[T]]
  %k = terse.linear %x, %wide {name = "k_proj", reduction_axis = 0 : i64} : tensor<?x64xf32>, tensor<64x16xf32> -> tensor<?x16xf32>
  // In codes already.
  // CHECK: terse.linear %[[X]]
  %w = terse.dequantize <i8, scale = f16, zero = none> %codes, %scales : tensor<8x64xi8>, tensor<8x1xf16> -> tensor<8x64xf32>
  %v = terse.linear %x, %w {name = "v_proj"} : tensor<?x64xf32>, tensor<8x64xf32> -> tensor<?x8xf32>
  // The name is that of the weight where the layer has none.
  // CHECK: terse.tap "k.weight" %[[Q]]
  %o = terse.linear %q, %wide {reduction_axis = 0 : i64} : tensor<?x64xf32>, tensor<64x16xf32> -> tensor<?x16xf32>
  return %q, %k, %v, %o : tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x8xf32>, tensor<?x16xf32>
}

// CHECK-LABEL: func.func @frozen
// CHECK-NOT: terse.tap
func.func @frozen(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = terse.weight "o.weight" = dense<0.0> : tensor<64x64xf32> -> tensor<64x64xf32>
  %y = terse.linear %x, %w {terse.frozen} : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
