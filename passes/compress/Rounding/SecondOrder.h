//===- SecondOrder.h - rounding that minds the inputs -----------*- C++ -*-===//
#ifndef TERSE_COMPRESS_SECONDORDER_H
#define TERSE_COMPRESS_SECONDORDER_H

#include "compress/Rounding/Rounding.h"
#include "terse/Numerics/Cholesky.h"
#include "terse/Numerics/MultiplyLanes.h"

namespace terse {

/// What all rows of a weight have in common: the mean H of x x^T over their inputs. The squared error of a row's output is e^T H e.
struct SecondOrderProblem {
  int64_t k = 0;
  llvm::ArrayRef<float> hessian;           ///< [k, k], symmetric
  float damping = 0;                       ///< added to its diagonal in coordinate descent
  const ErrorFeedback *feedback = nullptr; ///< null: start from the nearest values
};

struct SecondOrderOptions {
  RoundingOptions rounding;
  int64_t numSweeps = 0;      ///< of coordinate descent
  bool refitsScales = true;   ///< scales and zero points are part of it
  bool keepsZeros = false;    ///< weights of 0 stay 0
};

/// Sums over rows: of squared errors and values; of e^T H e and w^T H w, the squared errors and values of outputs, the former with
/// the nearest values (Before) and in the end.
struct RoundingErrors {
  double squaredError = 0, squaredNorm = 0, outputErrorBefore = 0, outputError = 0, outputNorm = 0;

  RoundingErrors &operator+=(const RoundingErrors &other) {
    squaredError += other.squaredError;
    squaredNorm += other.squaredNorm;
    outputErrorBefore += other.outputErrorBefore;
    outputError += other.outputError;
    outputNorm += other.outputNorm;
    return *this;
  }
};

/// The errors of rows [count, k], count <= kLanes, that became `after`; nothing was rounded to the nearest before.
RoundingErrors measureErrors(llvm::ArrayRef<float> before, llvm::ArrayRef<float> after, const SecondOrderProblem &problem);

/// Rounds up to kLanes rows at once, the grids as `#terse.scheme` has them:
///
/// 1. the grid of each group is the one of several ranges with the least sum of H_jj e_j^2 (scales in I8 as RowRounding chooses them);
/// 2. GPTQ (Frantar et al., 2022) in the order of the feedback, with these grids, or each value to the nearest;
/// 3. coordinate descent on e^T H e (as QuantEase, Behdin et al., 2023): group by group the scale is fitted by least squares, the zero point
///    moved by one where that helps, and each code chosen again, all others given. No step makes it worse.
class SecondOrderRounding {
public:
  SecondOrderRounding(const SecondOrderOptions &options, const SecondOrderProblem &problem);

  /// Rounds rows [count, k], count <= kLanes. `codes` [count, k], one a byte; `scales` and `zeroPoints` [count, groups].
  RowRounding::Status round(llvm::ArrayRef<float> rows, int64_t count, llvm::MutableArrayRef<uint8_t> codes,
                            llvm::MutableArrayRef<float> scales, llvm::MutableArrayRef<uint8_t> zeroPoints);

  /// What the scales of a row of the last call are multiples of, if of I8.
  float getRowScale(int64_t row) const { return scaleGrids[row].rowScale; }

  /// The row among those of the last call at which it failed.
  int64_t getFailedRow() const { return failedRow; }

  /// Over all rows so far.
  RoundingErrors errors;

private:
  void findGrids();
  void findRanges();
  void roundToNearest();
  void roundInOrder();
  void descend();

  SecondOrderOptions options;
  const SecondOrderProblem &problem;
  int64_t k, numGroups, failedRow = 0;
  float last; ///< the largest code
  ScaleGrid scaleGrids[kLanes];
  std::optional<LevelTable> table; ///< then levels are its own
  /// [k or groups, kLanes]: weights, differences w - q, levels (codes less zero points), and scratch.
  std::vector<float> weights, differences, levels, products, changes, scales, zeros;
};

} // namespace terse

#endif // TERSE_COMPRESS_SECONDORDER_H
