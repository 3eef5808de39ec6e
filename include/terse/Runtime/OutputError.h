//===- OutputError.h - how far outputs are from others ----------*- C++ -*-===//
#ifndef TERSE_RUNTIME_OUTPUTERROR_H
#define TERSE_RUNTIME_OUTPUTERROR_H

#include "terse/Runtime/Context.h"

namespace terse::rt {

/// How far a tensor is from the one that it should be. Elements of which one or
/// both are infinite or no number count as `unequalNonFinite` if they are not
/// the same, and in nothing else.
struct OutputError {
  int64_t elements = 0;
  int64_t unequalNonFinite = 0;
  double maxAbsolute = 0; ///< largest |value - reference|
  double range = 0;       ///< largest minus smallest value of the reference
  /// |value - reference| over |reference|, Euclidean norms; 0 if both are 0.
  double relativeL2 = 0;
  /// Rows along the last axis, and the share of them whose largest element (the
  /// first of equals) lies at the same place. One element a row: no rows.
  int64_t rows = 0;
  double argmaxAgreement = 0;

  /// maxAbsolute over the range; where the range is 0, infinite unless there is
  /// no difference.
  double maxOverRange() const;
};

/// Compares two tensors of any types; their shapes must be equal.
Status compareOutputs(const TensorView &value, const TensorView &reference,
                      OutputError &result);

/// The share of rows along the last axis of `scores` whose largest element (the
/// first of equals) lies at the place that `labels`, integers of as many
/// elements as there are rows, has.
Status measureAccuracy(const TensorView &scores, const TensorView &labels,
                       double &accuracy);

} // namespace terse::rt

#endif // TERSE_RUNTIME_OUTPUTERROR_H
