//===- PruneRows.h - which weights become zero ------------------*- C++ -*-===//
//
// The arithmetic of pruning. Knows nothing of the IR.
//
//===----------------------------------------------------------------------===//
#ifndef TERSE_COMPRESS_PRUNEROWS_H
#define TERSE_COMPRESS_PRUNEROWS_H

#include "compress/Rounding/SecondOrder.h"
#include "compress/Weights/Policy.h"

namespace terse {

struct PruneOptions {
  double sparsity = 0.5; ///< the part that becomes zero, of each window, where there is no pattern
  SparsityPattern pattern;
  int64_t numSweeps = 0; ///< of coordinate descent of what is left
};

/// Sets to zero those of `values`, [count, size], with the least `scores`, as `options` say, a row or `m` values of a row at a time. Of equal
/// scores the first go.
void pruneByScore(llvm::MutableArrayRef<float> values, llvm::ArrayRef<float> scores, int64_t size, const PruneOptions &options);

/// Prunes up to kLanes rows with SparseGPT (Frantar and Alistarh, 2023): from the first channel to the last, where those that are
/// left make good for those that became zero before them; which ones do is chosen for 128 channels of all these rows (`m` of each row with a
/// pattern) when they are reached, the least cost w^2 / [H^-1]_jj of removing first. Then coordinate descent: each weight that is
/// left becomes the best one, all others given, `numSweeps` times, which ends at the least squares solution.
///
/// `rows` [count, k] are replaced. `problem.feedback` is in the channels' own order.
void pruneWithFeedback(llvm::MutableArrayRef<float> rows, int64_t count, const SecondOrderProblem &problem, const PruneOptions &options,
                       RoundingErrors &errors);

} // namespace terse

#endif // TERSE_COMPRESS_PRUNEROWS_H
