//===- Streams.h - residual streams by dataflow -----------------*- C++ -*-===//
#ifndef TERSE_COMPRESS_ROTATEHADAMARD_STREAMS_H
#define TERSE_COMPRESS_ROTATEHADAMARD_STREAMS_H

#include "Terse/TerseDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace terse {

/// A norm of a stream and the linear layers that read it.
struct StreamNorm {
  NormOp norm;
  llvm::SmallVector<LinearOp> readers;
};

/// Values [..., size] that are sums of each other, with all that reads and writes them. Rotating everything written and
/// what is read leaves the model's function.
struct Stream {
  int64_t size = 0;
  llvm::SmallVector<StreamNorm> norms;
  llvm::SmallVector<LinearOp> readers; ///< without a norm between
  llvm::SetVector<LinearOp> writers;
  llvm::SetVector<EmbeddingOp> tables;
  llvm::SmallVector<mlir::OpOperand *> constants; ///< what is added
  /// Its norms subtract the mean, and nothing else sees it.
  bool isCentred = false;
};

/// Values of attention heads: the layer that computes them, from its channel `begin` on, and those that read the attention.
struct ValueHeads {
  AttentionOp attention;
  LinearOp writer;
  llvm::SmallVector<LinearOp> readers;
  int64_t begin = 0, count = 0, size = 0; ///< channels, channels in a head
};

/// The float weight of a layer that passes may rewrite; null if it is something else.
WeightOp getPlainWeight(LinearOp linear);

/// All streams with norms in them. Norms whose input is no such stream, by the reason.
std::vector<Stream> findStreams(mlir::ModuleOp module, llvm::MapVector<mlir::StringRef, int64_t> &left);

/// The heads of `attention` if nothing but the layers named sees its values; none otherwise.
std::optional<ValueHeads> findValueHeads(AttentionOp attention);

} // namespace terse

#endif // TERSE_COMPRESS_ROTATEHADAMARD_STREAMS_H
