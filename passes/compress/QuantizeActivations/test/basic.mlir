// RUN: terse-opt %s --terse-quantize-activations --terse-print-report 2>&1 | FileCheck %s
// RUN: not terse-opt %s --terse-quantize-activations=mode=fixed 2>&1 | FileCheck %s --check-prefix=MODE
// RUN: not terse-opt %s --terse-quantize-activations=mode=static 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not terse-opt %s --terse-quantize-activations="mode=static range=min" 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not terse-opt %s --terse-quantize-activations="mode=static percentile=0" 2>&1 | FileCheck %s --check-prefix=PERCENTILE

// MODE: terse-quantize-activations: expected mode to be dynamic or static; got 'fixed'
// STATISTICS: terse-quantize-activations: expected statistics with mode=static; got none (stats=FILE)
// RANGE: terse-quantize-activations: expected range to be max, percentile or mse; got 'min'
// PERCENTILE: terse-quantize-activations: expected a percentile above 0 and at most 100; got 0

// CHECK: terse-quantize-activations: inputs-quantized 1
// CHECK: terse-quantize-activations: layers 2

// One rounding for both layers; the layer with a float weight keeps the input itself.
// CHECK-LABEL: func.func @forward
// CHECK-SAME: (%[[X:[a-z0-9]*]]:
// CHECK: %[[Q:.*]] = terse.quantize_dynamic %[[X]] : tensor<3x8xf32>
// CHECK: terse.linear %[[Q]], %{{.*}} {name = "q"}
// CHECK: terse.linear %[[Q]], %{{.*}} {name = "k"}
// CHECK: terse.linear %[[X]], %{{.*}} {name = "dense"}
// CHECK-NOT: quantize_dynamic
func.func @forward(%x: tensor<3x8xf32>, %codes: tensor<4x4xi8>, %scales: tensor<4x1xf16>, %dense: tensor<4x8xf32>)
    -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) {
  %w = terse.dequantize <i4, scale = f16, zero = none> %codes, %scales : tensor<4x4xi8>, tensor<4x1xf16> -> tensor<4x8xf32>
  %a = terse.linear %x, %w {name = "q"} : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  %b = terse.linear %x, %w {name = "k"} : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  %c = terse.linear %x, %dense {name = "dense"} : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  return %a, %b, %c : tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>
}
