//===- Algebra.h - elementwise formulas by what they compute ----*- C++ -*-===//
//
// Exporters write one formula in many orders: x * x or pow(x, 2), a division or
// a reciprocal, a scale before or after. These helpers read the elementwise
// operations around a value as a product, a sum or a polynomial, so that a
// recognition compares formulas and not operations.
//
//===----------------------------------------------------------------------===//
#ifndef TERSE_NORMALIZE_ALGEBRA_H
#define TERSE_NORMALIZE_ALGEBRA_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Value.h"

#include <optional>

namespace terse {

/// The number that every element of a float tensor is: a splat constant,
/// `tensor.splat`, `linalg.fill`, or a broadcast, reshape or cast of one.
std::optional<double> getSplat(mlir::Value value);

/// The value before changes of the float type.
mlir::Value stripCasts(mlir::Value value);

/// Equal up to rounding of a literal in a file (relative error 1e-4: constants
/// in f16 have 5e-4 at worst, but they are written from f32 or better).
bool nearlyEqual(double a, double b);

/// A tensor as it appears within a larger one, the frame: dimension i of
/// `value` runs along dimension `dims[i]` of the frame; -1 where its size is 1.
struct View {
  mlir::Value value;
  llvm::SmallVector<int64_t> dims;

  /// `value` as the frame itself.
  static View ofFrame(mlir::Value value);
  /// The same view of what `value` is made of, through broadcasts, casts of the float type and
  /// reshapes that only add or drop dimensions of size one.
  View peel() const;
  /// One step of `peel`; none when there is nothing to look through.
  std::optional<View> peelOnce() const;
  /// True when the value varies along exactly these dimensions of the frame.
  bool variesAlong(llvm::ArrayRef<int64_t> frameDims) const;
  /// Does not vary along dimension `dim` of the frame.
  bool isConstantAlong(int64_t dim) const { return !llvm::is_contained(dims, dim); }
  /// All dimensions of a frame of this rank, in order, and no other.
  bool isWhole(int64_t rank) const;
};

/// coefficient * product of value ^ exponent.
struct Product {
  struct Factor {
    View view;
    double exponent;
  };
  double coefficient = 1;
  llvm::SmallVector<Factor> factors;

  /// Reads `view` ^ `exponent` as a product. A value in `atoms` (after
  /// `stripCasts`) is not looked into.
  void multiply(const View &view, double exponent, llvm::ArrayRef<mlir::Value> atoms = {});

private:
  void addFactor(const View &view, double exponent);
};

/// constant + sum of coefficient * value.
struct Sum {
  struct Term {
    View view;
    double coefficient;
  };
  double constant = 0;
  llvm::SmallVector<Term> terms;

  void add(const View &view, double coefficient);
};

/// `value` as a polynomial of `x`: coefficients from degree 0 up, degree at
/// most 3 (trailing zeros are kept). None when it is something else.
std::optional<llvm::SmallVector<double>> getPolynomial(mlir::Value value, mlir::Value x);

/// The one-dimensional tensor that `value`, of the rank of its frame, repeats along
/// all dimensions but the last; none when it varies along another dimension. Makes a reshape when needed.
mlir::Value getChannelVector(mlir::OpBuilder &builder, View view, int64_t frameRank);

/// `value`, a tensor, with elements of the float type `type`.
mlir::Value castElements(mlir::OpBuilder &builder, mlir::Value value, mlir::Type type);

/// The sum over the last dimension: `value` is a `linalg.reduce` that adds up its input's last
/// dimension from 0. Gives the input, or none.
mlir::Value getSummedOverLast(mlir::Value value);

/// Removes operations of the block that nothing uses.
void eraseDead(mlir::Block &block);

/// Shows `visit` the operations of all functions of a module, from the last one on, so that a whole formula is
/// seen before its parts; what a visit leaves unused is gone before it is reached. Equal operations are made one first.
void visitBackwards(mlir::ModuleOp module, llvm::function_ref<void(mlir::Operation *)> visit);

} // namespace terse

#endif // TERSE_NORMALIZE_ALGEBRA_H
