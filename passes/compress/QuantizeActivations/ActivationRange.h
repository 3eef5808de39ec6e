//===- ActivationRange.h - ranges from histograms ---------------*- C++ -*-===//
#ifndef TERSE_COMPRESS_ACTIVATIONRANGE_H
#define TERSE_COMPRESS_ACTIVATIONRANGE_H

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace terse {

/// Of values counted over -limit .. limit in equal steps, the magnitude that the given part of them, at least, does not exceed: the
/// outer edge of a bin.
float findPercentile(llvm::ArrayRef<int64_t> histogram, float limit, double part);

/// Of limit * i / 128, i = 1 .. 128, the range whose grid of `levels` values on each side of 0 has the least squared error: of values
/// beyond it their distance, of those within step^2 / 12.
float findLeastSquares(llvm::ArrayRef<int64_t> histogram, float limit, int64_t levels);

} // namespace terse

#endif // TERSE_COMPRESS_ACTIVATIONRANGE_H
