// RUN: terse-opt %s --terse-select-kernel="level=avx2" | terse-opt | FileCheck %s
// RUN: terse-opt %s --terse-select-kernel="level=avx2 tuning=%S/Inputs/tuning.json" --terse-print-report 2>&1 | FileCheck %s --check-prefix=TUNED
// RUN: terse-opt %s --terse-select-kernel="level=baseline tuning=%S/Inputs/tuning.json" | FileCheck %s --check-prefix=BASELINE
// RUN: terse-opt %s --terse-select-kernel="level=avx512bf16 tuning=%S/Inputs/tuning.json" | FileCheck %s --check-prefix=BF16

// The level has kernels of its own for weights of bf16 alone: others are chosen for the level before.
// BF16: kernel.linear {{.*}}one_panels = 7,{{.*}} tensor<2x64x16xf32>

// The nearest of the file's groups; of equals the nearest shape. For another level or format it says nothing.
// CHECK-LABEL: func.func @layers
// CHECK: kernel.qlinear <i4, group = 32,{{.*}} {tiling = #kernel.tiling<one_prefetch = 1536, few_rows = 4, many_rows = 4, unpacked_rows = 2, unpacked_panels = 2, unpacked_from = 24, prefetch = 1536>}
// TUNED-DAG: terse-select-kernel: selected 3
// TUNED-DAG: terse-select-kernel: tuned 2
// TUNED-DAG: kernel.qlinear <i4, group = 32,{{.*}}tiling = #kernel.tiling<one_panels = 2, one_prefetch = 1536, few_rows = 4, many_rows = 4, unpacked_rows = 2, unpacked_panels = 2, unpacked_from = 24, prefetch = 1536>
// TUNED-DAG: kernel.qlinear <i4, scale{{.*}}tiling = #kernel.tiling<one_panels = 3, one_prefetch = 1536, many_rows = 6, unpacked_rows = 2, unpacked_panels = 2>
// TUNED-DAG: kernel.qlinear {{.*}}tiling = #kernel.tiling<many_rows = 3>
// TUNED-DAG: kernel.linear {{.*}}tiling = #kernel.tiling<one_panels = 4, few_rows = 4, many_rows = 4
// BASELINE: kernel.qlinear {{.*}}tiling = #kernel.tiling<one_panels = 2, one_prefetch = 1536, unpacked_rows = 2, prefetch = 1536>
func.func @layers(%x: tensor<?x64xf32>, %c: tensor<2x512xi8>, %s: tensor<2x2x16xf16>, %one: tensor<2x1x16xf16>, %w: tensor<2x64x16xf32>)
    -> (tensor<?x24xf32>, tensor<?x24xf32>, tensor<?x24xf32>, tensor<?x24xf32>) {
  %0 = kernel.qlinear <i4, group = 32, scale = f16, zero = none> %x, %c, %s
    : tensor<?x64xf32>, tensor<2x512xi8>, tensor<2x2x16xf16> -> tensor<?x24xf32>
  %1 = kernel.qlinear <i4, scale = f16, zero = none> %x, %c, %one
    : tensor<?x64xf32>, tensor<2x512xi8>, tensor<2x1x16xf16> -> tensor<?x24xf32>
  // Written by hand, it stays.
  %2 = kernel.qlinear <i4, scale = f16, zero = none> %x, %c, %one {tiling = #kernel.tiling<many_rows = 3>}
    : tensor<?x64xf32>, tensor<2x512xi8>, tensor<2x1x16xf16> -> tensor<?x24xf32>
  %3 = kernel.linear %x, %w : tensor<?x64xf32>, tensor<2x64x16xf32> -> tensor<?x24xf32>
  return %0, %1, %2, %3 : tensor<?x24xf32>, tensor<?x24xf32>, tensor<?x24xf32>, tensor<?x24xf32>
}
