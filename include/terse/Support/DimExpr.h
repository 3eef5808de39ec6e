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

  /// The value; none if a symbol has none, or on overflow or division by what is not positive.
  std::optional<int64_t>
  evaluate(llvm::function_ref<std::optional<int64_t>(llvm::StringRef)> symbols)
      const;

  /// Calls `visit` with each symbol, from left to right.
  void forEachSymbol(llvm::function_ref<void(llvm::StringRef)> visit) const;

private:
  friend class DimExprParser;
  Kind kind = Kind::Constant;
  int64_t constant = 0;
  std::string symbol;
  std::vector<DimExpr> operands;
};

/// What must hold of dimensions, as `terse.constraints` and the manifest write
/// it: "past + sequence <= 64" or "2*floordiv(n, 2) == n".
struct DimConstraint {
  DimExpr lhs, rhs;
  bool equal = false; ///< else at most

  /// None if `text` is no constraint.
  static std::optional<DimConstraint> parse(llvm::StringRef text);
};

/// `text`, an expression or a constraint, with each symbol replaced by what
/// `replace` gives for it.
std::string
renameDimSymbols(llvm::StringRef text,
                 llvm::function_ref<std::string(llvm::StringRef)> replace);

} // namespace terse

#endif // TERSE_SUPPORT_DIMEXPR_H
