//===- Gram.cpp - sums of x x^T -------------------------------------------===//
#include "Gram.h"

#include <algorithm>
#include <cstring>

using namespace terse;

namespace {
constexpr int64_t kPanel = 16;
/// Tokens whose panels stay in the first two caches while tiles are computed from them.
constexpr int64_t kDepth = 256;
/// Rows of the sum that one task computes.
constexpr int64_t kPanelsPerTask = 2;

typedef float Half __attribute__((vector_size(32)));
} // namespace

// One source, compiled for AVX2 with FMA and for any processor.
#define TERSE_INLINE static inline __attribute__((always_inline))

/// sum[r][c] += a[t][r] * b[t][c] over `tokens`, for 4 rows from `row` on and 16 columns: eight accumulators of eight lanes, as many
/// as hide an addition's latency.
TERSE_INLINE void addTile(const float *a, const float *b, int64_t tokens, float *sum, int64_t stride) {
  Half low[4], high[4];
  for (int r = 0; r < 4; ++r) {
    memcpy(&low[r], sum + r * stride, sizeof(Half));
    memcpy(&high[r], sum + r * stride + 8, sizeof(Half));
  }
  for (int64_t t = 0; t < tokens; ++t) {
    Half left, right;
    memcpy(&left, b + t * kPanel, sizeof(Half));
    memcpy(&right, b + t * kPanel + 8, sizeof(Half));
    for (int r = 0; r < 4; ++r) {
      float value = a[t * kPanel + r];
      Half spread = {value, value, value, value, value, value, value, value};
      low[r] += spread * left;
      high[r] += spread * right;
    }
  }
  for (int r = 0; r < 4; ++r) {
    memcpy(sum + r * stride, &low[r], sizeof(Half));
    memcpy(sum + r * stride + 8, &high[r], sizeof(Half));
  }
}

TERSE_INLINE void addPanelAny(const float *a, const float *b, int64_t tokens, float *sum, int64_t stride) {
  for (int r = 0; r < kPanel; r += 4)
    addTile(a + r, b, tokens, sum + r * stride, stride);
}

static void addPanelPlain(const float *a, const float *b, int64_t tokens, float *sum, int64_t stride) {
  addPanelAny(a, b, tokens, sum, stride);
}
__attribute__((target("avx2,fma"))) static void addPanelAvx2(const float *a, const float *b, int64_t tokens, float *sum, int64_t stride) {
  addPanelAny(a, b, tokens, sum, stride);
}

Gram::Gram(int64_t size)
    : size(size), panels((size + kPanel - 1) / kPanel), sum(static_cast<size_t>(panels * kPanel * panels * kPanel)),
      packed(static_cast<size_t>(panels * kPanel * kDepth)) {}

void Gram::add(const float *rows, int64_t tokens, ParallelFor parallelFor) {
  static const bool hasFma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  auto *addPanel = hasFma ? addPanelAvx2 : addPanelPlain;
  int64_t stride = panels * kPanel;
  int64_t tasks = (panels + kPanelsPerTask - 1) / kPanelsPerTask;
  for (int64_t first = 0; first < tokens; first += kDepth) {
    int64_t depth = std::min(kDepth, tokens - first);
    parallelFor(panels, [&](int64_t p) {
      int64_t width = std::min(kPanel, size - p * kPanel);
      float *panel = packed.data() + p * kPanel * depth;
      for (int64_t t = 0; t < depth; ++t) {
        memcpy(panel + t * kPanel, rows + (first + t) * size + p * kPanel, width * sizeof(float));
        std::fill(panel + t * kPanel + width, panel + (t + 1) * kPanel, 0.0f);
      }
    });
    // The last rows are the longest.
    parallelFor(tasks, [&](int64_t task) {
      int64_t begin = (tasks - 1 - task) * kPanelsPerTask, end = std::min(begin + kPanelsPerTask, panels);
      for (int64_t column = 0; column < end; ++column)
        for (int64_t row = std::max(begin, column); row < end; ++row)
          addPanel(packed.data() + row * kPanel * depth, packed.data() + column * kPanel * depth, depth,
                   sum.data() + row * kPanel * stride + column * kPanel, stride);
    });
  }
}

std::vector<float> Gram::take(float factor) {
  int64_t stride = panels * kPanel;
  std::vector<float> whole(static_cast<size_t>(size * size));
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j <= i; ++j)
      whole[i * size + j] = whole[j * size + i] = sum[i * stride + j] * factor;
  std::vector<float>().swap(sum);
  return whole;
}
