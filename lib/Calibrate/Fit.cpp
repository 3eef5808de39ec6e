//===- Fit.cpp - is a calibration like the traffic? -----------------------===//
#include "terse/Calibrate/Fit.h"

#include "terse/Statistics/Statistics.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <cmath>
#include <random>

using namespace terse;

// Where a warning begins, by what texts gave (lib/Calibrate/README.md has the table).
static constexpr double kMostDivergence = 0.15, // bits beyond what sampling explains
    kLeastOverlap = 0.8, kMostBeyond = 0.001, kMostPerplexityRatio = 2;

using Counts = std::vector<int64_t>;

static double computeJensenShannon(const Counts &a, const Counts &b) {
  double sumA = 0, sumB = 0, result = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sumA += a[i];
    sumB += b[i];
  }
  for (size_t i = 0; i < a.size(); ++i) {
    double p = a[i] / sumA, q = b[i] / sumB, middle = (p + q) / 2;
    if (p > 0)
      result += p * std::log2(p / middle) / 2;
    if (q > 0)
      result += q * std::log2(q / middle) / 2;
  }
  return result;
}

TokenFit terse::compareTokens(const TokenWindows &calibration, const TokenWindows &traffic) {
  // Ids as indices: those that occur, in any order.
  llvm::DenseMap<int64_t, size_t> indices;
  std::vector<std::vector<size_t>> windows;
  for (const TokenWindows *text : {&calibration, &traffic})
    for (const std::vector<int32_t> &window : *text) {
      std::vector<size_t> &indexed = windows.emplace_back();
      for (int32_t id : window)
        indexed.push_back(indices.try_emplace(id, indices.size()).first->second);
    }
  std::vector<size_t> order(windows.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  Counts counts[2];
  auto compare = [&] {
    for (Counts &side : counts)
      side.assign(indices.size(), 0);
    for (size_t i = 0; i < order.size(); ++i)
      for (size_t token : windows[order[i]])
        ++counts[i >= calibration.size()][token];
    return computeJensenShannon(counts[0], counts[1]);
  };

  TokenFit fit;
  fit.jensenShannon = compare();
  int64_t unseen = 0, all = 0;
  for (size_t i = 0; i < indices.size(); ++i) {
    all += counts[1][i];
    unseen += counts[0][i] == 0 ? counts[1][i] : 0;
  }
  fit.unseen = static_cast<double>(unseen) / all;
  constexpr int kDeals = 8;
  std::mt19937_64 random(1);
  for (int deal = 0; deal < kDeals; ++deal) {
    for (size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[random() % i]);
    fit.bySampling += compare() / kDeals;
  }
  return fit;
}

RangeFit terse::compareRanges(const TapStatistics &calibration, const TapStatistics &traffic) {
  RangeFit fit;
  fit.tap = calibration.name;
  fit.calibrationMax = *std::max_element(calibration.absMax.begin(), calibration.absMax.end());
  fit.trafficMax = *std::max_element(traffic.absMax.begin(), traffic.absMax.end());
  for (int64_t k = 0; k < calibration.size; ++k) {
    double a = calibration.absMean[k], b = traffic.absMean[k];
    fit.overlap += (a == b ? 1 : std::min(a, b) / std::max(a, b)) / calibration.size;
  }
  int64_t beyond = 0, all = 0;
  for (int64_t i = 0; i < kHistogramBins; ++i) {
    all += traffic.histogram[i];
    // The bin's edge that is nearer to 0.
    double step = 2.0 * traffic.limit / kHistogramBins, middle = kHistogramBins / 2;
    double least = (i < middle ? middle - 1 - i : i - middle) * step;
    beyond += least >= fit.calibrationMax ? traffic.histogram[i] : 0;
  }
  fit.beyond = static_cast<double>(beyond) / all;
  return fit;
}

std::string terse::describeMisfit(const TokenFit &fit) {
  if (fit.jensenShannon - fit.bySampling <= kMostDivergence)
    return "";
  return llvm::formatv("the calibration's tokens are unlike the traffic's: their divergence is {0:f3} bits, of which their number "
                       "explains {1:f3}; {2:f1} % of the traffic's tokens are not in the calibration",
                       fit.jensenShannon, fit.bySampling, 100 * fit.unseen)
      .str();
}

std::string terse::describeMisfit(llvm::ArrayRef<RangeFit> fits) {
  size_t numUnlike = 0, numBeyond = 0;
  const RangeFit *worst = nullptr, *farthest = nullptr;
  for (const RangeFit &fit : fits) {
    numUnlike += fit.overlap < kLeastOverlap;
    numBeyond += fit.beyond > kMostBeyond;
    if (!worst || fit.overlap < worst->overlap)
      worst = &fit;
    if (!farthest || fit.beyond > farthest->beyond)
      farthest = &fit;
  }
  std::string text;
  if (numUnlike)
    text = llvm::formatv("the inputs of {0} of {1} taps are of another size in the traffic than in the calibration (the ranges of "
                         "'{2}' overlap by {3:f0} %)",
                         numUnlike, fits.size(), worst->tap, 100 * worst->overlap)
               .str();
  if (numBeyond)
    text += (text.empty() ? "" : "; ") +
            llvm::formatv("the traffic's inputs of {0} of {1} taps go beyond the calibration's range ({2:f2} % of those of '{3}')",
                          numBeyond, fits.size(), 100 * farthest->beyond, farthest->tap)
                .str();
  return text;
}

std::string terse::describeMisfit(double calibrationPerplexity, double trafficPerplexity) {
  double ratio = trafficPerplexity / calibrationPerplexity;
  if (ratio <= kMostPerplexityRatio && ratio >= 1 / kMostPerplexityRatio)
    return "";
  return llvm::formatv("the original's perplexity is {0:f2} on the calibration, {1:f2} on the traffic", calibrationPerplexity,
                       trafficPerplexity)
      .str();
}
