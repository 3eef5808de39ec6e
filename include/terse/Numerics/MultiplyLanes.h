//===- MultiplyLanes.h - a matrix times a few columns -----------*- C++ -*-===//
#ifndef TERSE_NUMERICS_MULTIPLYLANES_H
#define TERSE_NUMERICS_MULTIPLYLANES_H

#include <cstdint>

namespace terse {

/// Independent problems that are worked on at once: each has one lane of every vector.
constexpr int64_t kLanes = 32;

/// c[m, kLanes] += a[m, k] b[k, kLanes], in f32, every sum from the first to the last k. Rows of `a` are `stride` apart, those
/// of `b` and `c` contiguous.
void multiplyLanes(const float *a, int64_t stride, int64_t m, int64_t k, const float *b, float *c);

} // namespace terse

#endif // TERSE_NUMERICS_MULTIPLYLANES_H
