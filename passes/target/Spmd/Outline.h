//===- Outline.h - work as functions that threads share ---------*- C++ -*-===//
#ifndef TERSE_TARGET_SPMD_OUTLINE_H
#define TERSE_TARGET_SPMD_OUTLINE_H

#include "Kernel/KernelDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace terse::spmd {

/// The allocation, argument or global that a buffer is a view of; null if it
/// may be one of several.
mlir::Value getRoot(mlir::Value buffer);

/// Whether nothing ever writes to what `root` names.
bool isConstantRoot(mlir::Value root);

/// Emits the loops of `op`, on buffers, with the bounds of `thread`'s share; does not erase it.
void emitShare(mlir::OpBuilder &builder, mlir::linalg::LinalgOp op, mlir::Value thread, mlir::Value threads);

/// Whether emitShare has a loop to split.
bool hasParallelLoop(mlir::linalg::LinalgOp op);

/// Moves operations into functions and launches these instead.
class Outliner {
public:
  explicit Outliner(mlir::ModuleOp module) : module(module), symbols(module) {}

  /// Replaces `op` (linalg on buffers, a memref.copy or memref.store) by a launch.
  mlir::FailureOr<kernel::LaunchOp> outline(mlir::Operation *op);

private:
  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  /// Functions made so far, by their text.
  llvm::StringMap<mlir::func::FuncOp> made;
};

} // namespace terse::spmd

#endif // TERSE_TARGET_SPMD_OUTLINE_H
