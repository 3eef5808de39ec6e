//===- SelectUnits.h - what a layer's input can do without ------*- C++ -*-===//
#ifndef TERSE_COMPRESS_SELECTUNITS_H
#define TERSE_COMPRESS_SELECTUNITS_H

#include "terse/Numerics/Cholesky.h"

namespace terse {

/// Units, of `unitSize` channels that follow each other, of the input of a layer, of which some are to be removed.
struct UnitProblem {
  enum class Criterion { Error, SecondMoment, Magnitude };

  int64_t n = 0, k = 0;              ///< channels of the layer's output and input
  std::vector<float> weights;        ///< [n, k]
  llvm::ArrayRef<float> hessian;     ///< [k, k], the mean of x x^T; empty where neither criterion nor correction needs it
  int64_t unitSize = 1, numRemoved = 0;
  Criterion criterion = Criterion::Error;
  bool correct = true;
  double damping = 0.01;             ///< part of the mean of the diagonal
  std::vector<double> producerNorms; ///< [k / unitSize]: squared norms of the weights that make a unit (for Magnitude)
};

struct UnitSelection {
  std::vector<int64_t> kept;  ///< channels of the input, in order
  std::vector<float> weights; ///< [n, kept]
  /// Squared errors of the outputs as the layer is now, without correction, and the outputs' squares; 0 without a hessian.
  double error = 0, uncorrectedError = 0, norm = 0;
};

/// Greedy structured Optimal Brain Surgeon (ZipLM, Kurtic et al., 2023) and least squares for what is left. Errors: no damping makes the
/// hessian positive definite, or it is not finite.
llvm::Expected<UnitSelection> selectUnits(const UnitProblem &problem, ParallelFor parallelFor);

} // namespace terse

#endif // TERSE_COMPRESS_SELECTUNITS_H
