//===- MultiplyLanes.cpp - a matrix times a few columns ---------------------===//
#include "terse/Numerics/MultiplyLanes.h"
#include "terse/Numerics/Lanes.h"

#include <algorithm>

using namespace terse;

static_assert(kLanes * sizeof(float) == 2 * sizeof(Floats));

template <int64_t kRows>
TERSE_LANES_INLINE void multiplyRows(const float *a, int64_t stride, int64_t k, const float *b, float *c) {
  Floats sums[kRows][2];
  for (int64_t r = 0; r < kRows; ++r)
    for (int64_t v = 0; v < 2; ++v)
      sums[r][v] = reinterpret_cast<const Floats *>(c + r * kLanes)[v];
  for (int64_t i = 0; i < k; ++i) {
    const Floats *row = reinterpret_cast<const Floats *>(b + i * kLanes);
    Floats low = row[0], high = row[1];
#pragma clang loop unroll(full)
    for (int64_t r = 0; r < kRows; ++r) {
      float factor = a[r * stride + i];
      sums[r][0] += factor * low;
      sums[r][1] += factor * high;
    }
  }
  for (int64_t r = 0; r < kRows; ++r)
    for (int64_t v = 0; v < 2; ++v)
      reinterpret_cast<Floats *>(c + r * kLanes)[v] = sums[r][v];
}

/// `kRows` rows of sums are in registers.
template <int64_t kRows>
TERSE_LANES_INLINE void multiplyAny(const float *a, int64_t stride, int64_t m, int64_t k, const float *b, float *c) {
  constexpr int64_t kDepth = 256; // b's part stays in the cache
  for (int64_t i = 0; i < k; i += kDepth) {
    int64_t depth = std::min(kDepth, k - i), r = 0;
    for (; r + kRows <= m; r += kRows)
      multiplyRows<kRows>(a + r * stride + i, stride, depth, b + i * kLanes, c + r * kLanes);
    for (; r < m; ++r)
      multiplyRows<1>(a + r * stride + i, stride, depth, b + i * kLanes, c + r * kLanes);
  }
}

TERSE_LANES_AVX2 static void multiplyAVX2(const float *a, int64_t stride, int64_t m, int64_t k, const float *b, float *c) {
  multiplyAny<3>(a, stride, m, k, b, c);
}
TERSE_LANES_AVX512 static void multiplyAVX512(const float *a, int64_t stride, int64_t m, int64_t k, const float *b, float *c) {
  multiplyAny<8>(a, stride, m, k, b, c);
}
static void multiplyPlain(const float *a, int64_t stride, int64_t m, int64_t k, const float *b, float *c) {
  multiplyAny<1>(a, stride, m, k, b, c);
}

void terse::multiplyLanes(const float *a, int64_t stride, int64_t m, int64_t k, const float *b, float *c) {
  auto multiply = getVectorLevel() == VectorLevel::AVX512 ? multiplyAVX512
                  : getVectorLevel() == VectorLevel::AVX2 ? multiplyAVX2
                                                          : multiplyPlain;
  multiply(a, stride, m, k, b, c);
}
