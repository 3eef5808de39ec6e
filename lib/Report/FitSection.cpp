//===- FitSection.cpp - how calibration data fit the traffic --------------===//
#include "Sections.h"

#include "Page.h"
#include "Plot.h"

#include <algorithm>
#include <cmath>

using namespace terse;
using namespace terse::report;

static std::string formatFour(double value) { return formatNumber(value, 4); }
static std::string formatShare(double value) { return formatPercent(value); }
static std::string formatWhole(double value) {
  return formatNumber(value, std::fabs(value) < 10 ? 1 : int(std::log10(std::fabs(value))) + 1);
}

static void writeTexts(const CompressionReport &report, llvm::raw_ostream &os) {
  if (report.texts.empty())
    return;
  Table table({{"text", Table::Align::Code}, {"role", Table::Align::Text}, {"tokens"}, {"perplexity, original"},
               {"compressed"}, {"loss"}});
  for (const CompressionReport::Text &text : report.texts) {
    table.addRow();
    table.add(escape(text.name));
    table.add(escape(text.role));
    table.add(text.tokens, formatWhole);
    table.add(text.perplexityBefore, formatFour);
    table.add(text.perplexityAfter, formatFour);
    table.add(text.perplexityBefore && text.perplexityAfter && *text.perplexityBefore > 0
                  ? formatPercent(*text.perplexityAfter / *text.perplexityBefore - 1, true)
                  : "");
  }
  table.print(os);
}

static void writeDistances(const CompressionReport &report, llvm::raw_ostream &os) {
  if (report.distances.empty())
    return;
  Table table({{"from", Table::Align::Text}, {"to", Table::Align::Text}, {"Jensen-Shannon divergence, bits"},
               {"by the number of tokens alone"}, {"tokens that are not in the first"}});
  for (const CompressionReport::Distance &distance : report.distances) {
    table.addRow();
    table.add(escape(distance.from));
    table.add(escape(distance.to));
    table.add(distance.jensenShannon, formatFour);
    table.add(distance.bySampling, formatFour);
    table.add(distance.unseen, formatShare);
  }
  os << "<p>How unlike the texts' tokens are: 0 where they are distributed alike, 1 where they have none in "
        "common. Two short texts are never quite alike: beside it, what the divergence would be were both drawn from the same "
        "text.</p>\n";
  table.print(os);
}

static void writeRanges(const CompressionReport &report, llvm::raw_ostream &os) {
  if (report.ranges.empty())
    return;
  std::vector<CompressionReport::Range> sorted = report.ranges;
  std::sort(sorted.begin(), sorted.end(), [](const auto &a, const auto &b) {
    return std::pair(a.overlap.value_or(2), a.tap) < std::pair(b.overlap.value_or(2), b.tap);
  });
  os << "<p>The inputs of layers: how far the ranges of their channels (mean magnitudes) overlap in both, smaller over larger; and "
        "what share of the traffic's values is beyond the largest one of the calibration, where static ranges cut it off.</p>\n";
  BarPlot plot;
  plot.title = plot.axis = "overlap of ranges, calibration and traffic";
  plot.format = [](double value) { return formatNumber(value, 3); };
  plot.tickFormat = [](double value) { return value == 0 ? "0" : formatNumber(value, 2); };
  for (const CompressionReport::Range &range : sorted)
    if (range.overlap && plot.bars.size() < 16)
      plot.bars.push_back({range.tap, *range.overlap});
  if (!plot.bars.empty())
    writeFigure(os, plot.bars.size() < sorted.size() ? "The 16 taps whose ranges overlap least" : "Overlap of ranges by tap",
                drawBars(plot));
  Table table({{"tap", Table::Align::Code}, {"largest, calibration"}, {"traffic"}, {"overlap"}, {"beyond"}});
  for (const CompressionReport::Range &range : sorted) {
    table.addRow();
    table.add(escape(range.tap));
    table.add(range.calibrationMax, formatFour);
    table.add(range.trafficMax, formatFour);
    table.add(range.overlap, formatShare);
    table.add(range.beyond, formatShare);
  }
  if (sorted.size() > 16)
    os << "<details><summary>all " << sorted.size() << " taps</summary>\n";
  table.print(os);
  if (sorted.size() > 16)
    os << "</details>\n";
}

void report::writeFit(const CompressionReport &report, llvm::raw_ostream &os) {
  for (const std::string &warning : report.fitWarnings)
    os << "<p class=\"verdict broken\"><b>Warning:</b> " << escape(warning) << ".</p>\n";
  writeTexts(report, os);
  writeDistances(report, os);
  writeRanges(report, os);
}
