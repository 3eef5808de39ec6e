//===- CompressionReport.h - what a compression did, for people -*- C++ -*-===//
#ifndef TERSE_REPORT_COMPRESSIONREPORT_H
#define TERSE_REPORT_COMPRESSIONREPORT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace terse {

/// What a compression did: the figures of a report. What is not known is absent,
/// never 0. A loss is a share: 0.01 is 1 %, of perplexity (ratio to the original
/// minus 1) unless `lossName` says of what. lib/Report/README.md lists the
/// fields' names in JSON.
struct CompressionReport {
  /// Something read or written.
  struct File {
    std::string name, sha256;
    std::optional<uint64_t> bytes;
  };
  /// One side of a comparison.
  struct Measured {
    std::string name;                         ///< of the recipe
    std::optional<uint64_t> artifactBytes, weightBytes;
    std::optional<double> bitsPerWeight;
    std::optional<double> perplexity, accuracy;
    /// Tokens a second of the whole machine, all sequences of a batch together.
    std::optional<double> prefillTokensPerSecond, decodeTokensPerSecond;
    std::optional<double> loadSeconds;
    std::optional<uint64_t> peakMemoryBytes;
  };
  /// What the quality was measured on, and how the two sides differ.
  struct Quality {
    std::optional<int64_t> tokens, windows, window;
    std::optional<double> loss, kl, top1Agreement; ///< kl in nats a token
    /// Of outputs, for what is no language model.
    std::optional<double> maxOverRange, relativeL2, argmaxAgreement;
    std::optional<double> promisedLoss; ///< at most this was promised
  };
  /// By how often the predicted token occurs (terse/Runtime/FrequencyBands.h).
  struct Band {
    std::string name;
    std::optional<double> mass;
    std::optional<int64_t> tokens;
    std::optional<double> perplexityBefore, perplexityAfter, loss, kl, top1Agreement;
    std::optional<double> promisedLoss; ///< at most this was promised
  };
  /// A pass of the compression, in their order.
  struct Pass {
    std::string name;
    std::optional<double> loss;  ///< after it, against the original
    std::optional<double> added; ///< by it
    std::optional<uint64_t> bytes; ///< of all weights after it
    bool keepsFunction = false;    ///< it adds nothing: not measured
  };
  struct Layer {
    std::string name, kind, format; ///< "groups of 32, scales f16"
    std::vector<int64_t> shape;
    std::optional<double> bits, bitsPerWeight;
    std::optional<uint64_t> bytesBefore, bytesAfter;
    std::optional<double> relativeError; ///< |W' - W| / |W|, Frobenius norms
    std::optional<double> loss;          ///< added with this layer alone compressed
  };
  /// A model of the Pareto plot.
  struct Point {
    std::string name;
    std::optional<uint64_t> bytes;
    std::optional<double> loss;
    std::optional<double> price; ///< what the objective counts, where that is not bytes: see `objective`
    bool chosen = false; ///< the one that this report is about
  };
  /// Activations at a tap (terse/Statistics/Statistics.h).
  struct Outlier {
    std::string tap;
    std::optional<double> absMax;  ///< of any channel
    std::optional<double> absMean; ///< mean over channels and tokens
    std::optional<double> ratio;   ///< of the largest channel's maximum to the median channel's
  };
  struct Text {
    std::string name, role, sha256; ///< role: "calibration", "traffic", "held-out"
    std::optional<int64_t> tokens;
    std::optional<double> perplexityBefore, perplexityAfter;
  };
  /// How unlike the tokens of two texts are.
  struct Distance {
    std::string from, to;
    std::optional<double> jensenShannon; ///< divergence in bits: 0 (same) to 1 (nothing common)
    std::optional<double> bySampling; ///< what it would be of two texts as long that are parts of one
    std::optional<double> unseen; ///< share of the tokens of `to` that `from` lacks
  };
  /// The input of a layer in calibration and traffic (terse/Calibrate/Fit.h).
  struct Range {
    std::string tap;
    std::optional<double> calibrationMax, trafficMax; ///< largest magnitudes
    std::optional<double> overlap, beyond;            ///< shares
  };
  /// What was not done, and why.
  struct Refusal {
    std::string what, why;
  };
  struct Fact {
    std::string pass, name, value;
  };
  /// What serving costs.
  struct Cost {
    std::optional<double> pricePerHour; ///< of the machine that the rates were measured on
    std::string currency = "$";
    std::optional<int64_t> promptTokens, completionTokens; ///< of a query
    std::optional<int64_t> batch; ///< sequences that the rates were measured with
    std::optional<double> compressionSeconds;
    std::optional<double> compressionPricePerHour; ///< absent: pricePerHour
  };

  std::string title, date, compiler, recipe, pipeline, lossName;
  std::optional<File> source, artifact, original;
  std::string recipeSha256;
  /// What a search made little: "size"; "latency": prices of points are seconds of the linear layers of a decode step; "cost": they are of 1000
  /// queries' linear layers, money where the price of an hour is known, else seconds. Empty: there was none.
  std::string objective;
  std::optional<Measured> before, after;
  std::optional<Quality> quality;
  std::vector<Band> bands;
  std::vector<Pass> passes;
  std::vector<Layer> layers;
  std::vector<Point> pareto;
  std::vector<Outlier> outliers;
  std::vector<Text> texts;
  std::vector<Distance> distances;
  std::vector<Range> ranges;
  std::vector<std::string> fitWarnings; ///< why the calibration does not fit the traffic
  std::vector<Refusal> refused;
  std::vector<Fact> facts;
  std::optional<Cost> cost;
};

/// What serving costs with one model, in the currency of `Cost`; absent where a
/// rate is not known.
struct ServingCost {
  std::optional<double> millionPromptTokens, millionCompletionTokens;
  std::optional<double> secondsPerQuery; ///< of the whole machine
  std::optional<double> thousandQueries;
};
ServingCost computeCost(const CompressionReport::Cost &cost, const CompressionReport::Measured &model);

/// When the compression has paid for itself.
struct BreakEven {
  double compressionCost = 0;
  double savedPerThousandQueries = 0; ///< not above 0: never
  double queries = 0, hours = 0;      ///< until then; hours at full load
  bool isReached() const { return savedPerThousandQueries > 0; }
};
std::optional<BreakEven> computeBreakEven(const CompressionReport &report);

/// What points are compared by beside their loss.
enum class ParetoMeasure { Bytes, Price };
std::optional<double> getMeasure(const CompressionReport::Point &point, ParetoMeasure measure);

/// The points that no other one is at least as small (or cheap) and as good as, from the least on.
std::vector<CompressionReport::Point> computeFront(llvm::ArrayRef<CompressionReport::Point> points,
                                                   ParetoMeasure measure = ParetoMeasure::Bytes);

/// Writes one self-contained HTML file. Nothing in it depends on anything but
/// `report`. Sections without data are left out.
void writeHtml(const CompressionReport &report, llvm::raw_ostream &os);

/// The same as JSON, with the costs and the front that follow ("computed").
llvm::json::Value toJson(const CompressionReport &report);
/// The inverse; "computed" is left aside. Errors name the place: a key that is
/// not known, a value of another kind.
llvm::Expected<CompressionReport> readReport(llvm::StringRef json);

/// Writes HTML to a file whose name ends in .html or .htm, JSON to .json; whole
/// or not at all.
llvm::Error writeReport(const CompressionReport &report, llvm::StringRef path);
/// Refuses a name that writeReport would.
llvm::Error checkReportPath(llvm::StringRef path);

} // namespace terse

#endif // TERSE_REPORT_COMPRESSIONREPORT_H
