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

Value terse::kernel::createRepeat(ImplicitLocOpBuilder &b, VectorType type, Value four) {
  Value word = vector::ExtractOp::create(b, vector::BitCastOp::create(b, VectorType::get(1, b.getI32Type()), four), 0);
  auto wordsType = VectorType::get(type.getNumElements() / 4, b.getI32Type());
  return vector::BitCastOp::create(b, type, vector::BroadcastOp::create(b, wordsType, word));
}

Value terse::kernel::createIntrinsic(ImplicitLocOpBuilder &b, VectorType type, StringRef name, ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr(name), arguments).getResults();
}

SmallVector<Value> terse::kernel::createProducts(ImplicitLocOpBuilder &b, MmaInstruction instruction, Value weights,
                                                 Value activations) {
  VectorType sumType = instruction.getSumType();
  int64_t columns = instruction.getColumns();
  SmallVector<Value> products;
  for (int64_t i = 0; i < 4; ++i) {
    SmallVector<int64_t> lanes;
    for (int64_t c = 0; c < columns; ++c)
      lanes.push_back(4 * c + i);
    Value weight = arith::ExtUIOp::create(b, sumType, vector::ShuffleOp::create(b, weights, weights, lanes));
    if (int64_t offset = instruction.getWeightOffset())
      weight = arith::SubIOp::create(b, weight, createSplat(b, sumType, offset));
    Value activation = arith::ExtSIOp::create(b, b.getI32Type(), vector::ExtractOp::create(b, activations, i));
    products.push_back(arith::MulIOp::create(b, weight, vector::BroadcastOp::create(b, sumType, activation)));
  }
  return products;
}

Value terse::kernel::createSumOfProducts(ImplicitLocOpBuilder &b, MmaInstruction instruction, Value weights,
                                         Value activations, Value partial) {
  for (Value product : createProducts(b, instruction, weights, activations))
    partial = arith::AddIOp::create(b, partial, product);
  return partial;
}
