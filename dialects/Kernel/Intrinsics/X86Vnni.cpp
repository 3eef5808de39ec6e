//===- X86Vnni.cpp - AVX512-VNNI ------------------------------------------===//
#include "Kernel/Intrinsics/Definition.h"

using namespace mlir;
using namespace terse::kernel;

int64_t X86VnniAttr::getColumns() const { return 16; }
VectorType X86VnniAttr::getPartialType() const { return getSumType(); }

Value X86VnniAttr::createMma(OpBuilder &builder, Location loc, Value weights, Value activations, Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  return createIntrinsic(b, getSumType(), "llvm.x86.avx512.vpdpbusd.512",
                         {partial, weights, createRepeat(b, getWeightsType(), activations)});
}

Value X86VnniAttr::createMmaByDefinition(OpBuilder &builder, Location loc, Value weights, Value activations,
                                         Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  return createSumOfProducts(b, *this, weights, activations, partial);
}
