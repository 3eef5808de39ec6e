//===- LossSections.cpp - where the loss comes from -----------------------===//
#include "Sections.h"

#include "Page.h"
#include "Plot.h"

#include <algorithm>
#include <cmath>
#include <tuple>

using namespace terse;
using namespace terse::report;

static std::string formatFour(double value) { return formatNumber(value, 4); }
static std::string formatShare(double value) { return formatPercent(value); }
static std::string formatSigned(double value) { return formatPercent(value, true); }
static std::string formatWhole(double value) {
  return formatNumber(std::round(value), std::fabs(value) < 10 ? 1 : int(std::log10(std::fabs(value))) + 1);
}
std::string report::getBandName(llvm::StringRef name) {
  if (name == "rarest_1")
    return "rarest 1 % of tokens";
  if (name == "rarest_10")
    return "1 % to 10 %";
  if (name == "rest")
    return "the rest";
  return name.str();
}

void report::writeBands(const CompressionReport &report, llvm::raw_ostream &os) {
  if (report.bands.empty())
    return;
  os << "<p>Low precision forgets rare patterns first, and a mean hides it. Tokens are sorted by how often they occur; "
        "the bands are shares of the text that they were counted in.</p>\n";
  BarPlot plot;
  plot.title = plot.axis = "loss of " + getLossName(report) + " by the frequency of the predicted token, %";
  plot.format = formatShare;
  plot.tickFormat = formatShareTick;
  Table table({{"predicted token", Table::Align::Text}, {"share of the text"}, {"tokens"}, {"perplexity, original"},
               {"compressed"}, {"loss"}, {"promised at most"}, {"KL, nats"}, {"same likeliest"}});
  for (const CompressionReport::Band &band : report.bands) {
    table.addRow();
    table.add(escape(getBandName(band.name)));
    table.add(band.mass, formatShare);
    table.add(band.tokens, formatWhole);
    table.add(band.perplexityBefore, formatFour);
    table.add(band.perplexityAfter, formatFour);
    table.add(band.loss, formatSigned);
    table.add(band.promisedLoss, formatShare);
    table.add(band.kl, formatFour);
    table.add(band.top1Agreement, formatShare);
    if (band.loss)
      plot.bars.push_back({getBandName(band.name), *band.loss});
  }
  if (!plot.bars.empty())
    writeFigure(os, "Loss by token frequency", drawBars(plot));
  table.print(os);
}

void report::writePasses(const CompressionReport &report, llvm::raw_ostream &os) {
  if (report.passes.empty())
    return;
  BarPlot plot;
  plot.title = plot.axis = "loss of " + getLossName(report) + " that the pass adds, %";
  plot.format = formatShare;
  plot.tickFormat = formatShareTick;
  Table table({{"pass", Table::Align::Code}, {"weights after it"}, {"loss added"}, {"loss so far"}});
  for (const CompressionReport::Pass &pass : report.passes) {
    table.addRow();
    table.add(escape(pass.name));
    table.add(pass.bytes, formatSize);
    if (pass.keepsFunction)
      table.add("keeps the function");
    else
      table.add(pass.added, formatSigned);
    table.add(pass.loss, formatSigned);
    if (pass.added)
      plot.bars.push_back({pass.name, *pass.added});
  }
  if (!plot.bars.empty())
    writeFigure(os, "Loss that each pass adds", drawBars(plot));
  table.print(os);
}

/// The layers with the largest values of `member`, as bars.
static void drawWorst(const CompressionReport &report, std::optional<double> CompressionReport::Layer::*member,
                      const std::string &caption, const std::string &axis, llvm::raw_ostream &os) {
  BarPlot plot;
  plot.title = plot.axis = axis;
  plot.format = formatShare;
  plot.tickFormat = formatShareTick;
  for (const CompressionReport::Layer &layer : report.layers)
    if (layer.*member)
      plot.bars.push_back({layer.name, *(layer.*member)});
  if (plot.bars.empty())
    return;
  std::sort(plot.bars.begin(), plot.bars.end(), [](const auto &a, const auto &b) {
    return std::tie(b.value, a.name) < std::tie(a.value, b.name);
  });
  size_t all = plot.bars.size();
  if (all > 16)
    plot.bars.resize(16);
  writeFigure(os, caption + (all > 16 ? ": the 16 worst layers of " + std::to_string(all) : ", worst first"),
              drawBars(plot));
}

void report::writeLayers(const CompressionReport &report, llvm::raw_ostream &os) {
  if (report.layers.empty())
    return;
  drawWorst(report, &CompressionReport::Layer::loss, "Loss with this layer alone compressed",
            "loss of " + getLossName(report) + " with this layer alone compressed, %", os);
  drawWorst(report, &CompressionReport::Layer::relativeError, "Relative error of the weights",
            "|compressed − original| / |original|, Frobenius norms, %", os);
  Table table({{"layer", Table::Align::Code}, {"kind", Table::Align::Text}, {"shape"}, {"bits"},
               {"format", Table::Align::Text}, {"bytes before"}, {"after"}, {"bits a weight"}, {"relative error"},
               {"loss"}});
  for (const CompressionReport::Layer &layer : report.layers) {
    table.addRow();
    table.add(escape(layer.name));
    table.add(escape(layer.kind));
    std::string shape;
    for (int64_t size : layer.shape)
      shape += (shape.empty() ? "" : " × ") + std::to_string(size);
    table.add(shape);
    table.add(layer.bits, [](double bits) {
      return bits == std::floor(bits) ? std::to_string(int64_t(bits)) : formatNumber(bits, 3);
    });
    table.add(escape(layer.format));
    table.add(layer.bytesBefore, formatSize);
    table.add(layer.bytesAfter, formatSize);
    table.add(layer.bitsPerWeight, [](double bits) { return formatNumber(bits, 3); });
    table.add(layer.relativeError, formatShare);
    table.add(layer.loss, formatSigned);
  }
  bool many = report.layers.size() > 16;
  if (many)
    os << "<details open><summary>all " << report.layers.size() << " layers</summary>\n";
  table.print(os);
  if (many)
    os << "</details>\n";
}
