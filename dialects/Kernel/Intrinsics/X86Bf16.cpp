//===- X86Bf16.cpp - AVX512-BF16 vdpbf16ps --------------------------------===//
#include "Kernel/Intrinsics/Definition.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace terse::kernel;

int64_t X86Bf16Attr::getColumns() const { return 16; }
VectorType X86Bf16Attr::getWeightsType() const { return VectorType::get(2 * getColumns(), BFloat16Type::get(getContext())); }
VectorType X86Bf16Attr::getActivationsType() const { return VectorType::get(2, BFloat16Type::get(getContext())); }
VectorType X86Bf16Attr::getSumType() const { return VectorType::get(getColumns(), Float32Type::get(getContext())); }
VectorType X86Bf16Attr::getPartialType() const { return getSumType(); }

Value X86Bf16Attr::createMma(OpBuilder &builder, Location loc, Value weights, Value activations, Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  return createIntrinsic(b, getSumType(), "llvm.x86.avx512bf16.dpbf16ps.512",
                         {partial, weights, createRepeat(b, getWeightsType(), activations)});
}

/// Numbers of `type`, f32, of which those below the least normal one are zeros of their sign.
static Value flush(ImplicitLocOpBuilder &b, VectorType type, Value bits) {
  auto wordsType = cast<VectorType>(bits.getType());
  Value exponent = arith::AndIOp::create(b, bits, createSplat(b, wordsType, 0x7f800000));
  Value isSmall = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, exponent, createSplat(b, wordsType, 0));
  Value sign = arith::AndIOp::create(b, bits, createSplat(b, wordsType, 0x80000000));
  return arith::BitcastOp::create(b, type, arith::SelectOp::create(b, isSmall, sign, bits));
}

/// Two multiply-adds, the second of each pair first, each rounded to the nearest, ties to even. Denormal numbers, given or
/// computed, are 0.
Value X86Bf16Attr::createMmaByDefinition(OpBuilder &builder, Location loc, Value weights, Value activations,
                                         Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  VectorType type = getSumType(), wordsType = VectorType::get(getColumns(), b.getI32Type());
  auto bitsOf = [&](Value floats) -> Value { return arith::BitcastOp::create(b, wordsType, floats); };
  auto widen = [&](Value pairs, bool second) -> Value {
    Value words = vector::BitCastOp::create(b, wordsType, pairs);
    words = second ? arith::AndIOp::create(b, words, createSplat(b, wordsType, 0xffff0000)).getResult()
                   : arith::ShLIOp::create(b, words, createSplat(b, wordsType, 16)).getResult();
    return flush(b, type, words);
  };
  Value repeated = createRepeat(b, getWeightsType(), activations);
  Value sum = flush(b, type, bitsOf(partial));
  for (bool second : {true, false}) {
    sum = math::FmaOp::create(b, widen(weights, second), widen(repeated, second), sum);
    sum = flush(b, type, bitsOf(sum));
  }
  return sum;
}
