//===- X86Vnni.cpp - AVX512-VNNI ------------------------------------------===//
#include "Kernel/Intrinsics/Definition.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

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

Value X86VnniAttr::createLookup(OpBuilder &builder, Location loc, Value table, Value indices) const {
  ImplicitLocOpBuilder b(loc, builder);
  return createIntrinsic(b, getWeightsType(), "llvm.x86.avx512.pshuf.b.512", {table, indices});
}

int64_t X86VnniAttr::getMaxSparseSteps() const { return std::numeric_limits<int64_t>::max(); }

Value X86VnniAttr::createSparseMma(OpBuilder &builder, Location loc, Value values, Value places, Value activations,
                                   Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  Value met = createIntrinsic(b, getWeightsType(), "llvm.x86.avx512.pshuf.b.512",
                              {createRepeat(b, getWeightsType(), activations), places});
  auto product = [&](Value sum, Value weights) {
    return createIntrinsic(b, getSumType(), "llvm.x86.avx512.vpdpbusd.512", {sum, weights, met});
  };
  Value eights = product(createSplat(b, getSumType(), 0), createSplat(b, getWeightsType(), 8));
  return arith::SubIOp::create(b, product(partial, values), eights);
}

Value X86VnniAttr::createSparseMmaByDefinition(OpBuilder &builder, Location loc, Value values, Value places,
                                               Value activations, Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  for (Value product : createSparseProducts(b, *this, values, places, activations))
    partial = arith::AddIOp::create(b, partial, product);
  return partial;
}
