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
  /// If not 0: the buffer is all of `root`, in rows of so many values, and row r is
  /// touched by thread r modulo the number of threads alone.
  int64_t rowElements = 0;
};

/// Attribute of launches: rowElements of each operand.
inline constexpr llvm::StringLiteral kRowElementsAttr = "kernel.row_elements";

/// rowElements of each operand of a launch: from the attribute, or from the kernel if its loads and
/// stores show that it goes `for row = thread; row < rows; row += threads`.
llvm::SmallVector<int64_t> getRowElements(mlir::Operation *launch);

/// Work is what touches data: launches and loads. Nothing if `op` is not work, a failure if
/// it touches data in a way that threads cannot share.
mlir::FailureOr<llvm::SmallVector<Access>> getAccesses(mlir::Operation *op);

enum class Order {
  Any,     ///< independent
  Thread,  ///< one after the other in each thread
  Barrier, ///< one must be finished by all threads before the other begins
};
Order getOrder(const Access &a, const Access &b);

/// Orders the work of a block so that few barriers are needed: what depends on
/// equally much work goes together. Work that only reads arguments comes as late as it may, so
/// that its results are not kept for long.
mlir::LogicalResult scheduleBlock(mlir::Block &block);

} // namespace terse::spmd

#endif // TERSE_TARGET_SPMD_ACCESSES_H
