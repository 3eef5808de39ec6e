//===- DimExpression.h - sizes as sums of products --------------*- C++ -*-===//
#ifndef TERSE_ANALYSIS_DIMEXPRESSION_H
#define TERSE_ANALYSIS_DIMEXPRESSION_H

#include "terse/Support/DimExpr.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"

#include <optional>
#include <set>
#include <string>

namespace terse {

/// Value of a `terse.dims` entry ("12", "past + sequence", "2*s - 1"); none if
/// a symbol is not in `symbols` or the text is none.
std::optional<int64_t> evaluateDim(llvm::StringRef expression, const llvm::StringMap<int64_t> &symbols);

/// Adds the symbols of the expression to `symbols`.
void collectDimSymbols(llvm::StringRef expression, std::set<std::string> &symbols);

/// The `terse.dims` entry of dimension `dim` of an argument of a function: its size
/// where static, a name of its own ("arg2.dim1") where the argument has no such attribute.
std::string getArgDim(mlir::func::FuncOp function, unsigned arg, int64_t dim);

/// All symbols in the dimensions of the arguments of a function, and those that its
/// index arguments hold.
std::set<std::string> getDimSymbols(mlir::func::FuncOp function);

/// Whether sizes meet the function's `terse.constraints`, so that it may be called with them.
bool satisfiesConstraints(mlir::func::FuncOp function, const llvm::StringMap<int64_t> &symbols);

/// Puts `to`, a symbol or an expression in parentheses, for a symbol in the function's `terse.constraints`.
void renameConstraintSymbol(mlir::func::FuncOp function, llvm::StringRef from, llvm::StringRef to);

} // namespace terse

#endif // TERSE_ANALYSIS_DIMEXPRESSION_H
