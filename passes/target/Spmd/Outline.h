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

/// A linalg operation on buffers, and optionally one that computes what its sums
/// start from.
struct Stage {
  mlir::linalg::LinalgOp op, initial;
};

/// Emits the loops of one stage with the bounds of `thread`'s share. The operations
/// stay.
void emitShare(mlir::OpBuilder &builder, Stage stage, mlir::Value thread, mlir::Value threads);

/// Emits a loop over `thread`'s rows (every so many-th, as there are threads) with all
/// stages in it; a row is one iteration of their first `rowLoops` loops.
void emitRows(mlir::OpBuilder &builder, llvm::ArrayRef<Stage> stages, unsigned rowLoops, mlir::Value thread,
              mlir::Value threads);

/// Whether emitShare has a loop to split.
bool hasParallelLoop(mlir::linalg::LinalgOp op);

/// Moves operations into functions and launches these instead.
class Outliner {
public:
  explicit Outliner(mlir::ModuleOp module) : module(module), symbols(module) {}

  /// Replaces a store by a launch on one thread.
  kernel::LaunchOp outlineStore(mlir::memref::StoreOp op);
  /// Replaces stages by one launch, at the last of them, that shares rows of `rowLoops`
  /// loops; a single stage may have 0 of these and is split as is best for it.
  kernel::LaunchOp outlineStages(llvm::ArrayRef<Stage> stages, unsigned rowLoops);

private:
  using Emitter =
      llvm::function_ref<void(mlir::OpBuilder &, llvm::ArrayRef<mlir::Operation *>, mlir::Value, mlir::Value)>;
  kernel::LaunchOp outline(llvm::ArrayRef<mlir::Operation *> ops, mlir::ValueRange written, bool serial, Emitter emit);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  /// Functions made so far, by their text.
  llvm::StringMap<mlir::func::FuncOp> made;
};

} // namespace terse::spmd

#endif // TERSE_TARGET_SPMD_OUTLINE_H
