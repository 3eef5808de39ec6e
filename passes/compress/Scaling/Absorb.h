//===- Absorb.h - who can take on scales of channels ------------*- C++ -*-===//
#ifndef TERSE_COMPRESS_ABSORB_H
#define TERSE_COMPRESS_ABSORB_H

#include "mlir/IR/Operation.h"

namespace terse {

/// The operation whose parameters can be changed so that the channels (last dimension) of `value`, which only `readers` may
/// read, are multiplied by positive constants: a norm or a linear layer with constant parameters, perhaps with changes of type,
/// a product with another value, or a function that keeps positive factors on the way. Null if there is none. Frozen layers take on nothing.
mlir::Operation *findAbsorber(mlir::Value value, llvm::ArrayRef<mlir::Operation *> readers);

/// Changes what `findAbsorber` found by `scales`. Weights of linear layers become `terse.scale_channels` of themselves. Fails with a
/// message.
mlir::LogicalResult absorb(mlir::Operation *absorber, llvm::ArrayRef<float> scales);

} // namespace terse

#endif // TERSE_COMPRESS_ABSORB_H
