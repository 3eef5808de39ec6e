//===- Launches.h - launches as calls ---------------------------*- C++ -*-===//
#ifndef TERSE_TARGET_LOWERTOLLVM_LAUNCHES_H
#define TERSE_TARGET_LOWERTOLLVM_LAUNCHES_H

#include "mlir/IR/BuiltinOps.h"

namespace terse {

/// Rewrites kernel.launch to calls (on thread 0 alone if serial) and
/// kernel.barrier to calls of @terse_barrier.
///
/// A kernel's buffers become a pointer and what is dynamic of sizes and strides,
/// instead of a whole descriptor each: the entry function is little more than
/// calls, and all threads run through it for every token.
mlir::LogicalResult lowerLaunches(mlir::ModuleOp module);

} // namespace terse

#endif // TERSE_TARGET_LOWERTOLLVM_LAUNCHES_H
