// RUN: %terse-opt %s --terse-convert-weights=to=f16 2>/dev/null | FileCheck %s
// RUN: %terse-opt %s --terse-convert-weights=to=f16 --terse-print-report 2>&1 | FileCheck %s --check-prefix=REPORT
// RUN: %terse-opt %s --terse-convert-weights=to=keep | FileCheck %s --check-prefix=KEEP
// RUN: not terse-opt %s --terse-convert-weights=to=f8 2>&1 | FileCheck %s --check-prefix=TYPE

// TYPE: terse-convert-weights: expected to to be f16, bf16, f32 or keep; got 'f8'
// REPORT: weight 'large' is left as it is: it has values beyond the range of 'f16'
// REPORT: terse-convert-weights: weights-converted 3
// REPORT: terse-convert-weights: weights-left 1
// REPORT: terse-convert-weights: bytes-before 78
// REPORT: terse-convert-weights: bytes-after 48

// CHECK-LABEL: func.func @forward
func.func @forward(%ids: tensor<3xi64>) -> (tensor<3x4xf32>, tensor<3x4xf32>) {
  // CHECK-DAG: %[[TABLE:.*]] = terse.weight "table" = dense<1.000000e+00> : tensor<5x2xf16>
  // CHECK-DAG: %[[W:.*]] = terse.weight "w" = dense<{{\[\[}}1.000000e+00, 9.997550e-02], {{.*}}> : tensor<4x2xf16>
  // CHECK-DAG: %[[LARGE:.*]] = terse.weight "large" = dense<1.000000e+06> : tensor<4x2xf32>
  // CHECK-DAG: %[[SCALE:.*]] = terse.weight "scale" = dense<[1.500000e+00, 2.500000e+00, 3.500000e+00]> : tensor<3xf32>
  // KEEP-DAG: terse.weight "w" = {{.*}} -> tensor<4x2xf32>
  // KEEP-DAG: terse.weight "scale" = {{.*}} -> tensor<3xf32>
  // CHECK-DAG: %[[ROWS:.*]] = terse.embedding %{{.*}}, %[[TABLE]] : tensor<3xi64>, tensor<5x2xf16> -> tensor<3x2xf16>
  // CHECK-DAG: %[[X:.*]] = arith.extf %[[ROWS]]
  %table = terse.weight "table" = dense<1.0> : tensor<5x2xf32> -> tensor<5x2xf32>
  %w = terse.weight "w" = dense<[[1.0, 0.1], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]> : tensor<4x2xf32> -> tensor<4x2xf32>
  %large = terse.weight "large" = dense<1.0e+6> : tensor<4x2xf32> -> tensor<4x2xf32>
  %half = terse.weight "half" = dense<1.0> : tensor<4x2xf16> -> tensor<4x2xf16>
  %wide = arith.extf %half : tensor<4x2xf16> to tensor<4x2xf32>
  %scale = terse.weight "scale" = dense<[1.5, 2.5, 3.5]> : tensor<3xf16> -> tensor<3xf16>
  %scale32 = arith.extf %scale : tensor<3xf16> to tensor<3xf32>
  %x = terse.embedding %ids, %table : tensor<3xi64>, tensor<5x2xf32> -> tensor<3x2xf32>
  // CHECK: %[[A:.*]] = terse.linear %[[X]], %[[W]] : tensor<3x2xf32>, tensor<4x2xf16> -> tensor<3x4xf32>
  // CHECK: terse.linear %[[X]], %[[LARGE]] : tensor<3x2xf32>, tensor<4x2xf32>
  // CHECK: terse.linear %[[X]], %{{.*}} : tensor<3x2xf32>, tensor<4x2xf16>
  // CHECK: linalg.broadcast ins(%[[SCALE]] : tensor<3xf32>)
  %a = terse.linear %x, %w : tensor<3x2xf32>, tensor<4x2xf32> -> tensor<3x4xf32>
  %b = terse.linear %x, %large : tensor<3x2xf32>, tensor<4x2xf32> -> tensor<3x4xf32>
  %c = terse.linear %x, %wide : tensor<3x2xf32>, tensor<4x2xf32> -> tensor<3x4xf32>
  %e = tensor.empty() : tensor<3x4xf32>
  %d = linalg.broadcast ins(%scale32 : tensor<3xf32>) outs(%e : tensor<3x4xf32>) dimensions = [1]
  %ab = arith.addf %a, %b : tensor<3x4xf32>
  %cd = arith.addf %c, %d : tensor<3x4xf32>
  return %ab, %cd : tensor<3x4xf32>, tensor<3x4xf32>
}
