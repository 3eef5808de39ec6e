//===- Expr.h - sizes as expressions over symbols ---------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_EXPR_H
#define TERSE_RUNTIME_EXPR_H

#include "terse/Runtime/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terse::rt {

/// A dimension such as `past + sequence` or `2*s + 1`: integers and symbols
/// under + - * floordiv ceildiv mod and parentheses; floordiv(a, b),
/// ceildiv(a, b), mod(a, b), max(a, b) and min(a, b) too.
class Expr {
public:
  Expr() = default;
  /// The constant `value`.
  explicit Expr(int64_t value) : code_{{Op::Constant, value}} {}

  /// Parses `text`; a symbol is one of `symbols` and stands for its index.
  static Result<Expr> parse(std::string_view text,
                            const std::vector<std::string> &symbols);

  /// The value where symbol i is `values[i]`, negative meaning unknown. False
  /// if an unknown symbol, an overflow or a division by zero is met.
  bool evaluate(const int64_t *values, int64_t &result) const;

  /// Looks for the value of the only unknown symbol that makes the expression
  /// equal `target`. Returns its index, or -1 if there is not exactly one
  /// unknown or no non-negative integer solution of a linear equation.
  int solve(const int64_t *values, int64_t target, int64_t &solution) const;

  /// The first symbol whose value is unknown, or -1.
  int firstUnknown(const int64_t *values) const;

  /// The value of an expression that is an integer as written; false if it is
  /// anything else.
  bool constant(int64_t &value) const {
    if (code_.size() != 1 || code_[0].op != Op::Constant)
      return false;
    value = code_[0].value;
    return true;
  }

  /// True if symbol `index` is in it.
  bool uses(int index) const {
    for (const Instruction &instruction : code_)
      if (instruction.op == Op::Symbol && instruction.value == index)
        return true;
    return false;
  }

  /// True if the expression is just symbol `index`.
  bool isSymbol(int index) const {
    return code_.size() == 1 && code_[0].op == Op::Symbol &&
           code_[0].value == index;
  }
  /// The symbol that the expression is, or -1 if it is anything else.
  int asSymbol() const {
    return code_.size() == 1 && code_[0].op == Op::Symbol ? int(code_[0].value)
                                                          : -1;
  }

private:
  enum class Op : uint8_t {
    Constant,
    Symbol,
    Add,
    Subtract,
    Multiply,
    FloorDivide,
    CeilDivide,
    Modulo,
    Max,
    Min,
  };
  struct Instruction {
    Op op;
    int64_t value;
  };
  class Parser;

  std::vector<Instruction> code_; ///< postfix
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_EXPR_H
