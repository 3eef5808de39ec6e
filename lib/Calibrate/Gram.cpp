//===- Gram.cpp - sums of x x^T -------------------------------------------===//
#include "Gram.h"

#include "terse/Numerics/Lanes.h"

#include <algorithm>
#include <cstring>

using namespace terse;

namespace {
constexpr int64_t kPanel = 16;
/// Sums lie in tiles: the stride of a matrix would put the rows of one into few sets of the caches.
constexpr int64_t kTile = kPanel * kPanel;
/// Tokens whose panels stay in the first two caches while tiles are computed from them.
constexpr int64_t kDepth = 128;
/// Rows of tiles that one task computes.
constexpr int64_t kPanelsPerTask = 2;
static_assert(kPanel * sizeof(float) == sizeof(Floats));

/// The place of a tile on or below the diagonal.
int64_t getTile(int64_t row, int64_t column) { return row * (row + 1) / 2 + column; }
} // namespace

/// tile[r][c] += a[t][r] * b[t][c] over `tokens`, for as many rows from `row` on as accumulators allow that hide an addition's latency.
template <int kRows>
TERSE_LANES_INLINE void addRows(const float *a, const float *b, int64_t tokens, float *tile, int row) {
  Floats sums[kRows];
  memcpy(sums, tile + row * kPanel, sizeof(sums));
  for (int64_t t = 0; t < tokens; ++t) {
    Floats columns;
    memcpy(&columns, b + t * kPanel, sizeof(columns));
    for (int r = 0; r < kRows; ++r)
      sums[r] += a[t * kPanel + row + r] * columns;
  }
  memcpy(tile + row * kPanel, sums, sizeof(sums));
}

TERSE_LANES_INLINE void addTileAny(const float *a, const float *b, int64_t tokens, float *tile) {
  addRows<6>(a, b, tokens, tile, 0);
  addRows<6>(a, b, tokens, tile, 6);
  addRows<4>(a, b, tokens, tile, 12);
}

static void addTilePlain(const float *a, const float *b, int64_t tokens, float *tile) { addTileAny(a, b, tokens, tile); }
TERSE_LANES_AVX2 static void addTileAvx2(const float *a, const float *b, int64_t tokens, float *tile) { addTileAny(a, b, tokens, tile); }
TERSE_LANES_AVX512 static void addTileAvx512(const float *a, const float *b, int64_t tokens, float *tile) {
  addRows<kPanel>(a, b, tokens, tile, 0);
}

Gram::Gram(int64_t size)
    : size(size), panels((size + kPanel - 1) / kPanel), sum(static_cast<size_t>(getTile(panels, 0) * kTile)),
      packed(static_cast<size_t>(panels * kPanel * kDepth)) {}

void Gram::add(const float *rows, int64_t tokens, ParallelFor parallelFor) {
  auto *addTile = getVectorLevel() == VectorLevel::AVX512 ? addTileAvx512
                  : getVectorLevel() == VectorLevel::AVX2 ? addTileAvx2
                                                          : addTilePlain;
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
          addTile(packed.data() + row * kPanel * depth, packed.data() + column * kPanel * depth, depth,
                  sum.data() + getTile(row, column) * kTile);
    });
  }
}

std::vector<float> Gram::take(float factor) {
  std::vector<float> whole(static_cast<size_t>(size * size));
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j <= i; ++j)
      whole[i * size + j] = whole[j * size + i] = sum[getTile(i / kPanel, j / kPanel) * kTile + i % kPanel * kPanel + j % kPanel] * factor;
  std::vector<float>().swap(sum);
  return whole;
}
