//===- ParetoSection.cpp - loss against size, time or price ---------------===//
#include "Sections.h"

#include "Page.h"
#include "Plot.h"

#include <algorithm>
#include <cmath>

using namespace terse;
using namespace terse::report;

static std::string formatSigned(double value) { return formatPercent(value, true); }
static std::string formatWhole(double value) {
  return formatNumber(std::round(value), std::fabs(value) < 10 ? 1 : int(std::log10(std::fabs(value))) + 1);
}

namespace {
/// What the horizontal axis is.
struct Measure {
  ParetoMeasure measure;
  std::string name, axis;  ///< "size"; "size of the artifact, MB"
  double unit;             ///< of the axis
  std::string (*format)(double);
};
} // namespace

static Measure getBytes(const CompressionReport &report) {
  double most = 0;
  for (const CompressionReport::Point &point : report.pareto)
    most = std::max(most, point.loss ? double(point.bytes.value_or(0)) : 0);
  return {ParetoMeasure::Bytes, "size", most >= 2e9 ? "size of the artifact, GB" : "size of the artifact, MB", most >= 2e9 ? 1e9 : 1e6, formatSize};
}

static Measure getPrice(const CompressionReport &report) {
  if (report.objective != "cost")
    return {ParetoMeasure::Price, "time of a decode step", "linear layers of a decode step, µs", 1e-6, formatTime};
  if (report.cost && report.cost->pricePerHour) {
    static thread_local std::string currency;
    currency = report.cost->currency;
    return {ParetoMeasure::Price, "price", "linear layers of 1,000 queries, " + currency, 1,
            [](double value) { return formatMoney(value, currency); }};
  }
  return {ParetoMeasure::Price, "time of queries", "linear layers of 1,000 queries, seconds of the machine", 1, formatTime};
}

static void drawFront(const CompressionReport &report, const Measure &measure, llvm::raw_ostream &os) {
  PointPlot plot;
  plot.title = "loss of " + getLossName(report) + " against " + measure.name;
  plot.xAxis = measure.axis;
  plot.yAxis = "loss of " + getLossName(report) + ", %";
  plot.xFormat = [unit = measure.unit](double value) {
    double inUnits = value / unit;
    return inUnits == std::floor(inUnits) ? formatWhole(inUnits) : formatNumber(inUnits, 3);
  };
  plot.yFormat = formatShareTick;
  double largest = 0, smallest = INFINITY;
  for (const CompressionReport::Point &point : report.pareto) {
    std::optional<double> x = getMeasure(point, measure.measure);
    if (!x || !point.loss)
      continue;
    plot.points.push_back({point.name, *x, *point.loss, point.chosen});
    if (*point.loss != 0) {
      largest = std::max(largest, std::fabs(*point.loss));
      smallest = std::min(smallest, std::fabs(*point.loss));
    }
  }
  plot.isYLogarithmic = largest > 20 * smallest;
  for (const CompressionReport::Point &point : computeFront(report.pareto, measure.measure))
    plot.line.emplace_back(*getMeasure(point, measure.measure), *point.loss);
  if (plot.points.size() > 1)
    writeFigure(os, "Loss against " + measure.name + " (dashed: the front" + (plot.isYLogarithmic ? "; the loss is logarithmic above 0)" : ")"),
                drawPoints(plot));
}

void report::writePareto(const CompressionReport &report, llvm::raw_ostream &os) {
  if (report.pareto.empty())
    return;
  std::vector<Measure> measures{getBytes(report)};
  if (!report.objective.empty() && report.objective != "size")
    measures.insert(measures.begin(), getPrice(report));
  std::vector<Table::Column> columns{{"model", Table::Align::Code}};
  for (const Measure &measure : measures) {
    drawFront(report, measure, os);
    columns.push_back({measure.name});
  }
  columns.insert(columns.end(), {{"loss"}, {"on the front", Table::Align::Text}});
  Table table(std::move(columns));
  std::vector<CompressionReport::Point> front = computeFront(report.pareto, measures.front().measure);
  for (const CompressionReport::Point &point : report.pareto) {
    table.addRow();
    table.add(point.chosen ? "<b>" + escape(point.name) + "</b>" : escape(point.name));
    for (const Measure &measure : measures)
      table.add(getMeasure(point, measure.measure), measure.format);
    table.add(point.loss, formatSigned);
    bool isOn = std::any_of(front.begin(), front.end(), [&](const auto &other) { return other.name == point.name; });
    table.add(isOn ? "yes" : "no");
  }
  table.print(os);
}
