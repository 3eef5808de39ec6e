//===- Blocks.h - a model as a chain of blocks ------------------*- C++ -*-===//
#ifndef TERSE_ANALYSIS_BLOCKS_H
#define TERSE_ANALYSIS_BLOCKS_H

#include "Terse/TerseDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>
#include <vector>

namespace terse {

/// A part of a model between two places where one tensor is all that later layers see of earlier ones. What follows from
/// the inputs alone (positions, masks, rotation tables) belongs to every block.
struct ModelBlock {
  mlir::Value input;  ///< null for the first block
  mlir::Value output; ///< null for the last block, which ends in the results
  /// Sizes of `input` and `output` as `terse.dims` writes them.
  std::vector<std::string> inputDims, outputDims;
  /// Its layers, in order; none in the only block of a model without layers.
  llvm::SmallVector<LinearLike> layers;
  /// `input`, or in the first block what all of its layers follow from (embeddings); null if there is no such value.
  mlir::Value entry;
  bool hasAttention = false;
};

/// Cuts the entry function into as many blocks as have a layer each; a decoder's attention and feed-forward parts are
/// blocks of their own. Each block ends as soon after its last layer as it can, so that what a pass puts before a layer
/// does not move the cuts. A model that cannot be cut is one block.
std::vector<ModelBlock> findBlocks(mlir::func::FuncOp function);

/// Blocks that follow each other and give a tensor of the form that they take, so that the model also works without them.
struct BlockSpan {
  size_t first = 0, count = 0; ///< of the model's blocks
  mlir::Value input, output;
  std::string name; ///< that of its first layer
};

/// What is left out as one: a decoder's or encoder's layer, which is an attention and what follows up to the next one; or each block by itself.
enum class SpanKind { Block, Sublayer };
llvm::StringRef getSpanKindName(SpanKind kind); ///< "block", "sublayer"

/// The spans among all blocks of a function, in order. What ends in the model's results is in none.
std::vector<BlockSpan> findSpans(llvm::ArrayRef<ModelBlock> blocks, SpanKind kind);

/// Sizes of tensors as `terse.dims` would write them; an entry is empty where a size does not follow from those of the
/// arguments, or not simply.
std::vector<std::vector<std::string>> nameSizes(mlir::func::FuncOp function, llvm::ArrayRef<mlir::Value> tensors);

} // namespace terse

#endif // TERSE_ANALYSIS_BLOCKS_H
