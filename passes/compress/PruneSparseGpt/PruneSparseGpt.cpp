//===- PruneSparseGpt.cpp - sets weights to zero and makes good for it ----===//
#include "Terse/TerseDialect.h"
#include "compress/Pruning/PruneLayers.h"
#include "terse/Passes.h"

#include "mlir/IR/Threading.h"

namespace terse {
#define GEN_PASS_DEF_PRUNESPARSEGPT
#include "compress/PruneSparseGpt/PruneSparseGpt.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct PruneSparseGpt : terse::impl::PruneSparseGptBase<PruneSparseGpt> {
  using PruneSparseGptBase::PruneSparseGptBase;

  void runOnOperation() override {
    if (!(damping >= 0 && damping <= 1)) {
      emitError(UnknownLoc::get(&getContext())) << getArgument() << ": expected a damping of 0 to 1; got " << damping.getValue();
      return signalPassFailure();
    }
    PruneRequest request{getArgument(), sparsity, pattern, layers, exclude, stats, head, sweeps};
    if (failed(pruneLayers(getOperation(), request, 
                           [&](PrunedLayer &layer, LayerStatistics &statistics) { return pruneLayer(layer, statistics); })))
      signalPassFailure();
  }

private:
  LogicalResult pruneLayer(PrunedLayer &layer, LayerStatistics &statistics) {
    FailureOr<TapStatistics> tap = statistics.find(layer.op, layer.name, layer.k, Measure::SecondMoment);
    if (failed(tap))
      return failure();
    FailureOr<const ErrorFeedback *> feedback = statistics.getFeedback(layer.op, layer.name, *tap, damping, false);
    if (failed(feedback))
      return failure();
    SecondOrderProblem problem{layer.k, tap->secondMoment, 0, *feedback};
    constexpr int64_t kBlock = kLanes;
    std::vector<RoundingErrors> errors((layer.n + kBlock - 1) / kBlock);
    parallelFor(layer.op->getContext(), 0, errors.size(), [&](size_t block) {
      int64_t begin = block * kBlock, count = std::min(layer.n - begin, kBlock);
      auto rows = MutableArrayRef<float>(layer.weights).slice(begin * layer.k, count * layer.k);
      pruneWithFeedback(rows, count, problem, layer.options, errors[block]);
    });
    for (const RoundingErrors &part : errors)
      layer.errors += part;
    return success();
  }
};
} // namespace
