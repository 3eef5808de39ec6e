//===- Accesses.h - what work reads and writes ------------------*- C++ -*-===//
#ifndef TERSE_TARGET_SPMD_ACCESSES_H
#define TERSE_TARGET_SPMD_ACCESSES_H

#include "mlir/IR/Block.h"
#include "mlir/IR/Operation.h"
#include "mlir/IR/Value.h"

namespace terse::spmd {

/// A read or write of a buffer by all threads together.
struct Access {
  mlir::Value buffer;
  /// What it is a view of; null if that may be one of several.
  mlir::Value root;
  bool isWrite;
};

/// Work is what touches data: launches and loads. Nothing if `op` is not work, a failure if
/// it touches data in a way that threads cannot share.
mlir::FailureOr<llvm::SmallVector<Access>> getAccesses(mlir::Operation *op);

/// Whether one must be finished by all threads before the other begins.
bool conflict(const Access &a, const Access &b);

/// Orders the work of a block so that few barriers are needed: what depends on
/// equally much work goes together. Work that only reads arguments comes as late as it may, so
/// that its results are not kept for long.
mlir::LogicalResult scheduleBlock(mlir::Block &block);

} // namespace terse::spmd

#endif // TERSE_TARGET_SPMD_ACCESSES_H
