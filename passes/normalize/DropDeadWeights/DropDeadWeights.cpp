//===- DropDeadWeights.cpp - removes parameters that nothing reads --------===//
#include "Terse/TerseDialect.h"
#include "terse/Passes.h"

namespace terse {
#define GEN_PASS_DEF_DROPDEADWEIGHTS
#include "normalize/DropDeadWeights/DropDeadWeights.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct DropDeadWeights : terse::impl::DropDeadWeightsBase<DropDeadWeights> {
  using DropDeadWeightsBase::DropDeadWeightsBase;

  void runOnOperation() override {
    int64_t numWeights = 0, numBytes = 0;
    getOperation()->walk([&](WeightOp weight) {
      if (!weight->use_empty())
        return;
      ++numWeights;
      numBytes += getByteSize(weight.getType()).value_or(0);
      weight->erase();
    });
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "weights-removed", numWeights);
    report.add(getArgument(), "bytes-removed", numBytes);
  }
};
} // namespace
