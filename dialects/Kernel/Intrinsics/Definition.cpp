//===- Definition.cpp - instructions by their definition ------------------===//
#include "Kernel/Intrinsics/Definition.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace terse::kernel;

Value terse::kernel::createSplat(ImplicitLocOpBuilder &b, VectorType type, int64_t value) {
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, b.getIntegerAttr(type.getElementType(), value)));
}

Value terse::kernel::createRepeat(ImplicitLocOpBuilder &b, VectorType type, Value values) {
  int64_t size = cast<VectorType>(values.getType()).getNumElements();
  Type wordType = b.getIntegerType(type.getElementTypeBitWidth() * size);
  Value word = vector::ExtractOp::create(b, vector::BitCastOp::create(b, VectorType::get(1, wordType), values), 0);
  auto wordsType = VectorType::get(type.getNumElements() / size, wordType);
  return vector::BitCastOp::create(b, type, vector::BroadcastOp::create(b, wordsType, word));
}

Value terse::kernel::createIntrinsic(ImplicitLocOpBuilder &b, VectorType type, StringRef name, ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr(name), arguments).getResults();
}

/// Element i of each column's four, of all columns.
static Value takeOfColumns(ImplicitLocOpBuilder &b, int64_t columns, Value from, int64_t i) {
  SmallVector<int64_t> lanes;
  for (int64_t c = 0; c < columns; ++c)
    lanes.push_back(4 * c + i);
  return vector::ShuffleOp::create(b, from, from, lanes);
}

SmallVector<Value> terse::kernel::createProducts(ImplicitLocOpBuilder &b, MmaInstruction instruction, Value weights,
                                                 Value activations) {
  VectorType sumType = instruction.getSumType();
  SmallVector<Value> products;
  auto extend = [&](Type type, Value value, bool isSigned) -> Value {
    return isSigned ? arith::ExtSIOp::create(b, type, value).getResult() : arith::ExtUIOp::create(b, type, value).getResult();
  };
  bool isSigned = instruction.hasSignedWeights();
  for (int64_t i = 0; i < 4; ++i) {
    Value weight = extend(sumType, takeOfColumns(b, instruction.getColumns(), weights, i), isSigned);
    if (int64_t offset = instruction.getWeightOffset())
      weight = arith::SubIOp::create(b, weight, createSplat(b, sumType, offset));
    Value activation = extend(b.getI32Type(), vector::ExtractOp::create(b, activations, i), !isSigned);
    products.push_back(arith::MulIOp::create(b, weight, vector::BroadcastOp::create(b, sumType, activation)));
  }
  return products;
}

SmallVector<Value> terse::kernel::createSparseProducts(ImplicitLocOpBuilder &b, MmaInstruction instruction, Value values,
                                                       Value places, Value activations) {
  VectorType sumType = instruction.getSumType();
  SmallVector<Value> products, choices;
  for (int64_t place = 0; place < 8; ++place) {
    Value one = arith::ExtSIOp::create(b, b.getI32Type(), vector::ExtractOp::create(b, activations, place));
    choices.push_back(vector::BroadcastOp::create(b, sumType, one));
  }
  for (int64_t i = 0; i < 4; ++i) {
    auto take = [&](Value from) -> Value {
      return arith::ExtUIOp::create(b, sumType, takeOfColumns(b, instruction.getColumns(), from, i));
    };
    Value value = arith::SubIOp::create(b, take(values), createSplat(b, sumType, 8)), place = take(places);
    int64_t first = i < 2 ? 0 : 4; // of the four that this place may be in
    Value chosen = choices[first];
    for (int64_t j = first + 1; j < first + 4; ++j) {
      Value is = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, place, createSplat(b, sumType, j));
      chosen = arith::SelectOp::create(b, is, choices[j], chosen);
    }
    products.push_back(arith::MulIOp::create(b, value, chosen));
  }
  return products;
}

Value terse::kernel::createTable(ImplicitLocOpBuilder &b, VectorType type, ArrayRef<int8_t> table) {
  SmallVector<int8_t> bytes;
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    bytes.push_back(table[i % table.size()]);
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes)));
}

Value terse::kernel::createLookupByDefinition(ImplicitLocOpBuilder &b, ArrayRef<int8_t> table, Value indices) {
  auto type = cast<VectorType>(indices.getType());
  SmallVector<Value> choices;
  for (int8_t byte : table)
    choices.push_back(createSplat(b, type, byte));
  // Each bit of the indices halves what is left.
  for (int64_t bit = 1; choices.size() > 1; bit *= 2) {
    Value isSet = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, arith::AndIOp::create(b, indices, createSplat(b, type, bit)),
                                        createSplat(b, type, 0));
    for (size_t i = 0; i < choices.size() / 2; ++i)
      choices[i] = arith::SelectOp::create(b, isSet, choices[2 * i + 1], choices[2 * i]);
    choices.resize(choices.size() / 2);
  }
  return choices.front();
}

Value terse::kernel::createSumOfProducts(ImplicitLocOpBuilder &b, MmaInstruction instruction, Value weights,
                                         Value activations, Value partial) {
  for (Value product : createProducts(b, instruction, weights, activations))
    partial = arith::AddIOp::create(b, partial, product);
  return partial;
}
