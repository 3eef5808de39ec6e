// RUN: terse-opt %s --terse-quantize-weights="bits=4 group-size=4" --terse-print-report 2>&1 | FileCheck %s
// RUN: terse-opt %s --terse-quantize-weights="bits=2 group-size=0 symmetric=false scale=f32 head-bits=0" | FileCheck %s --check-prefix=ASYM
// RUN: terse-opt %s --terse-quantize-weights="layers=down exclude=nothing embedding-bits=8 head-bits=0" | FileCheck %s --check-prefix=CHOSEN

// The last column of each group of 4 has the largest magnitude, -8 or 8: the scale is
// 1 or -1 and all values are on the grid.

// CHECK: terse-quantize-weights: layers-quantized 3
// CHECK: terse-quantize-weights: layers-left 0
// CHECK: terse-quantize-weights: embeddings-quantized 0
// CHECK: terse-quantize-weights: bytes-before 128
// CHECK: terse-quantize-weights: bytes-after 32
// CHECK: terse-quantize-weights: relative-error 0{{$}}
// CHECK: terse-quantize-weights: worst-layer up (0.0000)

// CHECK-LABEL: func.func @forward
func.func @forward(%ids: tensor<3xi64>) -> (tensor<3x2xf32> {terse.name = "logits"}) {
  // Codes 8 + q, two in a byte: 1 2 3 -8 is 0x09 0x0a 0x0b 0x00; -(1 2 3 8) with scale -1 the same.
  // CHECK: %[[TABLE:.*]] = terse.weight "embed"
  // CHECK: %[[CODES:.*]] = terse.weight "up.weight.codes" = dense<{{\[\[}}-87, 11], [-87, 11]]> : tensor<2x2xi8>
  // CHECK: %[[SCALES:.*]] = terse.weight "up.weight.scales" = dense<{{\[\[}}1.000000e+00], [-1.000000e+00]]> : tensor<2x1xf16>
  // CHECK: %[[UP:.*]] = terse.dequantize <i4, scale = f16, zero = none> %[[CODES]], %[[SCALES]] : tensor<2x2xi8>, tensor<2x1xf16> -> tensor<2x4xf32>
  // CHECK: %[[DOWN:.*]] = terse.dequantize <i4, scale = f16, zero = none> {{.*}} -> tensor<4x2xf32>
  // CHECK: %[[HEAD:.*]] = terse.dequantize <i8, scale = f16, zero = none> {{.*}} -> tensor<2x4xf32>
  // CHECK: %[[X:.*]] = terse.embedding %{{.*}}, %[[TABLE]]
  // CHECK: %[[H:.*]] = terse.linear %[[X]], %[[UP]] {name = "up"}
  // CHECK: %[[Y:.*]] = terse.linear %[[H]], %[[DOWN]] {name = "down"}
  // CHECK: terse.linear %{{.*}}, %[[HEAD]] {name = "head"}

  // Range -8..3 in 0..3: 3.67 a step, zero point 2.
  // ASYM: terse.weight "up.weight.zero_points" = dense<{{\[\[}}2], [1]]> : tensor<2x1xi8>
  // ASYM: terse.dequantize <i2, scale = f32, zero = integer>
  // ASYM-NOT: head.weight.codes

  // CHOSEN: %[[TABLE:.*]] = terse.dequantize <i8, scale = f16, zero = none> {{.*}} -> tensor<5x4xf32>
  // CHOSEN: terse.weight "up.weight" =
  // CHOSEN: terse.weight "down.weight.codes"
  // CHOSEN: terse.weight "head.weight" =
  // CHOSEN: terse.embedding %{{.*}}, %[[TABLE]]
  %table = terse.weight "embed" = dense<1.0> : tensor<5x4xf32> -> tensor<5x4xf32>
  %up = terse.weight "up.weight" = dense<[[1.0, 2.0, 3.0, -8.0], [-1.0, -2.0, -3.0, 8.0]]> : tensor<2x4xf32> -> tensor<2x4xf32>
  // [K, N] in f64.
  %down = terse.weight "down.weight" = dense<[[1.0, 2.0, 3.0, 4.0], [-8.0, -8.0, -8.0, -8.0]]> : tensor<2x4xf64> -> tensor<2x4xf64>
  %down32 = arith.truncf %down : tensor<2x4xf64> to tensor<2x4xf32>
  %head = terse.weight "head.weight" = dense<0.0> : tensor<4x2xf32> -> tensor<4x2xf32>
  %x = terse.embedding %ids, %table : tensor<3xi64>, tensor<5x4xf32> -> tensor<3x4xf32>
  %h = terse.linear %x, %up {name = "up"} : tensor<3x4xf32>, tensor<2x4xf32> -> tensor<3x2xf32>
  %y = terse.linear %h, %down32 {name = "down", reduction_axis = 0 : i64} : tensor<3x2xf32>, tensor<2x4xf32> -> tensor<3x4xf32>
  %z = arith.addf %x, %y : tensor<3x4xf32>
  %logits = terse.linear %z, %head {name = "head", reduction_axis = 0 : i64} : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %logits : tensor<3x2xf32>
}
