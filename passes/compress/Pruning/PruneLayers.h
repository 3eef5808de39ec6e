//===- PruneLayers.h - what passes that prune have in common ----*- C++ -*-===//
#ifndef TERSE_COMPRESS_PRUNELAYERS_H
#define TERSE_COMPRESS_PRUNELAYERS_H

#include "compress/Pruning/PruneRows.h"
#include "compress/Weights/LayerStatistics.h"

#include "mlir/IR/BuiltinOps.h"

namespace terse {

/// What a pass is told.
struct PruneRequest {
  llvm::StringRef pass; ///< its argument
  double sparsity = 0.5;
  std::string pattern, layers, exclude, stats;
  bool head = false;
  int64_t numSweeps = 0;
};

/// A layer's weight [n, k], all of it in memory, and what is to become of it.
struct PrunedLayer {
  mlir::Operation *op;
  std::string name;
  int64_t n, k;
  std::vector<float> weights;
  PruneOptions options;
  RoundingErrors errors; ///< to be filled in
};

/// Calls `prune` for the weight of each linear layer of `module` that the request and the layers' policies choose, and puts what it made of
/// it, [N, K] in the weight's float type (f32 for one in codes), in its place. The layer then carries `terse.sparsity`. Layers that share a
/// weight share what the first one made of it. Records the facts. Fails with a message, at a layer or naming the pass.
mlir::LogicalResult pruneLayers(mlir::ModuleOp module, const PruneRequest &request,
                                llvm::function_ref<mlir::LogicalResult(PrunedLayer &, LayerStatistics &)> prune);

} // namespace terse

#endif // TERSE_COMPRESS_PRUNELAYERS_H
