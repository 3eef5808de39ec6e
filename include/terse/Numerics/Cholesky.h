//===- Cholesky.h - factors of symmetric matrices ---------------*- C++ -*-===//
#ifndef TERSE_NUMERICS_CHOLESKY_H
#define TERSE_NUMERICS_CHOLESKY_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <vector>

namespace terse {

/// Runs a function for 0 .. count, in any order and on any threads (mlir::parallelFor, say).
using ParallelFor = llvm::function_ref<void(size_t count, llvm::function_ref<void(size_t)> body)>;

/// Replaces the lower triangle of the symmetric matrix `a`, [n, n], row-major, by L with L L^T = a; what is above the diagonal
/// is neither read nor written. False if `a` is not positive definite (to rounding) or not finite; `a` is then in between.
bool factorizeCholesky(double *a, int64_t n, ParallelFor parallelFor);

/// x = (L L^T)^-1 x for a factor L, [n, n], row-major, and x, [n].
void solveCholesky(llvm::ArrayRef<double> factor, int64_t n, double *x);

/// The factor of a matrix of second moments, and the damping that it took.
struct DampedFactor {
  std::vector<double> factor; ///< [channels, channels], row-major, lower
  double damping = 0;
};

/// The factor of rows and columns `channels`, in this order, of `hessian`, [n, n] symmetric. `damping` times the mean of its whole diagonal is added
/// to the diagonal; ten times as much, and so on, where the result is not positive definite. A channel that was always 0 gets `deadDamping` times the mean
/// where that is more.
/// Errors: a value is NaN or infinite, the diagonal is negative somewhere, or damping by the whole mean does not help.
llvm::Expected<DampedFactor> factorizeDamped(llvm::ArrayRef<float> hessian, int64_t n, llvm::ArrayRef<int64_t> channels, double damping,
                                             double deadDamping, ParallelFor parallelFor);

/// How the error of one value is best made good by those that are rounded after it, in ||e||^2 = e^T H e.
///
/// With the order of rounding as the order of rows and columns, H = M^T M for a lower triangular M, and e^T H e is the sum over j of
/// (M_jj (e_j + sum_{i < j} feedback_ji e_i))^2, feedback_ji = M_ji / M_jj: value j should be rounded from w_j + sum feedback_ji e_i,
/// e_i = w_i - q_i. These are the updates of GPTQ (Frantar et al., 2022), whose upper factor of the inverse Hessian is M^-T, found
/// without an inverse; read this way they are Babai's nearest plane algorithm (Chen et al., 2025).
struct ErrorFeedback {
  std::vector<int32_t> order;  ///< [n]: the channel that is rounded at each place
  std::vector<float> feedback; ///< [n, n], row-major, below the diagonal; 0 elsewhere
  std::vector<float> weight;   ///< [n]: M_jj^2, what the error of value j costs when later ones make good for it
  double damping = 0;          ///< what was used
};

/// The feedback for `hessian`, [n, n] symmetric, with the channels rounded in `order`; damping and errors are those of `factorizeDamped`. A channel of
/// zeros gets no feedback.
llvm::Expected<ErrorFeedback> makeErrorFeedback(llvm::ArrayRef<float> hessian, std::vector<int32_t> order, double damping,
                                                ParallelFor parallelFor);

/// The channels from the largest to the smallest diagonal element ("act-order"); equal ones stay in their order.
std::vector<int32_t> orderByDiagonal(llvm::ArrayRef<float> hessian, int64_t n);

} // namespace terse

#endif // TERSE_NUMERICS_CHOLESKY_H
