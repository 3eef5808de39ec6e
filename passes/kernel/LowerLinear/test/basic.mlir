// RUN: terse-opt %s --terse-select-kernel="level=avx512vnni" --terse-lower-linear="level=avx512vnni" | FileCheck %s
// RUN: terse-opt %s --terse-select-kernel="level=avx2" --terse-lower-linear="level=avx2" | FileCheck %s --check-prefix=AVX2
// RUN: terse-opt %s --terse-lower-linear="level=baseline" --convert-kernel-mma=emulate | FileCheck %s --check-prefix=DEFINITION

// Both layers read the same rounded rows, and the sum becomes part of the second.
// CHECK-LABEL: func.func @forward
// CHECK: %[[ROWS:.*]]:3 = kernel.launch @quantize_rows_k40g16u8
// CHECK: kernel.launch @qlinear_n24k40_w4g16_f16_1_8x1_12x1_ahead5120_4096_16384 ins(%[[ROWS]]#0, %[[ROWS]]#1, %[[ROWS]]#2,
// CHECK: kernel.launch @qlinear_n24k40_w4g16_f16_residual_1_8x1_12x1_ahead5120_4096_16384 ins(%[[ROWS]]#0,
// CHECK-NOT: arith.addf

// AVX2: kernel.mma #kernel.x86_maddubs
// AVX2: kernel.mma_sum #kernel.x86_maddubs
// For many rows weights are unpacked, signed, and meet activations of which 128 is 0.
// AVX2: arith.subi
// AVX2: kernel.mma #kernel.x86_maddubs_biased
// DEFINITION-NOT: kernel.mma
func.func @forward(%x: tensor<?x?x40xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>, %r: tensor<?x?x24xf32>)
    -> (tensor<?x?x24xf32>, tensor<?x?x24xf32>) {
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %x, %c, %s
    : tensor<?x?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x?x24xf32>
  %1 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %x, %c, %s
    : tensor<?x?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x?x24xf32>
  %2 = arith.addf %r, %1 : tensor<?x?x24xf32>
  return %0, %2 : tensor<?x?x24xf32>, tensor<?x?x24xf32>
}

// The norm's result is read by the layer alone, so only its rounded rows exist.
// CHECK-LABEL: func.func @norm
// CHECK-NOT: terse.norm
// CHECK: kernel.launch @norm_rms_c40_f32f32_{{.*}}_quantize_rows_k40g16u8
func.func @norm(%x: tensor<?x?x40xf32>, %scale: tensor<40xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>) -> tensor<?x?x24xf32> {
  %h = terse.norm rms %x, %scale {epsilon = 1.0e-5 : f64} : tensor<?x?x40xf32>, tensor<40xf32>
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %h, %c, %s
    : tensor<?x?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x?x24xf32>
  return %0 : tensor<?x?x24xf32>
}

// Someone else reads the norm too.
// CHECK-LABEL: func.func @norm_kept
// CHECK: terse.norm
// CHECK: kernel.launch @quantize_rows_k40g16u8
func.func @norm_kept(%x: tensor<?x?x40xf32>, %scale: tensor<40xf32>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>)
    -> (tensor<?x?x24xf32>, tensor<?x?x40xf32>) {
  %h = terse.norm rms %x, %scale {epsilon = 1.0e-5 : f64} : tensor<?x?x40xf32>, tensor<40xf32>
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %h, %c, %s
    : tensor<?x?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x?x24xf32>
  return %0, %h : tensor<?x?x24xf32>, tensor<?x?x40xf32>
}

// A model of f16: the norm's result is rounded to it and nowhere stored, the layer rounds its results to it and adds the residual.
// CHECK-LABEL: func.func @narrow
// CHECK-NOT: arith.extf
// CHECK: kernel.launch @norm_rms_c40_f16f16_{{.*}}_quantize_rows_k40g16u8{{[^ ]*}} ins(%{{.*}}, %{{.*}} : tensor<?x40xf16>, tensor<40xf16>)
// CHECK: kernel.launch @qlinear_n24k40_w4g16_f16_residual_to_f16_1_8x1_12x1_ahead5120_4096_16384
// CHECK-NOT: arith.truncf
// CHECK-NOT: arith.addf
// CHECK: return
func.func @narrow(%x: tensor<?x?x40xf16>, %scale: tensor<40xf16>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>, %r: tensor<?x?x24xf16>) -> tensor<?x?x24xf16> {
  %h = terse.norm rms %x, %scale {epsilon = 1.0e-5 : f64} : tensor<?x?x40xf16>, tensor<40xf16>
  %wide = arith.extf %h : tensor<?x?x40xf16> to tensor<?x?x40xf32>
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %wide, %c, %s
    : tensor<?x?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x?x24xf32>
  %1 = arith.truncf %0 : tensor<?x?x24xf32> to tensor<?x?x24xf16>
  %2 = arith.addf %r, %1 : tensor<?x?x24xf16>
  return %2 : tensor<?x?x24xf16>
}

// Where products are of floats the input is read in f32.
// CHECK-LABEL: func.func @narrow_floats
// CHECK: %[[WIDE:.*]] = arith.extf
// CHECK: kernel.launch @weight_only_n24k40_w4g16_f16_to_f16{{[^ ]*}} ins(%{{.*}} : tensor<?x40xf32>,
func.func @narrow_floats(%x: tensor<?x?x40xf16>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>) -> tensor<?x?x24xf16> {
  %wide = arith.extf %x : tensor<?x?x40xf16> to tensor<?x?x40xf32>
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %wide, %c, %s {grid = #terse.grid<none>}
    : tensor<?x?x40xf32>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x?x24xf32>
  %1 = arith.truncf %0 : tensor<?x?x24xf32> to tensor<?x?x24xf16>
  return %1 : tensor<?x?x24xf16>
}

// As it may be written by hand.
// CHECK-LABEL: func.func @narrow_floats_already
// CHECK: arith.extf
// CHECK: kernel.launch @weight_only_n24k40_w4g16_f16_to_f16{{[^ ]*}} ins(%{{.*}} : tensor<?x40xf32>,
func.func @narrow_floats_already(%x: tensor<?x?x40xf16>, %c: tensor<2x320xi8>, %s: tensor<2x3x16xf16>) -> tensor<?x?x24xf16> {
  %0 = kernel.qlinear <i4, group = 16, scale = f16, zero = none> %x, %c, %s {grid = #terse.grid<none>}
    : tensor<?x?x40xf16>, tensor<2x320xi8>, tensor<2x3x16xf16> -> tensor<?x?x24xf16>
  return %0 : tensor<?x?x24xf16>
}

// Packed codes are read by any number of rows.
// CHECK: func.func private @qlinear_n24k40_w4g16_f16_1_8x1_12x1_ahead5120_4096_16384(
// CHECK-NOT: memref.alloca
// CHECK: kernel.mma #kernel.x86_vnni
