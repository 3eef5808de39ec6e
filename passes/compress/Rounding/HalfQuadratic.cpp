//===- HalfQuadratic.cpp - rounding with zero points that are not whole ---===//
#include "compress/Rounding/HalfQuadratic.h"
#include "compress/Rounding/Vectorized.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

using namespace terse;

constexpr int kSteps = 20;
constexpr float kFirstBeta = 10, kBetaGrowth = 1.01f;

static RoundingOptions withoutSymmetry(RoundingOptions options) {
  options.isSymmetric = false;
  return options;
}

HalfQuadraticRounding::HalfQuadraticRounding(const RoundingOptions &options, int64_t k, bool keepsZeros)
    : options(options), start(withoutSymmetry(options), k), k(k), keepsZeros(keepsZeros) {}

TERSE_INLINE float findCode(float scaled, float zero, float last) {
  return roundNearest(std::min(std::max(scaled + zero, 0.0f), last));
}

/// One step for `count` values in steps of the grid: the sums of |error| with `zero` and of the zero points that would make each value exact, but
/// for the large errors. Eight sums each, so that the additions need not wait for each other.
TERSE_INLINE void stepAny(const float *scaled, size_t count, float zero, float last, float threshold, double &error, double &sum) {
  float errors[8] = {}, sums[8] = {};
  auto see = [&](float x, unsigned j) __attribute__((always_inline)) {
    float code = findCode(x, zero, last), difference = x + zero - code, size = std::fabs(difference);
    float kept = std::max(0.0f, size - threshold / std::sqrt(std::max(size, 1e-12f)));
    errors[j] += size;
    sums[j] += code + std::copysign(kept, difference) - x;
  };
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (unsigned j = 0; j < 8; ++j)
      see(scaled[i + j], j);
  for (; i < count; ++i)
    see(scaled[i], i % 8);
  error = sum = 0;
  for (unsigned j = 0; j < 8; ++j) {
    error += errors[j];
    sum += sums[j];
  }
}

static void stepPlain(const float *scaled, size_t count, float zero, float last, float threshold, double &error, double &sum) {
  stepAny(scaled, count, zero, last, threshold, error, sum);
}

TERSE_AVX2 static void stepAvx2(const float *scaled, size_t count, float zero, float last, float threshold, double &error, double &sum) {
  stepAny(scaled, count, zero, last, threshold, error, sum);
}

float HalfQuadraticRounding::findZero(llvm::ArrayRef<float> scaled, float zero) {
  const float last = (1 << options.bits) - 1;
  auto round = [&](float x) {
    if (keepsZeros)
      return roundNearest(std::min(std::max(x, 0.0f), last));
    return options.scales == ScaleFormat::F32 ? x : halfToFloat(floatToHalf(x));
  };
  float best = zero, beta = kFirstBeta;
  double bestError = -1;
  for (int step = 0; step < kSteps; ++step, beta *= kBetaGrowth) {
    double error, sum;
    (hasAvx2() ? stepAvx2 : stepPlain)(scaled.data(), scaled.size(), zero, last, 1 / beta, error, sum);
    if (bestError >= 0 && error >= bestError)
      break;
    best = zero;
    bestError = error;
    zero = round(static_cast<float>(sum / scaled.size()));
  }
  return best;
}

RowRounding::Status HalfQuadraticRounding::round(llvm::ArrayRef<float> row, llvm::MutableArrayRef<uint8_t> codes,
                                                 llvm::MutableArrayRef<float> scales, llvm::MutableArrayRef<float> zeroPoints) {
  wholeZeros.resize(scales.size());
  RowRounding::Status status = start.round(row, codes, scales, wholeZeros);
  if (status != RowRounding::Ok)
    return status;
  const float last = (1 << options.bits) - 1;
  for (int64_t begin = 0, g = 0; begin < k; begin += options.groupSize, ++g) {
    llvm::ArrayRef<float> group = row.slice(begin, std::min(options.groupSize, k - begin));
    float scale = scales[g], inverse = scale != 0 ? 1 / scale : 0;
    scaled.resize(group.size());
    for (size_t i = 0; i < group.size(); ++i)
      scaled[i] = group[i] * inverse;
    float zero = zeroPoints[g] = findZero(scaled, wholeZeros[g]);
    for (size_t i = 0; i < group.size(); ++i) {
      float code = findCode(scaled[i], zero, last);
      codes[begin + i] = static_cast<uint8_t>(code);
      double error = static_cast<double>((code - zero) * scale) - group[i];
      squaredError += error * error;
    }
  }
  return RowRounding::Ok;
}
