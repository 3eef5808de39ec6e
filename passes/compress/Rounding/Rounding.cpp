//===- Rounding.cpp - values to codes and back ----------------------------===//
#include "compress/Rounding/Rounding.h"
#include "compress/Rounding/Vectorized.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <algorithm>
#include <cmath>

using namespace terse;

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

void terse::packCodes(llvm::ArrayRef<uint8_t> codes, unsigned bits, llvm::MutableArrayRef<uint8_t> bytes) {
  uint32_t pending = 0;
  unsigned numPending = 0;
  size_t at = 0;
  if (bits == 8) {
    std::copy(codes.begin(), codes.end(), bytes.begin());
    return;
  }
  if (bits == 4) { // the usual case, as plain as vectors want it
    for (size_t pairs = codes.size() / 2; at < pairs; ++at)
      bytes[at] = codes[2 * at] | codes[2 * at + 1] << 4;
    codes = codes.drop_front(2 * at);
  }
  for (uint8_t code : codes) {
    pending |= static_cast<uint32_t>(code) << numPending;
    numPending += bits;
    while (numPending >= 8) {
      bytes[at++] = pending;
      pending >>= 8;
      numPending -= 8;
    }
  }
  if (numPending)
    bytes[at] = pending;
}

void terse::unpackCodes(llvm::ArrayRef<uint8_t> bytes, unsigned bits, llvm::MutableArrayRef<uint8_t> codes) {
  uint32_t pending = 0;
  unsigned numPending = 0;
  size_t at = 0;
  if (bits == 8) {
    std::copy_n(bytes.begin(), codes.size(), codes.begin());
    return;
  }
  if (bits == 4) {
    for (size_t pairs = codes.size() / 2; at < pairs; ++at) {
      codes[2 * at] = bytes[at] & 15;
      codes[2 * at + 1] = bytes[at] >> 4;
    }
    codes = codes.drop_front(2 * at);
  }
  for (uint8_t &code : codes) {
    if (numPending < bits) {
      pending |= static_cast<uint32_t>(bytes[at++]) << numPending;
      numPending += 8;
    }
    code = pending & ((1u << bits) - 1);
    pending >>= bits;
    numPending -= bits;
  }
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

std::optional<ScaleFormat> terse::parseScaleFormat(llvm::StringRef text) {
  return llvm::StringSwitch<std::optional<ScaleFormat>>(text)
      .Case("f32", ScaleFormat::F32)
      .Case("f16", ScaleFormat::F16)
      .Case("i8", ScaleFormat::I8)
      .Default(std::nullopt);
}

ScaleGrid ScaleGrid::get(ScaleFormat format, llvm::ArrayRef<float> scales, size_t stride) {
  float most = 0;
  for (size_t i = 0; i < scales.size(); i += stride)
    most = std::max(most, std::fabs(scales[i]));
  return {format, format == ScaleFormat::I8 ? most / 127 : 0};
}

float ScaleGrid::round(float scale) const {
  if (format == ScaleFormat::F16)
    scale = roundToHalf(scale);
  else if (format == ScaleFormat::I8 && rowScale != 0)
    scale = std::min(std::max(roundNearest(scale / rowScale), -127.0f), 127.0f) * rowScale;
  return scale + 0.0f; // no negative zero
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

RowRounding::RowRounding(const RoundingOptions &options, int64_t k)
    : options(options), k(k), numLevels(1 << options.bits) {
  if (!options.table.empty())
    table.emplace(options.table);
}

RowRounding::Grid RowRounding::makeGrid(float scale, float zero) const {
  scale = grid.round(scale);
  return {scale, scale != 0 ? 1 / scale : 0, zero};
}

/// The multiple of the scale nearest to `x` among low .. high.
TERSE_INLINE float nearestLevel(float x, float inverse, float low, float high) {
  return roundNearest(std::min(std::max(x * inverse, low), high));
}

/// Sum of squared errors. Eight sums, so that the additions need not wait for each other.
TERSE_INLINE double measureAny(const float *group, size_t count, float scale, float inverse, float low, float high) {
  float sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (unsigned j = 0; j < 8; ++j) {
      float error = nearestLevel(group[i + j], inverse, low, high) * scale - group[i + j];
      sums[j] += error * error;
    }
  double total = 0;
  for (; i < count; ++i) {
    float error = nearestLevel(group[i], inverse, low, high) * scale - group[i];
    total += static_cast<double>(error) * error;
  }
  double halves[4];
  for (unsigned j = 0; j < 4; ++j)
    halves[j] = static_cast<double>(sums[j]) + sums[j + 4];
  return total + ((halves[0] + halves[2]) + (halves[1] + halves[3]));
}

TERSE_AVX2 static double measureAvx2(const float *group, size_t count, float scale, float inverse, float low, float high) {
  return measureAny(group, count, scale, inverse, low, high);
}

typedef float Eight __attribute__((vector_size(32)));
typedef float UnalignedEight __attribute__((vector_size(32), aligned(4)));

TERSE_INLINE double measureTableAny(const float *group, size_t count, float scale, float inverse, const LevelTable &table) {
  Eight sums = {};
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const Eight x = reinterpret_cast<const UnalignedEight &>(group[i]), scaled = x * inverse;
    Eight error = table.findNearest(scaled) * scale - x;
    sums += error * error;
  }
  double total = 0;
  for (; i < count; ++i) {
    float error = table.findNearest(group[i] * inverse) * scale - group[i];
    total += static_cast<double>(error) * error;
  }
  for (unsigned j = 0; j < 8; ++j)
    total += sums[j];
  return total;
}

static double measureTable(const float *group, size_t count, float scale, float inverse, const LevelTable &table) {
  return measureTableAny(group, count, scale, inverse, table);
}

TERSE_AVX2 static double measureTableAvx2(const float *group, size_t count, float scale, float inverse, const LevelTable &table) {
  return measureTableAny(group, count, scale, inverse, table);
}

double RowRounding::measure(llvm::ArrayRef<float> group, const Grid &grid) const {
  if (table)
    return (hasAvx2() ? measureTableAvx2 : measureTable)(group.data(), group.size(), grid.scale, grid.inverse, *table);
  float low = -grid.zero, high = numLevels - 1 - grid.zero;
  return (hasAvx2() ? measureAvx2 : measureAny)(group.data(), group.size(), grid.scale, grid.inverse, low, high);
}

namespace {
/// What a group's grids depend on.
struct GroupRange {
  float low = 0, high = 0;
  double squaredNorm = 0;
  bool isFinite = true;
};
} // namespace

TERSE_INLINE GroupRange findRangeAny(const float *group, size_t count) {
  // Eight of each, as in measureAny. A sum of magnitudes is finite if all are, unless it overflows.
  float lows[8] = {}, highs[8] = {}, norms[8] = {}, magnitudes[8] = {};
  auto see = [&](float x, unsigned j) __attribute__((always_inline)) {
    lows[j] = std::min(lows[j], x);
    highs[j] = std::max(highs[j], x);
    norms[j] += x * x;
    magnitudes[j] += std::fabs(x);
  };
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (unsigned j = 0; j < 8; ++j)
      see(group[i + j], j);
  for (; i < count; ++i)
    see(group[i], i % 8);
  GroupRange range;
  for (unsigned j = 0; j < 8; ++j) {
    range.low = std::min(range.low, lows[j]);
    range.high = std::max(range.high, highs[j]);
    range.squaredNorm += norms[j];
    range.isFinite &= std::isfinite(magnitudes[j]);
  }
  if (!range.isFinite)
    range.isFinite = std::all_of(group, group + count, [](float x) { return std::isfinite(x); });
  return range;
}

TERSE_AVX2 static GroupRange findRangeAvx2(const float *group, size_t count) { return findRangeAny(group, count); }

TERSE_INLINE void encodeAny(const float *group, size_t count, float inverse, float zero, float last, uint8_t *codes) {
  for (size_t i = 0; i < count; ++i)
    codes[i] = static_cast<int32_t>(nearestLevel(group[i], inverse, -zero, last - zero) + zero);
}

TERSE_AVX2 static void encodeAvx2(const float *group, size_t count, float inverse, float zero, float last, uint8_t *codes) {
  encodeAny(group, count, inverse, zero, last, codes);
}

RowRounding::Grid RowRounding::findGrid(llvm::ArrayRef<float> group, float low, float high, double &error) const {
  const float middle = numLevels / 2, last = numLevels - 1;
  // Other ranges are tried in steps of 2 %: narrower ones, and wider ones where that moves
  // the values to better places of a coarse symmetric grid. With 8 bits little can be won.
  const int firstStep = options.searchesClipping && options.isSymmetric && options.bits < 8 ? -5 : 0;
  const int endStep = !options.searchesClipping ? 1 : options.bits == 8 ? 6 : 25;
  // A table has more levels on one side: the sign of the scale says which.
  const int numSides = table && options.searchesClipping ? 2 : 1;
  Grid best;
  error = -1;
  for (int step = firstStep; step < endStep; ++step)
    for (int side = 0; side < numSides; ++side) {
      float part = 1 - 0.02f * step;
      Grid grid;
      if (table) {
        float most = std::max(high, -low) * part / 127;
        grid = makeGrid(side ? -most : most, 0);
      } else if (options.isSymmetric) {
        float extreme = high > -low ? high : low;
        grid = makeGrid(extreme * part / -middle, middle);
      } else {
        grid = makeGrid((high - low) * part / last, 0);
        grid.zero = std::min(std::max(roundNearest(-low * part * grid.inverse), 0.0f), last);
      }
      if (!std::isfinite(grid.scale))
        return grid;
      double itsError = measure(group, grid);
      if (error < 0 || itsError < error) {
        best = grid;
        error = itsError;
      }
    }
  return best;
}

RowRounding::Status RowRounding::round(llvm::ArrayRef<float> row, llvm::MutableArrayRef<uint8_t> codes,
                                       llvm::MutableArrayRef<float> scales,
                                       llvm::MutableArrayRef<uint8_t> zeroPoints) {
  grid = {options.scales, 0};
  // The scales of a row are multiples of one that is not known before all of them were chosen.
  const int passes = options.scales == ScaleFormat::I8 ? 2 : 1;
  for (int pass = 0; pass < passes; ++pass) {
    bool isLast = pass + 1 == passes;
    for (int64_t begin = 0, g = 0; begin < k; begin += options.groupSize, ++g) {
      llvm::ArrayRef<float> group = row.slice(begin, std::min(options.groupSize, k - begin));
      GroupRange range = (hasAvx2() ? findRangeAvx2 : findRangeAny)(group.data(), group.size());
      if (!range.isFinite)
        return NotFinite;
      double error;
      Grid best = findGrid(group, range.low, range.high, error);
      if (!std::isfinite(best.scale))
        return ScaleOverflow;
      scales[g] = best.scale;
      if (!isLast)
        continue;
      squaredNorm += range.squaredNorm;
      squaredError += error;
      zeroPoints[g] = static_cast<uint8_t>(best.zero);
      if (table)
        std::transform(group.begin(), group.end(), codes.begin() + begin, [&](float x) { return table->findCode(x * best.inverse); });
      else
        (hasAvx2() ? encodeAvx2 : encodeAny)(group.data(), group.size(), best.inverse, best.zero, numLevels - 1, codes.data() + begin);
    }
    if (!isLast)
      grid = ScaleGrid::get(options.scales, scales);
  }
  return Ok;
}
