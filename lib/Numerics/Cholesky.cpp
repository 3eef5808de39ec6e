//===- Cholesky.cpp - blocked factorization ---------------------------------===//
#include "terse/Numerics/Cholesky.h"
#include "terse/Numerics/Lanes.h"

#include <algorithm>
#include <cmath>

using namespace terse;

namespace {
constexpr int64_t kTile = 96;     ///< rows and columns of a tile
constexpr int64_t kRowsAtOnce = 6; ///< of a tile whose sums are in registers
constexpr int64_t kWidth = sizeof(Doubles) / sizeof(double);

/// One step: the panel right of `first` .. `first + depth` is factorized.
struct Step {
  double *a;
  int64_t n, first, depth;
  const double *transposed; ///< the panel's tiles [depth, kTile], one after the other
};
} // namespace

/// rows of c -= rows of the panel times a tile's, for `columns` (at most kWidth) columns.
template <int64_t kRows>
TERSE_LANES_INLINE void subtractProduct(double *c, const double *left, const double *right, int64_t n, int64_t depth, int64_t columns) {
  Doubles sums[kRows] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Doubles row = *reinterpret_cast<const Doubles *>(right + k * kTile);
#pragma clang loop unroll(full)
    for (int64_t r = 0; r < kRows; ++r)
      sums[r] += left[r * n + k] * row;
  }
  for (int64_t r = 0; r < kRows; ++r) {
    if (columns == kWidth) {
      *reinterpret_cast<Doubles *>(c + r * n) -= sums[r];
      continue;
    }
    for (int64_t j = 0; j < columns; ++j)
      c[r * n + j] -= sums[r][j];
  }
}

/// Subtracts from tile row `tileRow` of what is left of the matrix, up to the diagonal.
TERSE_LANES_INLINE void updateTileRowAny(const Step &step, int64_t tileRow) {
  int64_t start = step.first + step.depth, begin = start + tileRow * kTile, end = std::min(step.n, begin + kTile);
  for (int64_t tile = 0; tile <= tileRow; ++tile) {
    const double *right = step.transposed + tile * kTile * kTile;
    int64_t column = start + tile * kTile, endColumn = std::min(step.n, column + kTile);
    for (int64_t j = column; j < endColumn; j += kWidth) {
      int64_t row = begin, columns = std::min(kWidth, endColumn - j);
      auto at = [&](int64_t i, int64_t j) { return step.a + i * step.n + j; };
      for (; row + kRowsAtOnce <= end; row += kRowsAtOnce)
        subtractProduct<kRowsAtOnce>(at(row, j), at(row, step.first), right + (j - column), step.n, step.depth, columns);
      for (; row < end; ++row)
        subtractProduct<1>(at(row, j), at(row, step.first), right + (j - column), step.n, step.depth, columns);
    }
  }
}
TERSE_LANES_AVX2 static void updateTileRowAVX2(const Step &step, int64_t tileRow) { updateTileRowAny(step, tileRow); }
TERSE_LANES_AVX512 static void updateTileRowAVX512(const Step &step, int64_t tileRow) { updateTileRowAny(step, tileRow); }

static double dot(const double *x, const double *y, int64_t count) {
  double sums[4] = {};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    for (int64_t j = 0; j < 4; ++j)
      sums[j] += x[i + j] * y[i + j];
  for (; i < count; ++i)
    sums[0] += x[i] * y[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

bool terse::factorizeCholesky(double *a, int64_t n, ParallelFor parallelFor) {
  std::vector<double> transposed;
  for (int64_t first = 0; first < n; first += kTile) {
    int64_t depth = std::min(kTile, n - first), start = first + depth, tiles = (n - start + kTile - 1) / kTile;
    for (int64_t i = first; i < start; ++i) {
      double *row = a + i * n + first;
      for (int64_t j = 0; j < i - first; ++j)
        row[j] = (row[j] - dot(row, a + (first + j) * n + first, j)) / a[(first + j) * n + first + j];
      double pivot = row[i - first] - dot(row, row, i - first);
      // A pivot that rounding alone may have left.
      if (!(pivot > row[i - first] * 1e-14) || !std::isfinite(pivot))
        return false;
      row[i - first] = std::sqrt(pivot);
    }
    transposed.assign(tiles * kTile * kTile, 0);
    parallelFor(tiles, [&](size_t tile) {
      double *to = transposed.data() + tile * kTile * kTile;
      for (int64_t i = start + tile * kTile, end = std::min(n, i + kTile), column = 0; i < end; ++i, ++column) {
        double *row = a + i * n + first;
        for (int64_t j = 0; j < depth; ++j) {
          row[j] = (row[j] - dot(row, a + (first + j) * n + first, j)) / a[(first + j) * n + first + j];
          to[j * kTile + column] = row[j];
        }
      }
    });
    Step step{a, n, first, depth, transposed.data()};
    auto update = getVectorLevel() == VectorLevel::AVX512 ? updateTileRowAVX512
                  : getVectorLevel() == VectorLevel::AVX2 ? updateTileRowAVX2
                                                          : updateTileRowAny;
    // The longest first: they decide when all are done.
    parallelFor(tiles, [&](size_t tile) { update(step, tiles - 1 - tile); });
  }
  return true;
}

void terse::solveCholesky(llvm::ArrayRef<double> factor, int64_t n, double *x) {
  for (int64_t i = 0; i < n; ++i) {
    const double *row = factor.data() + i * n;
    double sum = x[i];
    for (int64_t j = 0; j < i; ++j)
      sum -= row[j] * x[j];
    x[i] = sum / row[i];
  }
  for (int64_t i = n; i-- > 0;) {
    const double *row = factor.data() + i * n;
    x[i] /= row[i];
    for (int64_t j = 0; j < i; ++j)
      x[j] -= row[j] * x[i];
  }
}
