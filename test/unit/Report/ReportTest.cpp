//===- ReportTest.cpp - figures of a report ---------------------*- C++ -*-===//
#include "terse/Report/CompressionReport.h"

#include <gtest/gtest.h>

namespace {

using namespace terse;

CompressionReport::Measured withRates(double prefill, double decode) {
  CompressionReport::Measured side;
  side.prefillTokensPerSecond = prefill;
  side.decodeTokensPerSecond = decode;
  return side;
}

TEST(Report, CostsFollowFromRates) {
  CompressionReport::Cost cost;
  cost.pricePerHour = 7.2;
  cost.promptTokens = 300;
  cost.completionTokens = 50;
  ServingCost serving = computeCost(cost, withRates(1000, 100));
  // 0.002 a second.
  EXPECT_DOUBLE_EQ(*serving.millionPromptTokens, 2);
  EXPECT_DOUBLE_EQ(*serving.millionCompletionTokens, 20);
  EXPECT_DOUBLE_EQ(*serving.secondsPerQuery, 0.8);
  EXPECT_DOUBLE_EQ(*serving.thousandQueries, 1.6);
}

TEST(Report, WhatIsNotKnownIsAbsent) {
  CompressionReport::Cost cost;
  cost.promptTokens = 300;
  cost.completionTokens = 50;
  ServingCost serving = computeCost(cost, withRates(1000, 100));
  EXPECT_FALSE(serving.millionPromptTokens);
  EXPECT_FALSE(serving.thousandQueries);
  EXPECT_TRUE(serving.secondsPerQuery);
  cost.pricePerHour = 1;
  CompressionReport::Measured half;
  half.prefillTokensPerSecond = 1000;
  EXPECT_FALSE(computeCost(cost, half).secondsPerQuery);
  EXPECT_FALSE(computeCost(cost, half).millionCompletionTokens);
  cost.completionTokens = 0;
  EXPECT_TRUE(computeCost(cost, half).secondsPerQuery);
  EXPECT_FALSE(computeCost(cost, withRates(0, 100)).secondsPerQuery);
}

TEST(Report, CompressionPaysForItselfOrNever) {
  CompressionReport report;
  EXPECT_FALSE(computeBreakEven(report));
  report.cost.emplace();
  report.cost->pricePerHour = 3600; // 1 a second
  report.cost->promptTokens = 0;
  report.cost->completionTokens = 100;
  report.cost->compressionSeconds = 60;
  report.before = withRates(1000, 50);
  report.after = withRates(1000, 100);
  std::optional<BreakEven> even = computeBreakEven(report);
  ASSERT_TRUE(even);
  EXPECT_DOUBLE_EQ(even->compressionCost, 60);
  EXPECT_DOUBLE_EQ(even->savedPerThousandQueries, 1000);
  EXPECT_DOUBLE_EQ(even->queries, 60);
  EXPECT_DOUBLE_EQ(even->hours, 60. / 3600);
  report.cost->compressionPricePerHour = 36000;
  EXPECT_DOUBLE_EQ(computeBreakEven(report)->queries, 600);
  std::swap(report.before, report.after);
  EXPECT_FALSE(computeBreakEven(report)->isReached());
}

TEST(Report, TheFrontHasNoPointThatAnotherBeats) {
  auto point = [](const char *name, uint64_t bytes, std::optional<double> loss) {
    CompressionReport::Point result;
    result.name = name;
    result.bytes = bytes;
    result.loss = loss;
    return result;
  };
  std::vector<CompressionReport::Point> points = {
      point("large", 100, 0.0),  point("same loss, larger", 90, 0.01), point("middle", 50, 0.01),
      point("same size", 50, 0.02), point("unknown", 1, std::nullopt),    point("small", 10, 0.5)};
  std::string names;
  for (const CompressionReport::Point &on : computeFront(points))
    names += on.name + ",";
  EXPECT_EQ(names, "small,middle,large,");
  EXPECT_TRUE(computeFront({}).empty());
  // By price, of those that have one.
  for (auto [index, price] : {std::pair(0, 5.0), {2, 2.0}, {3, 1.0}})
    points[index].price = price;
  names.clear();
  for (const CompressionReport::Point &on : computeFront(points, ParetoMeasure::Price))
    names += on.name + ",";
  EXPECT_EQ(names, "same size,middle,large,");
}

TEST(Report, JsonGivesTheSameReportAgain) {
  CompressionReport report;
  report.title = "a \"title\"";
  report.source = {{"model.onnx", "00ff", 12345678901ull}};
  report.layers.emplace_back();
  report.layers.back().shape = {4, 5};
  report.layers.back().relativeError = 0.1 + 0.2;
  report.quality.emplace();
  report.quality->loss = -0.25;
  std::string first, second;
  llvm::raw_string_ostream(first) << toJson(report);
  llvm::Expected<CompressionReport> again = readReport(first);
  ASSERT_TRUE(bool(again)) << llvm::toString(again.takeError());
  llvm::raw_string_ostream(second) << toJson(*again);
  EXPECT_EQ(first, second);
  EXPECT_EQ(*again->source->bytes, 12345678901ull);
  EXPECT_EQ(*again->layers[0].relativeError, 0.1 + 0.2);
  EXPECT_FALSE(again->before);
  std::string page, samePage;
  llvm::raw_string_ostream pageStream(page), sameStream(samePage);
  writeHtml(report, pageStream);
  writeHtml(*again, sameStream);
  EXPECT_EQ(page, samePage);
}

TEST(Report, UnknownKeysAndKindsAreErrors) {
  auto error = [](llvm::StringRef text) { return llvm::toString(readReport(text).takeError()); };
  EXPECT_EQ(error("{\"titel\": \"x\"}"), "unknown key 'titel'");
  EXPECT_EQ(error("{\"layers\": [{}, {\"bits\": \"4\"}]}"), "expected 'layers[1].bits' to be a number");
  EXPECT_EQ(error("{\"source\": {\"bytes\": -1}}"), "expected 'source.bytes' to be a whole number of at least 0");
  EXPECT_EQ(error("[]"), "expected a JSON object");
}

} // namespace
