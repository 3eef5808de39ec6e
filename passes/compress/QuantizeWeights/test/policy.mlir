// RUN: terse-opt %s --terse-quantize-weights="bits=4 group-size=4" --terse-print-report 2>&1 | FileCheck %s

// What the policy of a layer says goes before the options; layers that are kept are left, frozen ones passed over.

// CHECK: layers-quantized 2
// CHECK: layers-left 1
// CHECK-LABEL: func.func @forward
func.func @forward(%x: tensor<3x8xf32>) -> tensor<3x8xf32> {
  // CHECK-DAG: terse.dequantize <i2, scale = f16, zero = integer>
  // CHECK-DAG: terse.dequantize <i4, group = 4, scale = f16, zero = none>
  %w = terse.weight "w" = dense<0.5> : tensor<8x8xf32> -> tensor<8x8xf32>
  // CHECK: %[[A:.*]] = terse.linear {{.*}} {name = "a", terse.policy = {bits = 2 : i64, group_size = 0 : i64, symmetric = false}}
  %a = terse.linear %x, %w {name = "a", terse.policy = {bits = 2 : i64, group_size = 0 : i64, symmetric = false}} : tensor<3x8xf32>, tensor<8x8xf32> -> tensor<3x8xf32>
  %b = terse.linear %a, %w {name = "b"} : tensor<3x8xf32>, tensor<8x8xf32> -> tensor<3x8xf32>
  // CHECK: terse.linear %{{.*}}, %[[W:.*]] {name = "c", terse.policy = {keep}}
  %c = terse.linear %b, %w {name = "c", terse.policy = {keep}} : tensor<3x8xf32>, tensor<8x8xf32> -> tensor<3x8xf32>
  // CHECK: terse.linear %{{.*}}, %[[W]] {name = "d", terse.frozen}
  %d = terse.linear %c, %w {name = "d", terse.frozen} : tensor<3x8xf32>, tensor<8x8xf32> -> tensor<3x8xf32>
  return %d : tensor<3x8xf32>
}
