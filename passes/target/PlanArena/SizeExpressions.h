//===- SizeExpressions.h - sizes in terms of the arguments ------*- C++ -*-===//
#ifndef TERSE_TARGET_PLANARENA_SIZEEXPRESSIONS_H
#define TERSE_TARGET_PLANARENA_SIZEEXPRESSIONS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/DenseMap.h"

#include <map>

namespace terse::arena {

/// Copies index expressions to the start of a function. Equal
/// expressions are copied once, so that equal sizes are one value.
class SizeExpressions {
public:
  /// `start` is where to insert; arguments of `from` become those of the
  /// function that is inserted into.
  SizeExpressions(mlir::ImplicitLocOpBuilder &start) : b(start) {}

  void mapArgument(mlir::Value from, mlir::Value to) { copies[from] = to; }

  /// The copy of `value`; null if it depends on data or on a loop.
  mlir::Value copy(mlir::Value value);
  /// Its value for typical arguments: a batch of 1, other sizes 256.
  int64_t estimate(mlir::Value copied);

  /// a op b on copies, folded where constant.
  mlir::Value constant(int64_t value);
  template <typename Op> mlir::Value binary(mlir::Value lhs, mlir::Value rhs) {
    mlir::OperationState state(b.getLoc(), Op::getOperationName());
    state.addOperands({lhs, rhs});
    state.addTypes(b.getIndexType());
    return insert(state);
  }

private:
  mlir::Value insert(mlir::OperationState &state);
  mlir::Value copyCarriedDim(mlir::BlockArgument buffer, int64_t dim);
  mlir::Value copyDim(mlir::Value buffer, int64_t dim);

  mlir::ImplicitLocOpBuilder &b;
  llvm::DenseMap<mlir::Value, mlir::Value> copies;
  llvm::DenseMap<mlir::Value, int64_t> estimates;
  using Key = std::tuple<void *, const void *, std::vector<void *>>;
  std::map<Key, mlir::Value> inserted;
};

} // namespace terse::arena

#endif // TERSE_TARGET_PLANARENA_SIZEEXPRESSIONS_H
