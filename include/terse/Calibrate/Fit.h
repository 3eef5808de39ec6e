//===- Fit.h - is a calibration like the traffic? ---------------*- C++ -*-===//
#ifndef TERSE_CALIBRATE_FIT_H
#define TERSE_CALIBRATE_FIT_H

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <string>
#include <vector>

namespace terse {

struct TapStatistics;

/// Windows of token ids.
using TokenWindows = std::vector<std::vector<int32_t>>;

/// How unlike the tokens of a calibration and of the traffic are.
struct TokenFit {
  double jensenShannon = 0; ///< divergence (Lin, 1991) in bits: 0 (same) to 1 (nothing common)
  /// What it comes to on average where the windows of both are put together and dealt out again: so much is due to their
  /// number alone, however like they are.
  double bySampling = 0;
  double unseen = 0; ///< share of the traffic's tokens that the calibration lacks
};
TokenFit compareTokens(const TokenWindows &calibration, const TokenWindows &traffic);

/// How unlike the input of a layer is in both.
struct RangeFit {
  std::string tap;
  double calibrationMax = 0, trafficMax = 0; ///< largest magnitudes
  /// Of the ranges of mean magnitude: smaller over larger, mean over channels. 1: the same.
  double overlap = 0;
  double beyond = 0; ///< share of the traffic's values beyond the calibration's largest magnitude, at least
};
/// Of two taps with means, maxima and histograms, and as many channels.
RangeFit compareRanges(const TapStatistics &calibration, const TapStatistics &traffic);

/// What is to be said against a calibration; empty: nothing. Perplexities are the original's.
std::string describeMisfit(const TokenFit &fit);
std::string describeMisfit(llvm::ArrayRef<RangeFit> fits);
std::string describeMisfit(double calibrationPerplexity, double trafficPerplexity);

} // namespace terse

#endif // TERSE_CALIBRATE_FIT_H
