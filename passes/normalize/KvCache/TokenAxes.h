//===- TokenAxes.h - which dimension of each tensor is the tokens *- C++ -*-===//
#ifndef TERSE_NORMALIZE_KVCACHE_TOKENAXES_H
#define TERSE_NORMALIZE_KVCACHE_TOKENAXES_H

#include "Terse/TerseDialect.h"
#include "terse/Analysis/Access.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"

namespace terse {

/// The dimension that holds the tokens of the call, for every tensor between the
/// inputs and the results that depends on input data. It exists if each
/// operation but attention treats tokens one by one.
class TokenAxes {
public:
  /// `symbol` is the number of tokens of the call.
  TokenAxes(mlir::func::FuncOp function, llvm::StringRef symbol) : function(function), symbol(symbol) {}

  /// Fails where an operation mixes tokens; `reason` names it.
  mlir::LogicalResult run(std::string &reason);

  /// The dimension; none for tensors that do not depend on inputs.
  std::optional<int64_t> getAxis(mlir::Value value) const {
    auto it = axes.find(value);
    return it == axes.end() ? std::nullopt : std::optional<int64_t>(it->second);
  }

  /// A tensor that depends on no input, read token by token along `axis`.
  struct PositionalUse {
    mlir::OpOperand *operand;
    int64_t axis;
  };
  llvm::ArrayRef<PositionalUse> getPositionalUses() const { return positional; }

private:
  void collectLive();
  std::optional<int64_t> axisOfResult(mlir::Operation *op);
  std::optional<int64_t> axisOfLinalg(mlir::linalg::LinalgOp op);
  std::optional<int64_t> axisOfReshape(mlir::Operation *op, llvm::ArrayRef<mlir::ReassociationIndices> groups,
                                       bool expands);
  /// All operands that depend on inputs have the tokens in `axis`; the others are
  /// read along it.
  std::optional<int64_t> sameForAll(mlir::Operation *op, llvm::ArrayRef<mlir::OpOperand *> operands);
  /// Whether an operand, all of it, is along the tokens.
  bool isTokenSize(mlir::Value value, int64_t axis);

  mlir::func::FuncOp function;
  std::string symbol;
  llvm::DenseMap<mlir::Value, int64_t> axes;
  llvm::SetVector<mlir::Operation *> live;
  llvm::SmallVector<PositionalUse> positional;
};

} // namespace terse

#endif // TERSE_NORMALIZE_KVCACHE_TOKENAXES_H
