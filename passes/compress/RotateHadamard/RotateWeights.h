//===- RotateWeights.h - linear maps of the channels of weights -*- C++ -*-===//
#ifndef TERSE_COMPRESS_ROTATEHADAMARD_ROTATEWEIGHTS_H
#define TERSE_COMPRESS_ROTATEHADAMARD_ROTATEWEIGHTS_H

#include "Terse/TerseDialect.h"
#include "terse/Numerics/Hadamard.h"

#include <memory>

namespace terse {

/// What becomes of channels begin .. begin + count, in this order: each times its gain, the mean of all taken away, each run of the
/// rotation's size times its matrix.
struct ChannelMap {
  int64_t begin = 0, count = 0;
  std::shared_ptr<const std::vector<float>> gains; ///< [count], or null
  bool isCentred = false;
  std::shared_ptr<const HadamardRotation> rotation; ///< of a size that divides count, or null

  void apply(llvm::MutableArrayRef<double> channels) const;
};

/// What becomes of a layer: of the inputs of its weight, of its outputs and its bias.
struct LayerMap {
  llvm::SmallVector<ChannelMap> inputs, outputs;
  std::shared_ptr<const std::vector<float>> inputBias; ///< [K]: what is not added to its input any more; or null
};

/// A new weight in front of `user`: the data of `source`, a weight or a constant of floats, [..., C], with `last` along the last dimension and, of
/// a matrix, `first` along the first one. The type stays. Fails with a message at `user`.
mlir::FailureOr<WeightOp> mapWeight(mlir::Value source, llvm::ArrayRef<ChannelMap> first, llvm::ArrayRef<ChannelMap> last, mlir::Operation *user);

/// Gives `linear`, whose weight and bias are constant floats, the weight and bias of the mapped layer. Its name stays. Fails with a message at it.
mlir::LogicalResult mapLayer(LinearOp linear, const LayerMap &map);

} // namespace terse

#endif // TERSE_COMPRESS_ROTATEHADAMARD_ROTATEWEIGHTS_H
