//===- CostSection.cpp - what serving costs -------------------------------===//
#include "Sections.h"

#include "Page.h"
#include "Plot.h"

#include <algorithm>
#include <cmath>

using namespace terse;
using namespace terse::report;

static std::string formatWhole(double value) {
  return formatNumber(std::round(value), std::fabs(value) < 10 ? 1 : int(std::log10(std::fabs(value))) + 1);
}

void report::writeCost(const CompressionReport &report, llvm::raw_ostream &os) {
  if (!report.cost)
    return;
  const CompressionReport::Cost &cost = *report.cost;
  ServingCost before, after;
  if (report.before)
    before = computeCost(cost, *report.before);
  if (report.after)
    after = computeCost(cost, *report.after);
  Table table({{"", Table::Align::Text}, {"before"}, {"after"}, {"change"}});
  auto row = [&](const std::string &name, std::optional<double> from, std::optional<double> to, auto format) {
    if (!from && !to)
      return;
    table.addRow();
    table.add(name);
    table.add(from ? format(*from) : "");
    table.add(to ? format(*to) : "");
    table.add(from && to && *from > 0 ? formatPercent(*to / *from - 1, true) : "");
  };
  auto money = [&](double value) { return formatMoney(value, cost.currency); };
  std::string query;
  if (cost.promptTokens)
    query += formatWhole(double(*cost.promptTokens)) + " prompt";
  if (cost.completionTokens)
    query += (query.empty() ? "" : " + ") + formatWhole(double(*cost.completionTokens)) + " completion";
  row("1,000,000 prompt tokens", before.millionPromptTokens, after.millionPromptTokens, money);
  row("1,000,000 completion tokens", before.millionCompletionTokens, after.millionCompletionTokens, money);
  row("1,000 queries of " + query + " tokens", before.thousandQueries, after.thousandQueries, money);
  row("machine time of a query", before.secondsPerQuery, after.secondsPerQuery,
      [](double value) { return formatTime(value); });
  if (table.isEmpty())
    return;
  os << "<p>";
  if (cost.pricePerHour)
    os << "At " << money(*cost.pricePerHour) << " an hour, fully loaded";
  else
    os << "Fully loaded";
  if (cost.batch)
    os << ", " << (*cost.batch == 1 ? "one sequence" : formatWhole(double(*cost.batch)) + " sequences") << " at a time";
  os << ".</p>\n";
  table.print(os);
  std::optional<BreakEven> even = computeBreakEven(report);
  if (!even)
    return;
  if (!even->isReached()) {
    os << "<p>The compression took " << formatTime(*cost.compressionSeconds) << " (" << money(even->compressionCost)
       << ") and never pays for itself: serving does not become cheaper.</p>\n";
    return;
  }
  os << "<p>The compression took " << formatTime(*cost.compressionSeconds) << " (" << money(even->compressionCost)
     << ") and has paid for itself after <b>" << formatWhole(std::ceil(even->queries)) << " queries</b>, "
     << formatTime(even->hours * 3600) << " of full load.</p>\n";
  LinePlot plot;
  plot.title = "cost of queries before and after, with that of the compression";
  plot.xAxis = "queries";
  plot.yAxis = "cost, " + cost.currency;
  plot.xFormat = formatWhole;
  double most = std::max(2.5 * even->queries, 10.);
  double top = *before.thousandQueries * most / 1000;
  plot.yFormat = [top](double value) {
    return value == 0 ? "0" : formatNumber(value, std::max(1, 2 + int(std::floor(std::log10(value / top)))));
  };
  plot.lines.push_back({"before", {{0, 0}, {most, top}}});
  plot.lines.push_back(
      {"after", {{0, even->compressionCost}, {most, even->compressionCost + *after.thousandQueries * most / 1000}}});
  plot.marks.push_back(
      {formatWhole(std::ceil(even->queries)) + " queries", even->queries, *before.thousandQueries * even->queries / 1000, true});
  writeFigure(os, "Cost over queries, the compression included", drawLines(plot));
}
