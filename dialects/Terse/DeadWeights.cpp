//===- DeadWeights.cpp - space of weights that nothing reads --------------===//
#include "Terse/DeadWeights.h"

using namespace mlir;
using namespace terse;

DeadWeights::DeadWeights(Operation *root)
    : store(root->getContext()->getLoadedDialect<TerseDialect>()->getWeightStore()) {
  root->walk([&](WeightOp weight) { ++sharing[weight.getData()]; });
}

void DeadWeights::eraseWithWeights(Operation *op) {
  llvm::SmallSetVector<WeightOp, 4> weights;
  for (Value operand : op->getOperands())
    if (auto weight = operand.getDefiningOp<WeightOp>())
      weights.insert(weight);
  op->erase();
  for (WeightOp weight : weights) {
    if (!weight->use_empty())
      continue;
    unsigned &others = sharing[weight.getData()];
    if (others <= 1)
      store.release(weight.getData());
    else
      --others;
    weight.erase();
  }
}
