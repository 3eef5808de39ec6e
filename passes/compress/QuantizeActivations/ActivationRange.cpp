//===- ActivationRange.cpp - ranges from histograms ------------------------===//
#include "ActivationRange.h"

#include <cmath>

using namespace terse;

float terse::findPercentile(llvm::ArrayRef<int64_t> histogram, float limit, double part) {
  const int64_t half = histogram.size() / 2;
  int64_t all = 0, within = 0;
  for (int64_t count : histogram)
    all += count;
  for (int64_t bin = 0; bin < half; ++bin) {
    within += histogram[half + bin] + histogram[half - 1 - bin];
    if (within >= part * all)
      return limit * (bin + 1) / half;
  }
  return limit;
}

float terse::findLeastSquares(llvm::ArrayRef<int64_t> histogram, float limit, int64_t levels) {
  constexpr int64_t kCandidates = 128;
  const int64_t half = histogram.size() / 2;
  float best = limit;
  double least = -1;
  for (int64_t i = 1; i <= kCandidates; ++i) {
    double range = double(limit) * i / kCandidates, step = range / levels, error = 0;
    for (int64_t bin = 0; bin < half; ++bin) {
      double count = histogram[half + bin] + histogram[half - 1 - bin], magnitude = limit * (bin + 0.5) / half;
      double beyond = std::max(0.0, magnitude - range);
      error += count * (beyond > 0 ? beyond * beyond : step * step / 12);
    }
    if (least < 0 || error < least) {
      least = error;
      best = static_cast<float>(range);
    }
  }
  return best;
}
