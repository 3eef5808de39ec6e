// RUN: terse-opt %s --terse-select-kernel="level=avx512vnni" --terse-lower-linear="level=avx512vnni" | FileCheck %s
// RUN: terse-opt %s --terse-select-kernel="level=avx2" --terse-lower-linear="level=avx2" | FileCheck %s --check-prefix=AVX2

// One row: codes of 2 bits stay at two of four places, and what was added up for each meets at the group's end.
// CHECK: func.func private @qlinear_n16k64_w2g32
// CHECK-COUNT-4: kernel.mma #kernel.x86_vnni
// CHECK: %[[HIGH:.*]] = arith.shrsi
// CHECK: %[[SUM:.*]] = arith.addi %{{.*}}, %[[HIGH]] : vector<16xi32>
// CHECK: arith.sitofp %[[SUM]]
// For three rows that would cost more than it saves.
// CHECK: case 3 {
// CHECK-NOT: arith.shrsi
// CHECK: case 4 {

// Sums of 16 bits hold no more than codes.
// AVX2: func.func private @qlinear_n16k64_w2g32
// AVX2-NOT: arith.shrsi
func.func @forward(%x: tensor<?x64xf32>, %c: tensor<1x256xi8>, %s: tensor<1x2x16xf16>) -> tensor<?x16xf32> {
  %0 = kernel.qlinear <i2, group = 32, scale = f16, zero = none> %x, %c, %s
    : tensor<?x64xf32>, tensor<1x256xi8>, tensor<1x2x16xf16> -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}
