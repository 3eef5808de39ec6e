//===- Prepare.h - what precedes bufferization ------------------*- C++ -*-===//
#ifndef TERSE_TARGET_BUFFERIZE_PREPARE_H
#define TERSE_TARGET_BUFFERIZE_PREPARE_H

#include "mlir/IR/BuiltinOps.h"

namespace terse::bufferize {

/// Rewrites tensor code to the forms that bufferize without copies: elementwise
/// linalg fused if `fuse`, slices for concatenations, sizes in
/// terms of the function's arguments.
mlir::LogicalResult prepareTensors(mlir::ModuleOp module, bool fuse);

/// Gives every operation an initial tensor (empty or filled) of its own, made just
/// before. A shared one would live from its first use to its last and be copied for each.
void separateInitialTensors(mlir::ModuleOp module);

} // namespace terse::bufferize

#endif // TERSE_TARGET_BUFFERIZE_PREPARE_H
