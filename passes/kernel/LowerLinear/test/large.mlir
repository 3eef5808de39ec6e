// RUN: terse-opt %s --terse-select-kernel="level=avx512vnni" --terse-lower-linear="level=avx512vnni" | FileCheck %s

// Of a large layer, threads take the last quarter of the panels as they come.
// CHECK-LABEL: func.func @large
// CHECK: %[[TICKETS:.*]] = tensor.from_elements %{{.*}} : tensor<1xi64>
// CHECK: kernel.launch @qlinear_n1024k1024{{.*}} outs(%{{.*}}, %[[TICKETS]] :
func.func @large(%x: tensor<?x1024xf32>, %c: tensor<64x8192xi8>, %s: tensor<64x1x16xf16>) -> tensor<?x1024xf32> {
  %0 = kernel.qlinear <i4, scale = f16, zero = none> %x, %c, %s
    : tensor<?x1024xf32>, tensor<64x8192xi8>, tensor<64x1x16xf16> -> tensor<?x1024xf32>
  return %0 : tensor<?x1024xf32>
}
// CHECK: func.func private @qlinear_n1024k1024{{.*}}%{{.*}}: memref<1xi64>
// CHECK: memref.atomic_rmw addi
