//===- X86Maddubs.cpp - AVX2 vpmaddubsw -----------------------------------===//
#include "Kernel/Intrinsics/Definition.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace terse::kernel;

static constexpr int64_t kMaxActivation = 128; // in magnitude

//===----------------------------------------------------------------------===//
// Weights of 7 bits or fewer, sums of 16 bits
//===----------------------------------------------------------------------===//

int64_t X86MaddubsAttr::getColumns() const { return 8; }
VectorType X86MaddubsAttr::getPartialType() const { return VectorType::get(16, IntegerType::get(getContext(), 16)); }
int64_t X86MaddubsAttr::getMaxSteps(int64_t maxWeight) const {
  return std::numeric_limits<int16_t>::max() / (2 * kMaxActivation * maxWeight);
}

static Value addPairs(ImplicitLocOpBuilder &b, MmaInstruction instruction, Value unsignedBytes, Value signedBytes, Value partial) {
  Value pairs = createIntrinsic(b, instruction.getPartialType(), "llvm.x86.avx2.pmadd.ub.sw", {unsignedBytes, signedBytes});
  return arith::AddIOp::create(b, partial, pairs);
}

static Value addPairsByDefinition(ImplicitLocOpBuilder &b, MmaInstruction instruction, Value weights, Value activations,
                                  Value partial) {
  VectorType sumType = instruction.getSumType();
  SmallVector<Value> products = createProducts(b, instruction, weights, activations);
  auto columnsType = VectorType::get(instruction.getColumns(), b.getI16Type());
  auto saturatedPair = [&](Value first, Value second) -> Value {
    Value pair = arith::AddIOp::create(b, first, second);
    pair = arith::MinSIOp::create(b, pair, createSplat(b, sumType, std::numeric_limits<int16_t>::max()));
    pair = arith::MaxSIOp::create(b, pair, createSplat(b, sumType, std::numeric_limits<int16_t>::min()));
    return arith::TruncIOp::create(b, columnsType, pair);
  };
  Value even = saturatedPair(products[0], products[1]), odd = saturatedPair(products[2], products[3]);
  return arith::AddIOp::create(b, partial, vector::InterleaveOp::create(b, even, odd));
}

static Value addPartial(ImplicitLocOpBuilder &b, MmaInstruction instruction, Value partial, Value sum) {
  Value ones = createSplat(b, instruction.getPartialType(), 1);
  Value pairs = createIntrinsic(b, instruction.getSumType(), "llvm.x86.avx2.pmadd.wd", {partial, ones});
  return arith::AddIOp::create(b, sum, pairs);
}

static Value addPartialByDefinition(ImplicitLocOpBuilder &b, MmaInstruction instruction, Value partial, Value sum) {
  auto halves = vector::DeinterleaveOp::create(b, partial);
  for (Value half : {halves.getRes1(), halves.getRes2()})
    sum = arith::AddIOp::create(b, sum, arith::ExtSIOp::create(b, instruction.getSumType(), half));
  return sum;
}

Value X86MaddubsAttr::createMma(OpBuilder &builder, Location loc, Value weights, Value activations,
                                Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  return addPairs(b, *this, weights, createRepeat(b, getWeightsType(), activations), partial);
}

Value X86MaddubsAttr::createMmaByDefinition(OpBuilder &builder, Location loc, Value weights, Value activations,
                                            Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  return addPairsByDefinition(b, *this, weights, activations, partial);
}

Value X86MaddubsAttr::createSum(OpBuilder &builder, Location loc, Value partial, Value sum) const {
  ImplicitLocOpBuilder b(loc, builder);
  return addPartial(b, *this, partial, sum);
}

Value X86MaddubsAttr::createSumByDefinition(OpBuilder &builder, Location loc, Value partial, Value sum) const {
  ImplicitLocOpBuilder b(loc, builder);
  return addPartialByDefinition(b, *this, partial, sum);
}

/// For weights -8 .. 7; that a sum wraps between the two products of a step does no harm.
int64_t X86MaddubsAttr::getMaxSparseSteps() const {
  return std::numeric_limits<int16_t>::max() / (2 * kMaxActivation * 8);
}

Value X86MaddubsAttr::createSparseMma(OpBuilder &builder, Location loc, Value values, Value places, Value activations,
                                      Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  Value met = createIntrinsic(b, getWeightsType(), "llvm.x86.avx2.pshuf.b",
                              {createRepeat(b, getWeightsType(), activations), places});
  auto pairs = [&](Value weights) {
    return createIntrinsic(b, getPartialType(), "llvm.x86.avx2.pmadd.ub.sw", {weights, met});
  };
  Value sum = arith::AddIOp::create(b, partial, pairs(values));
  return arith::SubIOp::create(b, sum, pairs(createSplat(b, getWeightsType(), 8)));
}

Value X86MaddubsAttr::createSparseMmaByDefinition(OpBuilder &builder, Location loc, Value values, Value places,
                                                  Value activations, Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  SmallVector<Value> products = createSparseProducts(b, *this, values, places, activations);
  auto pair = [&](Value first, Value second) -> Value {
    auto columnsType = VectorType::get(getColumns(), b.getI16Type());
    return arith::TruncIOp::create(b, columnsType, arith::AddIOp::create(b, first, second));
  };
  Value even = pair(products[0], products[1]), odd = pair(products[2], products[3]);
  return arith::AddIOp::create(b, partial, vector::InterleaveOp::create(b, even, odd));
}

//===----------------------------------------------------------------------===//
// Signed weights of 7 bits or fewer, sums of 16 bits
//===----------------------------------------------------------------------===//

int64_t X86MaddubsBiasedAttr::getColumns() const { return 8; }
VectorType X86MaddubsBiasedAttr::getPartialType() const { return VectorType::get(16, IntegerType::get(getContext(), 16)); }
int64_t X86MaddubsBiasedAttr::getMaxSteps(int64_t maxWeight) const {
  return std::numeric_limits<int16_t>::max() / (2 * std::numeric_limits<uint8_t>::max() * maxWeight);
}
bool X86MaddubsBiasedAttr::hasSignedWeights() const { return true; }

Value X86MaddubsBiasedAttr::createMma(OpBuilder &builder, Location loc, Value weights, Value activations,
                                      Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  return addPairs(b, *this, createRepeat(b, getWeightsType(), activations), weights, partial);
}

Value X86MaddubsBiasedAttr::createMmaByDefinition(OpBuilder &builder, Location loc, Value weights, Value activations,
                                                  Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  return addPairsByDefinition(b, *this, weights, activations, partial);
}

Value X86MaddubsBiasedAttr::createSum(OpBuilder &builder, Location loc, Value partial, Value sum) const {
  ImplicitLocOpBuilder b(loc, builder);
  return addPartial(b, *this, partial, sum);
}

Value X86MaddubsBiasedAttr::createSumByDefinition(OpBuilder &builder, Location loc, Value partial, Value sum) const {
  ImplicitLocOpBuilder b(loc, builder);
  return addPartialByDefinition(b, *this, partial, sum);
}

//===----------------------------------------------------------------------===//
// Weights of 8 bits, sums of 32 bits
//===----------------------------------------------------------------------===//

int64_t X86MaddubsSignedAttr::getColumns() const { return 8; }
VectorType X86MaddubsSignedAttr::getPartialType() const { return getSumType(); }
int64_t X86MaddubsSignedAttr::getWeightOffset() const { return 128; }

Value X86MaddubsSignedAttr::createLookup(OpBuilder &builder, Location loc, Value table, Value indices) const {
  ImplicitLocOpBuilder b(loc, builder);
  return createIntrinsic(b, getWeightsType(), "llvm.x86.avx2.pshuf.b", {table, indices});
}

Value X86MaddubsSignedAttr::createMma(OpBuilder &builder, Location loc, Value weights, Value activations,
                                      Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  VectorType bytesType = getWeightsType();
  auto pairsType = VectorType::get(16, b.getI16Type());
  // weight - 128 as a signed byte; |-128| is 128 as an unsigned one.
  Value weight = arith::XOrIOp::create(b, weights, createSplat(b, bytesType, -128));
  Value magnitude = math::AbsIOp::create(b, weight);
  Value activation =
      createIntrinsic(b, bytesType, "llvm.x86.avx2.psign.b", {createRepeat(b, bytesType, activations), weight});
  Value pairs = createIntrinsic(b, pairsType, "llvm.x86.avx2.pmadd.ub.sw", {magnitude, activation});
  Value products = createIntrinsic(b, getSumType(), "llvm.x86.avx2.pmadd.wd", {pairs, createSplat(b, pairsType, 1)});
  return arith::AddIOp::create(b, partial, products);
}

Value X86MaddubsSignedAttr::createMmaByDefinition(OpBuilder &builder, Location loc, Value weights, Value activations,
                                                  Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  return createSumOfProducts(b, *this, weights, activations, partial);
}
