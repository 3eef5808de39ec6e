//===- X86Maddwd.cpp - SSE2 pmaddwd: every x86-64 machine -----------------===//
#include "Kernel/Intrinsics/Definition.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace terse::kernel;

int64_t X86MaddwdAttr::getColumns() const { return 4; }
VectorType X86MaddwdAttr::getPartialType() const { return getSumType(); }

Value X86MaddwdAttr::createMma(OpBuilder &builder, Location loc, Value weights, Value activations,
                               Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  auto wordsType = VectorType::get(8, b.getI16Type());
  auto fourType = VectorType::get(4, b.getI16Type());
  Value four = arith::ExtSIOp::create(b, fourType, activations);
  Value repeated = vector::ShuffleOp::create(b, four, four, ArrayRef<int64_t>{0, 1, 2, 3, 4, 5, 6, 7});
  SmallVector<Value> pairs; // sums of two products, two for each of two columns
  for (int64_t half : {0, 1}) {
    Value bytes = vector::ExtractStridedSliceOp::create(b, weights, 8 * half, 8, 1);
    Value words = arith::ExtUIOp::create(b, wordsType, bytes);
    pairs.push_back(createIntrinsic(b, getSumType(), "llvm.x86.sse2.pmadd.wd", {words, repeated}));
  }
  Value even = vector::ShuffleOp::create(b, pairs[0], pairs[1], ArrayRef<int64_t>{0, 2, 4, 6});
  Value odd = vector::ShuffleOp::create(b, pairs[0], pairs[1], ArrayRef<int64_t>{1, 3, 5, 7});
  return arith::AddIOp::create(b, partial, arith::AddIOp::create(b, even, odd));
}

Value X86MaddwdAttr::createMmaByDefinition(OpBuilder &builder, Location loc, Value weights, Value activations,
                                           Value partial) const {
  ImplicitLocOpBuilder b(loc, builder);
  return createSumOfProducts(b, *this, weights, activations, partial);
}
