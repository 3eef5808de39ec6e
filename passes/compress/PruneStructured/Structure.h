//===- Structure.h - parts of a model that can shrink inside ----*- C++ -*-===//
#ifndef TERSE_COMPRESS_STRUCTURE_H
#define TERSE_COMPRESS_STRUCTURE_H

#include "Terse/TerseDialect.h"

#include <string>
#include <vector>

namespace terse {

/// A part of a model whose inner size is nobody else's: linear layers (producers) make values of `numUnits` units, which only the
/// `writer` reads, each unit by itself up to there. A unit is a channel of a feed-forward part, or a KV head with its query heads.
struct PrunablePart {
  LinearOp writer;
  int64_t numUnits = 0;
  /// Values of which each unit has so many channels of the last dimension: those of the producers, and those between them and the writer.
  llvm::SmallVector<std::pair<mlir::Value, int64_t>> values;
  llvm::SmallVector<LinearOp> producers;
  AttentionOp attention; ///< null in a feed-forward part
  llvm::SmallVector<RopeOp> ropes;
  llvm::SmallVector<CacheUpdateOp> caches;
  std::string refusal; ///< why it cannot be pruned after all; empty if it can

  int64_t getWriterUnit() const { return LinearOp(writer).getReductionSize() / numUnits; }
  /// Channels of a unit in a producer's output.
  static int64_t getUnit(LinearOp producer, int64_t numUnits) { return producer.getOutputChannels() / numUnits; }
};

/// The part that ends in `writer`, perhaps with a refusal; none if what the writer reads is not made by linear layers.
std::optional<PrunablePart> findPart(LinearOp writer);

/// Keeps the `units` (in order) of the part, whose writer gets `weights`, [N, kept channels]. Fails with a message at a layer.
mlir::LogicalResult shrinkPart(const PrunablePart &part, llvm::ArrayRef<int64_t> units, llvm::ArrayRef<float> weights);

/// All of a layer's weight, [N, K]. Fails with a message at the layer.
mlir::FailureOr<std::vector<float>> readWeight(LinearOp layer);

} // namespace terse

#endif // TERSE_COMPRESS_STRUCTURE_H
