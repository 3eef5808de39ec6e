//===- FillFit.cpp - a report of how a calibration fits -------------------===//
#include "FillFit.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace terse;
using llvm::Error;

static void addText(CompressionReport &report, const CalibrationRecord::Text &from, const char *role) {
  CompressionReport::Text &text = report.texts.emplace_back();
  text.name = from.name;
  text.role = role;
  text.sha256 = from.sha256;
  int64_t tokens = 0;
  for (const std::vector<int32_t> &window : from.windows)
    tokens += window.size();
  if (!from.windows.empty()) // else it is samples of other inputs
    text.tokens = tokens;
}

void terse::fillFit(CompressionReport &report, const CalibrationRecord &calibration) {
  addText(report, calibration.calibration, "calibration");
  if (!calibration.traffic)
    return;
  addText(report, *calibration.traffic, "traffic");
  if (calibration.tokens) {
    CompressionReport::Distance &distance = report.distances.emplace_back();
    distance.from = "calibration";
    distance.to = "traffic";
    distance.jensenShannon = calibration.tokens->jensenShannon;
    distance.bySampling = calibration.tokens->bySampling;
    distance.unseen = calibration.tokens->unseen;
  }
  for (const RangeFit &fit : calibration.ranges)
    report.ranges.push_back({fit.tap, fit.calibrationMax, fit.trafficMax, fit.overlap, fit.beyond});
  report.fitWarnings = calibration.warnings;
}

/// Perplexities of the original and of `model`. Windows are of different places: none predicts the next one's beginning.
static llvm::Expected<std::pair<double, double>> measure(llvm::ArrayRef<std::vector<int32_t>> windows, const terse_model *model,
                                                         const terse_model *original, int32_t threads,
                                                         const std::atomic<bool> &cancelled) {
  double sums[2] = {};
  for (const std::vector<int32_t> &window : windows) {
    terse_quality_options how = TERSE_QUALITY_OPTIONS_INIT;
    how.threads = threads;
    how.window = window.size() - 1;
    llvm::Expected<terse_perplexity> result = measureQuality(model, original, how, window, cancelled);
    if (!result)
      return result.takeError();
    sums[0] += std::log(result->perplexity / result->perplexity_ratio);
    sums[1] += std::log(result->perplexity);
  }
  return std::pair(std::exp(sums[0] / windows.size()), std::exp(sums[1] / windows.size()));
}

Error terse::measureFit(CompressionReport &report, const CalibrationRecord &calibration, const terse_model *model,
                        const terse_model *original, int32_t threads, CompileListener &listener) {
  // Of samples that are no tokens there is no perplexity.
  if (calibration.calibration.windows.empty())
    return Error::success();
  listener.onMessage({Message::Kind::Progress, "", "measure quality on calibration and traffic"});
  const size_t most = calibration.traffic->windows.size();
  std::string said = "fit: perplexity";
  double ofOriginal[2] = {};
  for (auto [index, text] : {std::pair(0, &calibration.calibration), std::pair(1, &*calibration.traffic)}) {
    // Spread over the text: its files come one after the other.
    std::vector<std::vector<int32_t>> windows;
    size_t count = std::min(most, text->windows.size());
    for (size_t i = 0; i < count; ++i)
      windows.push_back(text->windows[i * text->windows.size() / count]);
    if (windows.front().size() < 2)
      return Error::success();
    auto perplexities = measure(windows, model, original, threads, listener.cancelled);
    if (!perplexities)
      return llvm::createStringError("'" + text->name + "': " + llvm::toString(perplexities.takeError()));
    const char *role = index ? "traffic" : "calibration";
    auto row = llvm::find_if(report.texts, [&](const CompressionReport::Text &row) { return row.role == role; });
    std::tie(row->perplexityBefore, row->perplexityAfter) = *perplexities;
    ofOriginal[index] = perplexities->first;
    said += llvm::formatv("{0} on the {1} {2:f4} to {3:f4} ({4:f2} %)", index ? ";" : "", role, perplexities->first,
                          perplexities->second, 100 * (perplexities->second / perplexities->first - 1))
                .str();
  }
  listener.onMessage({Message::Kind::Report, "", said});
  if (std::string text = describeMisfit(ofOriginal[0], ofOriginal[1]); !text.empty()) {
    listener.onMessage({Message::Kind::Warning, "", text});
    report.fitWarnings.push_back(text);
  }
  return Error::success();
}
