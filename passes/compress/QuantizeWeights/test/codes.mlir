// RUN: terse-opt %s --terse-quantize-weights="bits=4 group-size=0 scale=f32 head-bits=4" --terse-print-report 2>&1 | FileCheck %s
// RUN: terse-opt %s --terse-quantize-weights="bits=8 group-size=0 head-bits=8" | FileCheck %s --check-prefix=KEPT

// 8 bits become 4; 4 bits are as few as asked for.
// CHECK: terse-quantize-weights: layers-quantized 1
// CHECK: terse-quantize-weights: codes-requantized 1
// CHECK: terse-quantize-weights: codes-kept 1

// Values -128 and 112 are -8 and 7 with the scale 16.
// CHECK: terse.weight "wide.codes" = dense<-16> : tensor<1x1xi8>
// CHECK: terse.weight "wide.scales" = dense<1.600000e+01> : tensor<1x1xf32>
// CHECK: terse.dequantize <i4, scale = f16, zero = none>
// CHECK-NOT: terse.dequantize <i8
// KEPT-DAG: terse.dequantize <i8, scale = f32, zero = none>
// KEPT-DAG: terse.dequantize <i4, scale = f16, zero = none>
func.func @forward(%x: tensor<3x2xf32>) -> (tensor<3x1xf32>, tensor<3x1xf32>) {
  %c = terse.weight "wide" = dense<[[0, 240]]> : tensor<1x2xi8> -> tensor<1x2xi8>
  %s = arith.constant dense<1.0> : tensor<1x1xf32>
  %w = terse.dequantize <i8, scale = f32, zero = none> %c, %s : tensor<1x2xi8>, tensor<1x1xf32> -> tensor<1x2xf32>
  %d = terse.weight "narrow" = dense<[[33]]> : tensor<1x1xi8> -> tensor<1x1xi8>
  %t = arith.constant dense<1.0> : tensor<1x1xf16>
  %v = terse.dequantize <i4, scale = f16, zero = none> %d, %t : tensor<1x1xi8>, tensor<1x1xf16> -> tensor<1x2xf32>
  %y = terse.linear %x, %w {name = "a"} : tensor<3x2xf32>, tensor<1x2xf32> -> tensor<3x1xf32>
  %z = terse.linear %x, %v {name = "b"} : tensor<3x2xf32>, tensor<1x2xf32> -> tensor<3x1xf32>
  return %y, %z : tensor<3x1xf32>, tensor<3x1xf32>
}
