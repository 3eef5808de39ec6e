//===- PruneMagnitude.cpp - sets the smallest weights to zero -------------===//
#include "Terse/TerseDialect.h"
#include "compress/Pruning/PruneLayers.h"
#include "terse/Passes.h"

#include "mlir/IR/Threading.h"

#include <cmath>

namespace terse {
#define GEN_PASS_DEF_PRUNEMAGNITUDE
#include "compress/PruneMagnitude/PruneMagnitude.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// Prunes by |w|.
static LogicalResult pruneByMagnitude(PrunedLayer &layer, LayerStatistics &) {
  std::vector<float> before = layer.weights, scores(before.size());
  for (size_t i = 0; i < scores.size(); ++i)
    scores[i] = std::fabs(before[i]);
  // Without a pattern the whole matrix is one row.
  bool isWhole = !layer.options.pattern.isStructured();
  pruneByScore(layer.weights, scores, isWhole ? layer.n * layer.k : layer.k, layer.options);
  for (size_t i = 0; i < scores.size(); ++i) {
    layer.errors.squaredNorm += static_cast<double>(before[i]) * before[i];
    layer.errors.squaredError += layer.weights[i] == 0 ? static_cast<double>(before[i]) * before[i] : 0;
  }
  return success();
}

namespace {
struct PruneMagnitude : terse::impl::PruneMagnitudeBase<PruneMagnitude> {
  using PruneMagnitudeBase::PruneMagnitudeBase;

  void runOnOperation() override {
    PruneRequest request{getArgument(), sparsity, pattern, layers, exclude, "", head, 0};
    if (failed(pruneLayers(getOperation(), request, pruneByMagnitude)))
      signalPassFailure();
  }
};
} // namespace
