//===- HalfQuadratic.h - rounding with zero points that are not whole -*- C++ -*-===//
#ifndef TERSE_COMPRESS_HALFQUADRATIC_H
#define TERSE_COMPRESS_HALFQUADRATIC_H

#include "compress/Rounding/Rounding.h"

namespace terse {

/// Rounds rows of k values to codes by half-quadratic splitting (HQQ, Badri and Shaji, 2023). A value is (code - zero) * scale, where
/// `zero` need not be whole. A group starts with the grid that RowRounding without symmetry gives it; then, for beta = 10, 10.1, ..:
///
///   c = clamp(round(w / s + z));  e = shrink(w / s + z - c);  z = mean(c + e - w / s)
///
/// where shrink(x) = sign(x) max(0, |x| - |x|^(p-1) / beta), with p = 1/2, is the proximal operator of |x|^p: it takes the few large errors out of
/// the mean that sets the zero point. It ends after 20 steps, or when the mean of |error| grows. Differences are in steps of the grid (the paper's
/// are of the weights), so that nothing depends on how large weights are; p = 1/2 (the paper's is 0.7) needs a root only, which is the
/// same on every machine.
class HalfQuadraticRounding {
public:
  /// `keepsZeros`: zero points are whole, so that weights of 0 stay 0. `options.isSymmetric` is not read.
  HalfQuadraticRounding(const RoundingOptions &options, int64_t k, bool keepsZeros);

  /// Rounds `row`. `codes` receives k codes, one a byte; `scales` and `zeroPoints` one value a group, of f32 if scales are, else of f16.
  RowRounding::Status round(llvm::ArrayRef<float> row, llvm::MutableArrayRef<uint8_t> codes, llvm::MutableArrayRef<float> scales,
                            llvm::MutableArrayRef<float> zeroPoints);

  /// What the scales of the last row are multiples of, if of I8.
  float getRowScale() const { return start.getRowScale(); }

  /// Sums over the rows so far: of squared errors, of squared values.
  double getSquaredError() const { return squaredError; }
  double getSquaredNorm() const { return start.getSquaredNorm(); }

private:
  float findZero(llvm::ArrayRef<float> scaled, float zero);

  RoundingOptions options;
  RowRounding start;
  int64_t k;
  bool keepsZeros;
  double squaredError = 0;
  std::vector<float> scaled; ///< values of a group in steps
  std::vector<uint8_t> wholeZeros;
};

} // namespace terse

#endif // TERSE_COMPRESS_HALFQUADRATIC_H
