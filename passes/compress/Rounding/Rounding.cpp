//===- Rounding.cpp - values to codes and back ----------------------------===//
#include "compress/Rounding/Rounding.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace terse;

//===----------------------------------------------------------------------===//
// Narrow floats
//===----------------------------------------------------------------------===//

static uint32_t bitsOf(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static float fromBits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

float terse::halfToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, rest = half & 0x7fff;
  if (rest >= 0x7c00) // infinity, NaN
    return fromBits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  // The exponents' biases differ by 112; the multiplication also makes
  // subnormal numbers normal.
  return fromBits(sign | bitsOf(fromBits(rest << 13) * 0x1p112f));
}

uint16_t terse::floatToHalf(float value) {
  uint32_t bits = bitsOf(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000)
    return sign | 0x7e00;
  if (rest >= 0x477ff000) // rounds to 2^16 or more
    return sign | 0x7c00;
  if (rest < 0x38800000) // subnormal: let an addition round at the last place
    return sign | static_cast<uint16_t>(bitsOf(fromBits(rest) + 0.5f) - bitsOf(0.5f));
  rest += 0xfff + (rest >> 13 & 1);
  return sign | static_cast<uint16_t>((rest - 0x38000000) >> 13);
}

uint16_t terse::floatToBfloat(float value) {
  uint32_t bits = bitsOf(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return bits >> 16 | 0x40;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

void terse::packCodes(llvm::ArrayRef<uint8_t> codes, unsigned bits, llvm::MutableArrayRef<uint8_t> bytes) {
  uint32_t pending = 0;
  unsigned numPending = 0;
  size_t at = 0;
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
// Rounding
//===----------------------------------------------------------------------===//

/// Round to nearest, ties to even, of |x| < 2^22; plain additions, so that the compiler vectorizes it for any CPU.
static inline float roundNearest(float x) {
  constexpr float kMagic = 0x1.8p23f;
  return (x + kMagic) - kMagic;
}

RowRounding::RowRounding(const RoundingOptions &options, int64_t k)
    : options(options), k(k), numLevels(1 << options.bits) {}

RowRounding::Grid RowRounding::makeGrid(float scale, float zero) const {
  if (options.hasHalfScales)
    scale = halfToFloat(floatToHalf(scale));
  scale += 0.0f; // no negative zero
  return {scale, scale != 0 ? 1 / scale : 0, zero};
}

/// Code of `x` as a float in 0 .. last.
static inline float encode(float x, float inverse, float zero, float last) {
  // A scale that was rounded to a subnormal number may make this large.
  float level = std::min(std::max(x * inverse, -1e6f), 1e6f);
  return std::min(std::max(roundNearest(level) + zero, 0.0f), last);
}

double RowRounding::measure(llvm::ArrayRef<float> group, const Grid &grid) const {
  // Eight sums, so that the additions need not wait for each other.
  float sums[8] = {};
  const float last = numLevels - 1;
  size_t i = 0;
  for (; i + 8 <= group.size(); i += 8)
    for (unsigned j = 0; j < 8; ++j) {
      float error = (encode(group[i + j], grid.inverse, grid.zero, last) - grid.zero) * grid.scale - group[i + j];
      sums[j] += error * error;
    }
  double total = 0;
  for (; i < group.size(); ++i) {
    float error = (encode(group[i], grid.inverse, grid.zero, last) - grid.zero) * grid.scale - group[i];
    total += static_cast<double>(error) * error;
  }
  for (float sum : sums)
    total += sum;
  return total;
}

RowRounding::Status RowRounding::round(llvm::ArrayRef<float> row, llvm::MutableArrayRef<uint8_t> codes,
                                       llvm::MutableArrayRef<float> scales,
                                       llvm::MutableArrayRef<uint8_t> zeroPoints) {
  const float middle = numLevels / 2, last = numLevels - 1;
  // Other ranges are tried in steps of 2 %: narrower ones, and wider ones where that moves
  // the values to better places of a coarse symmetric grid. With 8 bits little can be won.
  const int firstStep = options.searchesClipping && options.isSymmetric && options.bits < 8 ? -5 : 0;
  const int endStep = !options.searchesClipping ? 1 : options.bits == 8 ? 6 : 25;
  for (int64_t begin = 0, g = 0; begin < k; begin += options.groupSize, ++g) {
    llvm::ArrayRef<float> group = row.slice(begin, std::min(options.groupSize, k - begin));
    float low = 0, high = 0;
    bool finite = true;
    for (float x : group) {
      low = std::min(low, x);
      high = std::max(high, x);
      squaredNorm += static_cast<double>(x) * x;
      finite &= std::isfinite(x);
    }
    if (!finite)
      return NotFinite;
    Grid best;
    double bestError = -1;
    for (int step = firstStep; step < endStep; ++step) {
      float part = 1 - 0.02f * step;
      Grid grid;
      if (options.isSymmetric) {
        float extreme = high > -low ? high : low;
        grid = makeGrid(extreme * part / -middle, middle);
      } else {
        grid = makeGrid((high - low) * part / last, 0);
        grid.zero = std::min(std::max(roundNearest(-low * part * grid.inverse), 0.0f), last);
      }
      if (!std::isfinite(grid.scale))
        return ScaleOverflow;
      double error = measure(group, grid);
      if (bestError < 0 || error < bestError) {
        best = grid;
        bestError = error;
      }
    }
    squaredError += bestError;
    scales[g] = best.scale;
    zeroPoints[g] = static_cast<uint8_t>(best.zero);
    for (auto [i, x] : llvm::enumerate(group))
      codes[begin + i] = static_cast<uint8_t>(encode(x, best.inverse, best.zero, last));
  }
  return Ok;
}
