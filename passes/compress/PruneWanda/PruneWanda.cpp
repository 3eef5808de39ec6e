//===- PruneWanda.cpp - sets weights to zero that do least ----------------===//
#include "Terse/TerseDialect.h"
#include "compress/Pruning/PruneLayers.h"
#include "terse/Passes.h"

#include "mlir/IR/Threading.h"

#include <cmath>

namespace terse {
#define GEN_PASS_DEF_PRUNEWANDA
#include "compress/PruneWanda/PruneWanda.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// Prunes by |w| times the root mean square of the input.
static LogicalResult pruneByOutput(PrunedLayer &layer, LayerStatistics &statistics) {
  FailureOr<TapStatistics> tap = statistics.find(layer.op, layer.name, layer.k, Measure::SecondMoment);
  if (failed(tap))
    return failure();
  std::vector<float> size(layer.k);
  for (int64_t j = 0; j < layer.k; ++j) {
    float square = tap->secondMoment[j * (layer.k + 1)];
    if (!(square >= 0) || !std::isfinite(square))
      return layer.op->emitError() << "expected finite second moments of at least 0 of the input of layer '" << layer.name << "'; got "
                                   << std::to_string(square) << " at channel " << j;
    size[j] = std::sqrt(square);
  }
  SecondOrderProblem problem{layer.k, tap->secondMoment};
  constexpr int64_t kBlock = kLanes;
  std::vector<RoundingErrors> errors((layer.n + kBlock - 1) / kBlock);
  parallelFor(layer.op->getContext(), 0, errors.size(), [&](size_t block) {
    int64_t begin = block * kBlock, count = std::min(layer.n - begin, kBlock);
    auto rows = MutableArrayRef<float>(layer.weights).slice(begin * layer.k, count * layer.k);
    std::vector<float> before(rows.begin(), rows.end()), scores(rows.size());
    for (size_t i = 0; i < scores.size(); ++i)
      scores[i] = std::fabs(rows[i]) * size[i % layer.k];
    pruneByScore(rows, scores, layer.k, layer.options);
    errors[block] = measureErrors(before, rows, problem);
  });
  for (const RoundingErrors &part : errors)
    layer.errors += part;
  return success();
}

namespace {
struct PruneWanda : terse::impl::PruneWandaBase<PruneWanda> {
  using PruneWandaBase::PruneWandaBase;

  void runOnOperation() override {
    PruneRequest request{getArgument(), sparsity, pattern, layers, exclude, stats, head, 0};
    if (failed(pruneLayers(getOperation(), request, pruneByOutput)))
      signalPassFailure();
  }
};
} // namespace
