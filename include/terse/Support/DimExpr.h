//===- DimExpr.h - sizes of dimensions as expressions -----------*- C++ -*-===//
#ifndef TERSE_SUPPORT_DIMEXPR_H
#define TERSE_SUPPORT_DIMEXPR_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace terse {

/// A dimension as `terse.dims` and the manifest write it: an integer or an
/// expression over symbols, "2*past + sequence - 1". Operators: + - *
/// floordiv ceildiv mod, parentheses; floordiv(a, b), max(a, b), min(a, b). A
/// name is anything without blanks and operators: exporters name dimensions
/// freely.
class DimExpr {
public:
  enum class Kind {
    Constant,
    Symbol,
    Add,
    Sub,
    Mul,
    FloorDiv,
    CeilDiv,
    Mod,
    Max,
    Min
  };

  /// None if `text` is not an expression.
  static std::optional<DimExpr> parse(llvm::StringRef text);

  Kind getKind() const { return kind; }
  int64_t getConstant() const { return constant; }
  llvm::StringRef getSymbol() const { return symbol; }
  const DimExpr &getLHS() const { return operands[0]; }
  const DimExpr &getRHS() const { return operands[1]; }

  /// Calls `visit` with each symbol, from left to right.
  void forEachSymbol(llvm::function_ref<void(llvm::StringRef)> visit) const;

private:
  friend class DimExprParser;
  Kind kind = Kind::Constant;
  int64_t constant = 0;
  std::string symbol;
  std::vector<DimExpr> operands;
};

} // namespace terse

#endif // TERSE_SUPPORT_DIMEXPR_H
