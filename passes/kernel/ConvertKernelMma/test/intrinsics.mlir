// RUN: terse-opt %s --convert-kernel-mma | FileCheck %s
// RUN: terse-opt %s --convert-kernel-mma=emulate | FileCheck %s --check-prefix=EMULATED

// EMULATED-NOT: kernel.mma
// EMULATED-NOT: llvm.

// CHECK-LABEL: @vnni
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"({{.*}}) : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
func.func @vnni(%w: vector<64xi8>, %a: vector<4xi8>, %s: vector<16xi32>) -> vector<16xi32> {
  %0 = kernel.mma #kernel.x86_vnni %w, %a, %s : vector<64xi8>, vector<4xi8>, vector<16xi32>
  return %0 : vector<16xi32>
}

// CHECK-LABEL: @maddubs
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
func.func @maddubs(%w: vector<32xi8>, %a: vector<4xi8>, %p: vector<16xi16>, %s: vector<8xi32>) -> vector<8xi32> {
  %0 = kernel.mma #kernel.x86_maddubs %w, %a, %p : vector<32xi8>, vector<4xi8>, vector<16xi16>
  %1 = kernel.mma_sum #kernel.x86_maddubs %0, %s : vector<16xi16>, vector<8xi32>
  return %1 : vector<8xi32>
}

// The activations are the unsigned operand.
// CHECK-LABEL: @maddubs_biased
// CHECK-SAME: (%[[W:.*]]: vector<32xi8>, %[[A:.*]]: vector<4xi8>,
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"({{.*}}, %[[W]])
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// EMULATED-LABEL: @maddubs_biased
// EMULATED: arith.extsi {{.*}} : vector<8xi8> to vector<8xi32>
// EMULATED: arith.extui {{.*}} : i8 to i32
func.func @maddubs_biased(%w: vector<32xi8>, %a: vector<4xi8>, %p: vector<16xi16>, %s: vector<8xi32>) -> vector<8xi32> {
  %0 = kernel.mma #kernel.x86_maddubs_biased %w, %a, %p : vector<32xi8>, vector<4xi8>, vector<16xi16>
  %1 = kernel.mma_sum #kernel.x86_maddubs_biased %0, %s : vector<16xi16>, vector<8xi32>
  return %1 : vector<8xi32>
}

// CHECK-LABEL: @maddubs_signed
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.psign.b"
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
func.func @maddubs_signed(%w: vector<32xi8>, %a: vector<4xi8>, %s: vector<8xi32>) -> vector<8xi32> {
  %0 = kernel.mma #kernel.x86_maddubs_signed %w, %a, %s : vector<32xi8>, vector<4xi8>, vector<8xi32>
  return %0 : vector<8xi32>
}

// CHECK-LABEL: @maddwd
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"
func.func @maddwd(%w: vector<16xi8>, %a: vector<4xi8>, %s: vector<4xi32>) -> vector<4xi32> {
  %0 = kernel.mma #kernel.x86_maddwd %w, %a, %s : vector<16xi8>, vector<4xi8>, vector<4xi32>
  return %0 : vector<4xi32>
}

// CHECK-LABEL: @vnni_sparse
// CHECK: %[[MET:.*]] = llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"({{.*}}, %[[MET]])
func.func @vnni_sparse(%v: vector<64xi8>, %p: vector<64xi8>, %a: vector<8xi8>, %s: vector<16xi32>) -> vector<16xi32> {
  %0 = kernel.mma_sparse #kernel.x86_vnni %v, %p, %a, %s : vector<64xi8>, vector<8xi8>, vector<16xi32>
  return %0 : vector<16xi32>
}

// CHECK-LABEL: @maddubs_sparse
// CHECK: %[[MET:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"({{.*}}, %[[MET]])
func.func @maddubs_sparse(%v: vector<32xi8>, %p: vector<32xi8>, %a: vector<8xi8>, %s: vector<16xi16>) -> vector<16xi16> {
  %0 = kernel.mma_sparse #kernel.x86_maddubs %v, %p, %a, %s : vector<32xi8>, vector<8xi8>, vector<16xi16>
  return %0 : vector<16xi16>
}

// CHECK-LABEL: @lookup
// CHECK: %[[WIDE:.*]] = arith.constant dense<[1, 40, 61, {{.*}}]> : vector<64xi8>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"(%[[WIDE]], %{{.*}})
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"
// CHECK-COUNT-15: arith.select {{.*}} : vector<16xi1>, vector<16xi8>
func.func @lookup(%a: vector<64xi8>, %b: vector<32xi8>, %c: vector<16xi8>) -> (vector<64xi8>, vector<32xi8>, vector<16xi8>) {
  %0 = kernel.lookup #kernel.x86_vnni [1, 40, 61, 78, 92, 105, 116, -128, -118, -108, -97, -85, -72, -57, -36, -1] %a : vector<64xi8>
  %1 = kernel.lookup #kernel.x86_maddubs_signed [1, 40, 61, 78, 92, 105, 116, -128, -118, -108, -97, -85, -72, -57, -36, -1] %b : vector<32xi8>
  %2 = kernel.lookup #kernel.x86_maddwd [1, 40, 61, 78, 92, 105, 116, -128, -118, -108, -97, -85, -72, -57, -36, -1] %c : vector<16xi8>
  return %0, %1, %2 : vector<64xi8>, vector<32xi8>, vector<16xi8>
}

// The pair of activations serves all columns. By definition the product of the second of each pair is added first.
// CHECK-LABEL: @bf16
// CHECK: vector.bitcast {{.*}} : vector<2xbf16> to vector<1xi32>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"({{.*}}) : (vector<16xf32>, vector<32xbf16>, vector<32xbf16>) -> vector<16xf32>
// EMULATED-LABEL: @bf16
// EMULATED: arith.andi {{.*}} : vector<16xi32>
// EMULATED: math.fma {{.*}} : vector<16xf32>
// EMULATED: arith.shli {{.*}} : vector<16xi32>
// EMULATED: math.fma {{.*}} : vector<16xf32>
func.func @bf16(%w: vector<32xbf16>, %a: vector<2xbf16>, %s: vector<16xf32>) -> vector<16xf32> {
  %0 = kernel.mma #kernel.x86_bf16 %w, %a, %s : vector<32xbf16>, vector<2xbf16>, vector<16xf32>
  return %0 : vector<16xf32>
}
