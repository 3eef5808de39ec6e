// RUN: terse-opt %s --terse-select-kernel="level=avx512bf16" --terse-lower-linear="level=avx512bf16" | FileCheck %s
// RUN: terse-opt %s --terse-select-kernel="level=avx512bf16" --terse-lower-linear="level=avx512bf16" --convert-kernel-mma=emulate | FileCheck %s --check-prefix=DEFINITION
// RUN: terse-opt %s --terse-select-kernel="level=avx512vnni" --terse-lower-linear="level=avx512vnni" | FileCheck %s --check-prefix=PLAIN

// DEFINITION-NOT: kernel.mma
// DEFINITION-NOT: llvm.call_intrinsic

// Both layers read the same rounded rows; other weights meet the input as it is.
// CHECK-LABEL: func.func @forward
// CHECK: %[[ROWS:.*]] = kernel.launch @round_rows_k41 {{.*}} -> tensor<?x42xbf16>
// CHECK: kernel.launch @linear_n24k41_bf16_rounded_{{.*}} ins(%[[ROWS]], %{{.*}} : tensor<?x42xbf16>, tensor<2x21x32xbf16>)
// CHECK: kernel.launch @linear_n24k41_bf16_rounded_residual_{{.*}} ins(%[[ROWS]], {{.*}} : tensor<?x42xbf16>, tensor<2x21x32xbf16>, tensor<?x24xf32>)
// CHECK: kernel.launch @linear_n24k41_f16_{{.*}} : tensor<?x41xf32>, tensor<2x41x16xf16>)
// Other levels widen pairs in registers.
// PLAIN-LABEL: func.func @forward
// PLAIN-NOT: round_rows
// PLAIN: kernel.launch @linear_n24k41_bf16_{{[0-9].*}} : tensor<?x41xf32>, tensor<2x21x32xbf16>)
func.func @forward(%x: tensor<?x?x41xf32>, %w: tensor<2x21x32xbf16>, %h: tensor<2x41x16xf16>, %r: tensor<?x?x24xf32>)
    -> (tensor<?x?x24xf32>, tensor<?x?x24xf32>, tensor<?x?x24xf32>) {
  %0 = kernel.linear %x, %w : tensor<?x?x41xf32>, tensor<2x21x32xbf16> -> tensor<?x?x24xf32>
  %1 = kernel.linear %x, %w : tensor<?x?x41xf32>, tensor<2x21x32xbf16> -> tensor<?x?x24xf32>
  %2 = arith.addf %r, %1 : tensor<?x?x24xf32>
  %3 = kernel.linear %x, %h : tensor<?x?x41xf32>, tensor<2x41x16xf16> -> tensor<?x?x24xf32>
  return %0, %2, %3 : tensor<?x?x24xf32>, tensor<?x?x24xf32>, tensor<?x?x24xf32>
}

// The norm's result is read by the layer alone, so only its rounded rows exist.
// CHECK-LABEL: func.func @norm
// CHECK-NOT: terse.norm
// CHECK: kernel.launch @norm_rms_c40_f32f32_{{.*}}_round_rows_k40
// PLAIN-LABEL: func.func @norm
// PLAIN: terse.norm
func.func @norm(%x: tensor<?x40xf32>, %scale: tensor<40xf32>, %w: tensor<2x20x32xbf16>) -> tensor<?x24xf32> {
  %h = terse.norm rms %x, %scale {epsilon = 1.0e-5 : f64} : tensor<?x40xf32>, tensor<40xf32>
  %0 = kernel.linear %h, %w : tensor<?x40xf32>, tensor<2x20x32xbf16> -> tensor<?x24xf32>
  return %0 : tensor<?x24xf32>
}

// Another layer reads the norm too, as it is.
// CHECK-LABEL: func.func @norm_kept
// CHECK: terse.norm
// CHECK: kernel.launch @round_rows_k40
func.func @norm_kept(%x: tensor<?x40xf32>, %scale: tensor<40xf32>, %w: tensor<2x20x32xbf16>, %h: tensor<2x40x16xf16>)
    -> (tensor<?x24xf32>, tensor<?x24xf32>) {
  %n = terse.norm rms %x, %scale {epsilon = 1.0e-5 : f64} : tensor<?x40xf32>, tensor<40xf32>
  %0 = kernel.linear %n, %w : tensor<?x40xf32>, tensor<2x20x32xbf16> -> tensor<?x24xf32>
  %1 = kernel.linear %n, %h : tensor<?x40xf32>, tensor<2x40x16xf16> -> tensor<?x24xf32>
  return %0, %1 : tensor<?x24xf32>, tensor<?x24xf32>
}

// The last value of an odd row is 0.
// CHECK: func.func private @round_rows_k41(
// CHECK: arith.truncf {{.*}} : vector<16xf32> to vector<16xbf16>
// CHECK: arith.truncf {{.*}} : vector<9xf32> to vector<9xbf16>
// CHECK: memref.store {{.*}} : memref<?x42xbf16>
// CHECK: func.func private @linear_n24k41_bf16_rounded_
// CHECK-NOT: arith.extf
// CHECK: kernel.mma #kernel.x86_bf16
