//===- FuseLinearBias.cpp - an added vector becomes a layer's bias --------===//
#include "Terse/TerseDialect.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace terse {
#define GEN_PASS_DEF_FUSELINEARBIAS
#include "normalize/FuseLinearBias/FuseLinearBias.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct FuseLinearBias : terse::impl::FuseLinearBiasBase<FuseLinearBias> {
  using FuseLinearBiasBase::FuseLinearBiasBase;

  void runOnOperation() override {
    int64_t numFused = 0;
    SmallVector<arith::AddFOp> additions;
    getOperation()->walk([&](arith::AddFOp add) {
      if (isa<RankedTensorType>(add.getType()))
        additions.push_back(add);
    });
    for (arith::AddFOp add : additions)
      for (unsigned i : {0u, 1u})
        if (fuse(add, add->getOperand(i), add->getOperand(1 - i))) {
          ++numFused;
          break;
        }
    getOperation()->walk([](func::FuncOp func) {
      for (Block &block : func.getBody())
        eraseDead(block);
    });
    getContext().getLoadedDialect<TerseDialect>()->getReport().add(getArgument(), "biases-fused", numFused);
  }

  /// ```mlir
  /// %y = terse.linear %x, %w
  /// %b2 = linalg.broadcast ins(%b) dimensions = [0, 1]
  /// %z = arith.addf %y, %b2
  /// ```
  /// becomes `%z = terse.linear %x, %w bias %b`.
  bool fuse(arith::AddFOp add, Value product, Value addend) {
    auto linear = product.getDefiningOp<LinearOp>();
    if (!linear || linear.getBias() || !linear->hasOneUse() || product == addend)
      return false;
    OpBuilder builder(add);
    Value bias = getChannelVector(builder, View::ofFrame(addend), linear.getType().getRank());
    if (!bias || cast<RankedTensorType>(bias.getType()).getDimSize(0) != linear.getOutputChannels() ||
        getElementTypeOrSelf(bias) != getElementTypeOrSelf(linear.getType()))
      return false;
    auto fused = LinearOp::create(builder, linear.getLoc(), linear.getType(), linear.getInput(), linear.getWeight(), bias,
                                  linear.getReductionAxisAttr(), linear.getNameAttr());
    fused->setDiscardableAttrs(linear->getDiscardableAttrDictionary());
    add.getResult().replaceAllUsesWith(fused);
    add.erase();
    linear.erase();
    return true;
  }
};
} // namespace
