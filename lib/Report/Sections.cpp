//===- Sections.cpp - what was compiled, before and after, and the rest ---===//
#include "Sections.h"

#include "Page.h"
#include "Plot.h"

#include <algorithm>
#include <cctype>
#include <cmath>

using namespace terse;
using namespace terse::report;

static constexpr Section sections[] = {
    {"comparison", "Before and after", writeComparison},
    {"cost", "What serving costs", writeCost},
    {"bands", "Loss by token frequency", writeBands},
    {"pareto", "Size and speed against loss", writePareto},
    {"passes", "Loss by pass", writePasses},
    {"layers", "Layers", writeLayers},
    {"outliers", "Activation outliers", writeOutliers},
    {"fit", "Calibration fit", writeFit},
    {"refused", "Not done, and why", writeRefused},
    {"identity", "What was compiled", writeIdentity},
    {"facts", "What each pass did", writeFacts},
};

llvm::ArrayRef<Section> report::getSections() { return sections; }

void report::writeFigure(llvm::raw_ostream &os, llvm::StringRef caption, llvm::StringRef svg) {
  os << "<figure>\n<figcaption>" << escape(caption) << "</figcaption>\n" << svg << "</figure>\n";
}

std::string report::formatShareTick(double share) {
  std::string text = formatPercent(share);
  size_t dot = text.find('.'), space = text.find("\u00a0");
  if (dot == std::string::npos || space == std::string::npos)
    return text;
  size_t end = space;
  while (text[end - 1] == '0')
    --end;
  if (text[end - 1] == '.')
    --end;
  return text.substr(0, end) + text.substr(space);
}

std::string report::getLossName(const CompressionReport &report) {
  return report.lossName.empty() ? "perplexity" : report.lossName;
}

static std::string formatRatio(double ratio) { return formatNumber(ratio, 3) + "×"; }
static std::string formatFour(double value) { return formatNumber(value, 4); }
static std::string formatFive(double value) { return formatNumber(value, 5); }
static std::string formatRate(double value) { return formatNumber(value, 3) + " tokens/s"; }
static std::string formatShare(double value) { return formatPercent(value); }
static std::string formatCount(double value) {
  return formatNumber(value, std::fabs(value) < 10 ? 1 : int(std::log10(std::fabs(value))) + 1);
}

void report::writeSummary(const CompressionReport &report, llvm::raw_ostream &os) {
  std::string cards;
  llvm::raw_string_ostream stream(cards);
  auto card = [&](const std::string &figure, const std::string &what) {
    stream << "<div class=\"card\"><b>" << figure << "</b><span>" << what << "</span></div>\n";
  };
  static const CompressionReport::Measured none;
  const auto &before = report.before ? *report.before : none, &after = report.after ? *report.after : none;
  if (before.artifactBytes && after.artifactBytes && *after.artifactBytes)
    card(formatRatio(double(*before.artifactBytes) / double(*after.artifactBytes)) + " smaller",
         formatSize(double(*before.artifactBytes)) + " → " + formatSize(double(*after.artifactBytes)));
  else if (after.artifactBytes)
    card(formatSize(double(*after.artifactBytes)), "artifact");
  auto speed = [&](std::optional<double> from, std::optional<double> to, const char *what) {
    if (from && to && *from > 0)
      card(formatRatio(*to / *from), std::string(what) + ", " + formatNumber(*from, 3) + " → " + formatRate(*to));
  };
  speed(before.decodeTokensPerSecond, after.decodeTokensPerSecond, "decode speed");
  speed(before.prefillTokensPerSecond, after.prefillTokensPerSecond, "prefill speed");
  if (report.quality && report.quality->loss)
    card(formatPercent(*report.quality->loss, true),
         escape(getLossName(report)) + (before.perplexity && after.perplexity
                                            ? ", " + formatFour(*before.perplexity) + " → " + formatFour(*after.perplexity)
                                            : ""));
  if (report.cost) {
    std::optional<double> from = computeCost(*report.cost, before).thousandQueries,
                          to = computeCost(*report.cost, after).thousandQueries;
    if (from && to)
      card(formatMoney(*to, report.cost->currency),
           "for 1,000 queries; before " + formatMoney(*from, report.cost->currency));
  }
  if (!cards.empty())
    os << "<div class=\"cards\">\n" << cards << "</div>\n";
  auto judge = [&](std::optional<double> promised, std::optional<double> measured, const std::string &what) {
    if (!promised || !measured)
      return;
    bool kept = *measured <= *promised;
    os << "<p class=\"verdict" << (kept ? "" : " broken") << "\"><b>" << (kept ? "Promise kept" : "Promise broken")
       << ":</b> a loss of at most " << formatPercent(*promised) << " was asked for" << what << "; measured "
       << formatPercent(*measured) << ".</p>\n";
  };
  if (report.quality)
    judge(report.quality->promisedLoss, report.quality->loss, "");
  for (const CompressionReport::Band &band : report.bands)
    judge(band.promisedLoss, band.loss, ", " + escape(getBandName(band.name)));
}

void report::writeComparison(const CompressionReport &report, llvm::raw_ostream &os) {
  auto title = [](const std::optional<CompressionReport::Measured> &side, const char *otherwise) {
    return side && !side->name.empty() ? escape(side->name) : std::string(otherwise);
  };
  Table table({{"", Table::Align::Text}, {title(report.before, "original")}, {title(report.after, "compressed")}, {"change"}});
  auto row = [&](const char *name, auto member, std::string (*format)(double)) {
    std::optional<double> from, to;
    if (report.before && (*report.before).*member)
      from = double(*((*report.before).*member));
    if (report.after && (*report.after).*member)
      to = double(*((*report.after).*member));
    if (!from && !to)
      return;
    table.addRow();
    table.add(name);
    table.add(from, format);
    table.add(to, format);
    table.add(from && to && *from > 0 ? formatPercent(*to / *from - 1, true) : "");
  };
  using Measured = CompressionReport::Measured;
  row("artifact", &Measured::artifactBytes, formatSize);
  row("weights", &Measured::weightBytes, formatSize);
  row("bits a weight, scales included", &Measured::bitsPerWeight, formatFour);
  row("perplexity", &Measured::perplexity, formatFive);
  row("accuracy", &Measured::accuracy, formatFour);
  row("prefill", &Measured::prefillTokensPerSecond, formatRate);
  row("decode", &Measured::decodeTokensPerSecond, formatRate);
  row("load", &Measured::loadSeconds, formatTime);
  row("peak memory", &Measured::peakMemoryBytes, formatSize);
  if (!table.isEmpty())
    table.print(os);
  if (!report.quality)
    return;
  const CompressionReport::Quality &quality = *report.quality;
  std::string text;
  auto say = [&](std::optional<double> value, std::string (*format)(double), const char *what) {
    if (value)
      text += (text.empty() ? "" : "; ") + (what + format(*value));
  };
  say(quality.kl, formatFour, "KL divergence from the original, nats a token: ");
  say(quality.top1Agreement, formatShare, "same likeliest token: ");
  say(quality.maxOverRange, formatFour, "largest error over the output's range: ");
  say(quality.relativeL2, formatFour, "relative error of outputs (L2): ");
  say(quality.argmaxAgreement, formatShare, "same largest element: ");
  if (quality.tokens)
    text += (text.empty() ? "" : "; ") + ("measured on " + formatCount(double(*quality.tokens)) + " tokens") +
            (quality.windows && quality.window ? " (" + formatCount(double(*quality.windows)) + " windows of " +
                                                     formatCount(double(*quality.window)) + ")"
                                               : "");
  if (!text.empty()) {
    text[0] = char(std::toupper(static_cast<unsigned char>(text[0])));
    os << "<p>" << text << ".</p>\n";
  }
}

void report::writeOutliers(const CompressionReport &report, llvm::raw_ostream &os) {
  if (report.outliers.empty())
    return;
  std::vector<CompressionReport::Outlier> sorted = report.outliers;
  std::sort(sorted.begin(), sorted.end(), [](const auto &a, const auto &b) {
    return std::pair(-a.ratio.value_or(-1), a.tap) < std::pair(-b.ratio.value_or(-1), b.tap);
  });
  os << "<p>Largest magnitude in a channel over that of the median channel: a range that one channel stretches leaves few "
        "steps to all others.</p>\n";
  BarPlot plot;
  plot.title = plot.axis = "largest channel over median channel, ratio of maxima";
  plot.format = [](double value) { return formatNumber(value, 3); };
  plot.tickFormat = [](double value) {
    return formatNumber(value, value == 0 ? 1 : std::max(1, int(std::ceil(std::log10(value * 1.001)))));
  };
  for (const CompressionReport::Outlier &outlier : sorted)
    if (outlier.ratio && plot.bars.size() < 16)
      plot.bars.push_back({outlier.tap, *outlier.ratio});
  if (!plot.bars.empty())
    writeFigure(os, plot.bars.size() < sorted.size() ? "The 16 taps with the largest outliers" : "Outliers by tap",
                drawBars(plot));
  Table table({{"tap", Table::Align::Code}, {"largest magnitude"}, {"mean magnitude"}, {"ratio"}});
  for (const CompressionReport::Outlier &outlier : sorted) {
    table.addRow();
    table.add(escape(outlier.tap));
    table.add(outlier.absMax, formatFour);
    table.add(outlier.absMean, formatFour);
    table.add(outlier.ratio, formatFour);
  }
  if (sorted.size() > 16)
    os << "<details open><summary>all " << sorted.size() << " taps</summary>\n";
  table.print(os);
  if (sorted.size() > 16)
    os << "</details>\n";
}

void report::writeRefused(const CompressionReport &report, llvm::raw_ostream &os) {
  if (report.refused.empty())
    return;
  Table table({{"what", Table::Align::Code}, {"why", Table::Align::Text}});
  for (const CompressionReport::Refusal &refusal : report.refused) {
    table.addRow();
    table.add(escape(refusal.what));
    table.add(escape(refusal.why));
  }
  table.print(os);
}

void report::writeIdentity(const CompressionReport &report, llvm::raw_ostream &os) {
  Table table({{"", Table::Align::Text}, {"name", Table::Align::Code}, {"size"}, {"SHA-256", Table::Align::Code}});
  auto row = [&](const std::string &role, const std::string &name, std::optional<uint64_t> bytes,
                 const std::string &hash) {
    table.addRow();
    table.add(escape(role));
    table.add(escape(name));
    table.add(bytes, formatSize);
    table.add(escape(hash));
  };
  if (report.source)
    row("model", report.source->name, report.source->bytes, report.source->sha256);
  if (!report.recipe.empty())
    row("recipe", report.recipe, std::nullopt, report.recipeSha256);
  for (const CompressionReport::Text &text : report.texts)
    if (!text.sha256.empty())
      row(text.role.empty() ? "text" : text.role + " text", text.name, std::nullopt, text.sha256);
  if (report.original)
    row("original, compiled", report.original->name, report.original->bytes, report.original->sha256);
  if (report.artifact)
    row("artifact", report.artifact->name, report.artifact->bytes, report.artifact->sha256);
  if (!table.isEmpty())
    table.print(os);
  if (!report.pipeline.empty())
    os << "<p>Passes of the recipe: <span class=\"c\">" << escape(report.pipeline) << "</span></p>\n";
}

void report::writeFacts(const CompressionReport &report, llvm::raw_ostream &os) {
  if (report.facts.empty())
    return;
  Table table({{"pass", Table::Align::Code}, {"fact", Table::Align::Text}, {"value", Table::Align::Code}});
  const std::string *pass = nullptr;
  for (const CompressionReport::Fact &fact : report.facts) {
    table.addRow();
    table.add(pass && *pass == fact.pass ? "&nbsp;" : escape(fact.pass));
    table.add(escape(fact.name));
    table.add(escape(fact.value));
    pass = &fact.pass;
  }
  os << "<details open><summary>" << report.facts.size() << " facts</summary>\n";
  table.print(os);
  os << "</details>\n";
}
