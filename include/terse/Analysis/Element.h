//===- Element.h - what one element of a tensor is ---------------*- C++ -*-===//
#ifndef TERSE_ANALYSIS_ELEMENT_H
#define TERSE_ANALYSIS_ELEMENT_H

#include "mlir/IR/Operation.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>

namespace terse {

/// The value of one element (or scalar) as far as an evaluation could tell:
/// an exact integer, or a real number plus products of opaque elements (tokens,
/// numbered by the evaluator), or nothing.
class Element {
public:
  /// `factor` times the product of tokens (sorted, with repetition).
  struct Term {
    llvm::SmallVector<unsigned, 2> tokens;
    double factor;
    bool operator==(const Term &other) const { return tokens == other.tokens && factor == other.factor; }
  };

  /// Unknown: the evaluation cannot look through this; a tensor's element
  /// becomes a token then. Invalid: it has no value (index out of bounds).
  enum class Kind { Unknown, Invalid, Integer, Real };

  static Element unknown() { return Element(Kind::Unknown); }
  static Element invalid() { return Element(Kind::Invalid); }
  static Element integer(int64_t value);
  static Element real(double value);
  static Element token(unsigned number);

  Kind getKind() const { return kind; }
  bool isUnknown() const { return kind == Kind::Unknown; }
  bool isInvalid() const { return kind == Kind::Invalid; }
  /// It is a number; no token is in it.
  bool isConcrete() const { return kind == Kind::Integer || (kind == Kind::Real && terms.empty()); }
  std::optional<int64_t> getInteger() const;
  /// The number, or the number added to the terms.
  double getConstant() const { return kind == Kind::Integer ? double(integerValue) : constant; }
  llvm::ArrayRef<Term> getTerms() const { return terms; }
  /// The single term, if the element is one term and nothing else.
  const Term *getSingleTerm() const;
  bool operator==(const Element &other) const;

private:
  explicit Element(Kind kind) : kind(kind) {}
  friend Element add(const Element &a, const Element &b, double factorOfB);
  friend Element multiply(const Element &a, const Element &b);

  Kind kind;
  int64_t integerValue = 0;
  double constant = 0;
  llvm::SmallVector<Term, 2> terms;
};

/// a + factorOfB * b, in real numbers.
Element add(const Element &a, const Element &b, double factorOfB = 1);
/// a * b, in real numbers; unknown where that would be long.
Element multiply(const Element &a, const Element &b);

/// The result of a scalar or elementwise operation of `arith` or `math` on
/// elements. `operand(i)` yields the i-th operand's element and is only called where
/// it matters (a select's other side may be out of bounds). Comparisons of a token
/// with itself are answered as if it were not NaN when `assumeNoNaN`.
Element evaluateScalarOp(mlir::Operation *op, llvm::function_ref<Element(unsigned)> operand, bool assumeNoNaN);

/// True where `evaluateScalarOp` knows the operation.
bool isScalarOp(mlir::Operation *op);

} // namespace terse

#endif // TERSE_ANALYSIS_ELEMENT_H
