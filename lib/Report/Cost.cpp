//===- Cost.cpp - what follows from a report's figures --------------------===//
#include "terse/Report/CompressionReport.h"

#include "llvm/ADT/STLExtras.h"

#include <tuple>

using namespace terse;

ServingCost terse::computeCost(const CompressionReport::Cost &cost, const CompressionReport::Measured &model) {
  ServingCost result;
  auto isRate = [](std::optional<double> rate) { return rate && *rate > 0; };
  double perSecond = cost.pricePerHour.value_or(0) / 3600;
  if (cost.pricePerHour && isRate(model.prefillTokensPerSecond))
    result.millionPromptTokens = 1e6 / *model.prefillTokensPerSecond * perSecond;
  if (cost.pricePerHour && isRate(model.decodeTokensPerSecond))
    result.millionCompletionTokens = 1e6 / *model.decodeTokensPerSecond * perSecond;
  // A query takes its share of the machine.
  double seconds = 0;
  for (auto [tokens, rate] : {std::pair(cost.promptTokens, model.prefillTokensPerSecond),
                              std::pair(cost.completionTokens, model.decodeTokensPerSecond)}) {
    if (!tokens || (*tokens > 0 && !isRate(rate)))
      return result;
    if (*tokens > 0)
      seconds += double(*tokens) / *rate;
  }
  result.secondsPerQuery = seconds;
  if (cost.pricePerHour)
    result.thousandQueries = 1000 * seconds * perSecond;
  return result;
}

std::optional<BreakEven> terse::computeBreakEven(const CompressionReport &report) {
  if (!report.cost || !report.before || !report.after || !report.cost->compressionSeconds)
    return std::nullopt;
  ServingCost before = computeCost(*report.cost, *report.before), after = computeCost(*report.cost, *report.after);
  std::optional<double> price =
      report.cost->compressionPricePerHour ? report.cost->compressionPricePerHour : report.cost->pricePerHour;
  if (!before.thousandQueries || !after.thousandQueries || !price)
    return std::nullopt;
  BreakEven result;
  result.compressionCost = *report.cost->compressionSeconds / 3600 * *price;
  result.savedPerThousandQueries = *before.thousandQueries - *after.thousandQueries;
  if (result.isReached()) {
    result.queries = 1000 * result.compressionCost / result.savedPerThousandQueries;
    result.hours = result.queries * *after.secondsPerQuery / 3600;
  }
  return result;
}

std::optional<double> terse::getMeasure(const CompressionReport::Point &point, ParetoMeasure measure) {
  if (measure == ParetoMeasure::Price)
    return point.price;
  return point.bytes ? std::optional<double>(double(*point.bytes)) : std::nullopt;
}

std::vector<CompressionReport::Point> terse::computeFront(llvm::ArrayRef<CompressionReport::Point> points, ParetoMeasure measure) {
  std::vector<CompressionReport::Point> known, front;
  for (const CompressionReport::Point &point : points)
    if (getMeasure(point, measure) && point.loss)
      known.push_back(point);
  llvm::sort(known, [&](const auto &a, const auto &b) {
    return std::tuple(*getMeasure(a, measure), *a.loss, a.name) < std::tuple(*getMeasure(b, measure), *b.loss, b.name);
  });
  for (CompressionReport::Point &point : known)
    if (front.empty() || *point.loss < *front.back().loss)
      front.push_back(std::move(point));
  return front;
}
