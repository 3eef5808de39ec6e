//===- Accumulator.cpp - statistics of one tap ----------------------------===//
#include "Accumulator.h"

#include <algorithm>
#include <cmath>
#include <mutex>

using namespace terse;

Accumulator::Accumulator(std::string name, int64_t size, bool hasSecondMoment)
    : name(std::move(name)), size(size), absMax(size), absSum(size), sum(size), histogram(kHistogramBins) {
  if (hasSecondMoment)
    gram.emplace(size);
}

/// Makes the histogram's limit a power of two that is no less than `needed`.
void Accumulator::widen(float needed) {
  if (limit == 0) {
    limit = std::exp2(std::ceil(std::log2(std::max(needed, 0x1p-100f))));
    histogram[kHistogramBins / 2] += zeros;
    return;
  }
  while (limit < needed) {
    // Two bins become one, towards the middle.
    std::vector<int64_t> wide(kHistogramBins);
    for (int64_t i = 0; i < kHistogramBins; ++i)
      wide[kHistogramBins / 4 + i / 2] += histogram[i];
    histogram = std::move(wide);
    limit *= 2;
  }
}

bool Accumulator::add(const float *rows, int64_t tokens, ParallelFor parallelFor) {
  constexpr int64_t kStrip = 64; // channels of one task
  int64_t strips = (size + kStrip - 1) / kStrip;
  std::vector<char> finite(strips, true);
  parallelFor(strips, [&](int64_t strip) {
    int64_t begin = strip * kStrip, width = std::min(kStrip, size - begin);
    double sums[kStrip] = {}, absSums[kStrip] = {};
    float largest[kStrip] = {};
    bool isFinite = true;
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t k = 0; k < width; ++k) {
        float value = rows[t * size + begin + k], magnitude = std::fabs(value);
        isFinite &= magnitude <= std::numeric_limits<float>::max();
        sums[k] += value;
        absSums[k] += magnitude;
        largest[k] = std::max(largest[k], magnitude);
      }
    for (int64_t k = 0; k < width; ++k) {
      sum[begin + k] += sums[k];
      absSum[begin + k] += absSums[k];
      absMax[begin + k] = std::max(absMax[begin + k], largest[k]);
    }
    finite[strip] = isFinite;
  });
  if (llvm::is_contained(finite, false))
    return false;

  float needed = *std::max_element(absMax.begin(), absMax.end());
  if (needed == 0) {
    zeros += tokens * size;
  } else {
    widen(needed);
    std::mutex mutex;
    constexpr int64_t kRows = 64;
    parallelFor((tokens + kRows - 1) / kRows, [&](int64_t task) {
      std::vector<int64_t> counts(kHistogramBins);
      float perBin = kHistogramBins / 2 / limit;
      for (int64_t i = task * kRows * size, end = std::min((task + 1) * kRows, tokens) * size; i < end; ++i)
        ++counts[std::min<int64_t>(static_cast<int64_t>(rows[i] * perBin + kHistogramBins / 2), kHistogramBins - 1)];
      std::lock_guard<std::mutex> lock(mutex);
      for (int64_t i = 0; i < kHistogramBins; ++i)
        histogram[i] += counts[i];
    });
  }
  if (gram)
    gram->add(rows, tokens, parallelFor);
  count += tokens;
  return true;
}

TapStatistics Accumulator::finish() {
  if (limit == 0)
    widen(1);
  for (int64_t k = 0; k < size; ++k) {
    mean.push_back(sum[k] / count);
    absMean.push_back(absSum[k] / count);
  }
  if (gram)
    secondMoment = gram->take(1.0f / count);
  TapStatistics tap;
  tap.name = name;
  tap.size = size;
  tap.count = count;
  tap.absMax = absMax;
  tap.absMean = absMean;
  tap.mean = mean;
  tap.histogram = histogram;
  tap.limit = limit;
  tap.secondMoment = secondMoment;
  return tap;
}
