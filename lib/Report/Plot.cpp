//===- Plot.cpp - plots as inline SVG -------------------------------------===//
#include "Plot.h"

#include "Axis.h"
#include "Format.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <array>
#include <cmath>

using namespace terse;
using namespace terse::report;

namespace {

constexpr double kWidth = 720, kFont = 12;

/// The width of a text is not known where it is drawn: an upper estimate.
double getTextWidth(llvm::StringRef html) {
  double width = 0;
  bool entity = false;
  for (char c : html) {
    if (c == '&')
      entity = true;
    if (!entity && (static_cast<unsigned char>(c) & 0xc0) != 0x80)
      width += 0.58 * kFont;
    if (c == ';' && entity) {
      entity = false;
      width += 0.6 * kFont;
    }
  }
  return width;
}

/// A name in at most `most` characters: the middle is left out.
std::string shorten(llvm::StringRef text, size_t most) {
  std::string whole = llvm::json::fixUTF8(text);
  std::vector<std::string> characters;
  for (char c : whole)
    if ((static_cast<unsigned char>(c) & 0xc0) == 0x80 && !characters.empty())
      characters.back() += c;
    else
      characters.emplace_back(1, c);
  if (characters.size() <= most)
    return escape(whole);
  size_t tail = (most - 1) * 2 / 3, head = most - 1 - tail;
  std::string result;
  for (size_t i = 0; i < head; ++i)
    result += characters[i];
  result += "…";
  for (size_t i = characters.size() - tail; i < characters.size(); ++i)
    result += characters[i];
  return escape(result);
}

std::string px(double value) { return llvm::formatv("{0:f2}", value).str(); }

class Svg {
public:
  Svg(double height, llvm::StringRef title) : os(text) {
    os << "<svg viewBox=\"0 0 " << px(kWidth) << ' ' << px(height) << "\" role=\"img\" aria-label=\"" << escape(title)
       << "\">\n";
  }
  std::string finish() {
    os << "</svg>\n";
    return std::move(text);
  }
  void line(double x1, double y1, double x2, double y2, llvm::StringRef kind) {
    os << llvm::formatv("<line class=\"{0}\" x1=\"{1}\" y1=\"{2}\" x2=\"{3}\" y2=\"{4}\"/>\n", kind, px(x1), px(y1),
                        px(x2), px(y2));
  }
  /// `anchor`: start, middle or end. `html` is escaped already.
  void write(double x, double y, llvm::StringRef html, llvm::StringRef anchor, llvm::StringRef more = "") {
    os << llvm::formatv("<text x=\"{0}\" y=\"{1}\" text-anchor=\"{2}\"{3}>{4}</text>\n", px(x), px(y), anchor, more,
                        html);
  }
  /// Ticks and grid of the horizontal axis, between y `top` and `bottom`.
  void drawX(const Axis &axis, double top, double bottom, const NumberFormat &format, llvm::StringRef label) {
    for (double tick : axis.getTicks()) {
      double x = axis.place(tick);
      line(x, top, x, bottom, "grid");
      write(x, bottom + 16, format(tick), "middle", tickAttributes("x", tick));
    }
    write((axis.getFrom() + axis.getTo()) / 2, bottom + 36, escape(label), "middle", " class=\"axis\"");
  }
  void drawY(const Axis &axis, double left, double right, const NumberFormat &format, llvm::StringRef label) {
    for (double tick : axis.getTicks()) {
      double y = axis.place(tick);
      line(left, y, right, y, "grid");
      write(left - 8, y + 4, format(tick), "end", tickAttributes("y", tick));
    }
    double middle = (axis.getFrom() + axis.getTo()) / 2;
    write(0, 0, escape(label), "middle",
          llvm::formatv(" class=\"axis\" transform=\"translate({0} {1}) rotate(-90)\"", px(14), px(middle)).str());
  }

  static std::string tickAttributes(llvm::StringRef axis, double value) {
    return llvm::formatv(" class=\"tick {0}\" data-value=\"{1}\"", axis, exact(value)).str();
  }
  static std::string exact(double value) {
    char digits[64];
    std::snprintf(digits, sizeof digits, "%.12g", value);
    return digits;
  }

  std::string text;
  llvm::raw_string_ostream os;
};

struct Box {
  double left, top, right, bottom;
  bool meets(const Box &other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

/// Writes names beside their points where they hide none and no other name.
class Labels {
public:
  Labels(Box frame) : frame(frame) {}
  void avoid(double x, double y) { taken.push_back({x - 6, y - 6, x + 6, y + 6}); }
  void write(Svg &svg, double x, double y, const std::string &html, llvm::StringRef more) {
    double width = getTextWidth(html);
    struct Place {
      double dx, dy;
      const char *anchor;
    };
    for (double far : {0., 12., 24.})
      for (Place place : std::array<Place, 6>{{{10, 4 - far, "start"},
                                               {0, -10 - far, "middle"},
                                               {-10, 4 - far, "end"},
                                               {0, 20 + far, "middle"},
                                               {10, -8 - far, "start"},
                                               {-10, -8 - far, "end"}}}) {
        llvm::StringRef anchor = place.anchor;
        double left = x + place.dx - (anchor == "middle" ? width / 2 : anchor == "end" ? width : 0);
        Box box = {left, y + place.dy - 11, left + width, y + place.dy + 3};
        bool inside = box.left >= frame.left && box.right <= frame.right && box.top >= frame.top &&
                      box.bottom <= frame.bottom;
        if (!inside || std::any_of(taken.begin(), taken.end(), [&](const Box &other) { return box.meets(other); }))
          continue;
        taken.push_back(box);
        svg.write(x + place.dx, y + place.dy, html, anchor, more);
        return;
      }
    // No room: the point's own title says it.
  }

private:
  Box frame;
  std::vector<Box> taken;
};

} // namespace

std::string report::drawBars(const BarPlot &plot) {
  constexpr double kRow = 24, kTop = 6;
  double names = 40, low = 0, high = 0, values = 0;
  for (const BarPlot::Bar &bar : plot.bars) {
    names = std::max(names, getTextWidth(shorten(bar.name, 44)));
    values = std::max(values, getTextWidth(plot.format(bar.value)));
    low = std::min(low, bar.value);
    high = std::max(high, bar.value);
  }
  double left = names + 14, bottom = kTop + kRow * double(plot.bars.size()) + 4;
  // Values stand behind the ends of bars, on both sides of 0.
  Axis axis = Axis::linear(low, high, left + (low < 0 ? values + 8 : 0), kWidth - values - 14, 6);
  Svg svg(bottom + 46, plot.title);
  svg.drawX(axis, kTop, bottom, plot.tickFormat, plot.axis);
  double zero = axis.place(0);
  for (size_t i = 0; i < plot.bars.size(); ++i) {
    const BarPlot::Bar &bar = plot.bars[i];
    double y = kTop + kRow * double(i) + 4, end = axis.place(bar.value);
    svg.write(left - 10, y + 13, shorten(bar.name, 44), "end");
    svg.os << llvm::formatv("<rect class=\"bar{0}\" x=\"{1}\" y=\"{2}\" width=\"{3}\" height=\"{4}\" "
                            "data-value=\"{5}\"><title>{6}: {7}</title></rect>\n",
                            bar.value < 0 ? " negative" : "", px(std::min(zero, end)), px(y),
                            px(std::max(std::fabs(end - zero), 0.5)), px(kRow - 8), Svg::exact(bar.value),
                            escape(bar.name), plot.format(bar.value));
    if (bar.value < 0)
      svg.write(end - 5, y + 13, plot.format(bar.value), "end", " class=\"value\"");
    else
      svg.write(end + 5, y + 13, plot.format(bar.value), "start", " class=\"value\"");
  }
  svg.line(zero, kTop, zero, bottom, "base");
  return svg.finish();
}

static void addPoint(Svg &svg, const PointPlot::Point &point, double x, double y, const NumberFormat &xFormat,
                     const NumberFormat &yFormat) {
  svg.os << llvm::formatv("<circle class=\"point{0}\" cx=\"{1}\" cy=\"{2}\" r=\"{3}\" data-x=\"{4}\" data-y=\"{5}\">"
                          "<title>{6}: {7}, {8}</title></circle>\n",
                          point.isMarked ? " marked" : "", px(x), px(y), point.isMarked ? "6.5" : "4.5",
                          Svg::exact(point.x), Svg::exact(point.y), escape(point.name), xFormat(point.x),
                          yFormat(point.y));
}

std::string report::drawPoints(const PointPlot &plot) {
  constexpr double kHeight = 380, kTop = 14, kLeft = 92, kRight = kWidth - 20, kBottom = kHeight - 50;
  double largest = 0, low = 0, high = 0, smallest = INFINITY;
  for (const PointPlot::Point &point : plot.points) {
    largest = std::max(largest, point.x);
    low = std::min(low, point.y);
    high = std::max(high, point.y);
    if (point.y != 0)
      smallest = std::min(smallest, std::fabs(point.y));
  }
  Axis x = Axis::linear(0, largest, kLeft, kRight, 7);
  Axis y = plot.isYLogarithmic && std::isfinite(smallest)
               ? Axis::logarithmic(low, high, smallest, kBottom, kTop)
               : Axis::linear(low, high, kBottom, kTop, 6);
  Svg svg(kHeight, plot.title);
  svg.drawX(x, kTop, kBottom, plot.xFormat, plot.xAxis);
  svg.drawY(y, kLeft, kRight, plot.yFormat, plot.yAxis);
  if (plot.line.size() > 1) {
    svg.os << "<polyline class=\"front\" points=\"";
    for (auto [px_, py] : plot.line)
      svg.os << px(x.place(px_)) << ',' << px(y.place(py)) << ' ';
    svg.os << "\"/>\n";
  }
  Labels labels({kLeft, kTop - 12, kRight + 16, kBottom});
  for (const PointPlot::Point &point : plot.points)
    labels.avoid(x.place(point.x), y.place(point.y));
  for (const PointPlot::Point &point : plot.points)
    addPoint(svg, point, x.place(point.x), y.place(point.y), plot.xFormat, plot.yFormat);
  for (bool marked : {true, false})
    for (const PointPlot::Point &point : plot.points)
      if (point.isMarked == marked)
        labels.write(svg, x.place(point.x), y.place(point.y), shorten(point.name, 32),
                     marked ? " class=\"name marked\"" : " class=\"name\"");
  return svg.finish();
}

std::string report::drawLines(const LinePlot &plot) {
  constexpr double kHeight = 320, kTop = 14, kLeft = 92, kBottom = kHeight - 50;
  double right = kWidth - 20, largest = 0, high = 0;
  for (const LinePlot::Line &line : plot.lines) {
    right = std::min(right, kWidth - 16 - getTextWidth(escape(line.name)));
    for (auto [px_, py] : line.points) {
      largest = std::max(largest, px_);
      high = std::max(high, py);
    }
  }
  Axis x = Axis::linear(0, largest, kLeft, right, 6), y = Axis::linear(0, high, kBottom, kTop, 6);
  Svg svg(kHeight, plot.title);
  svg.drawX(x, kTop, kBottom, plot.xFormat, plot.xAxis);
  svg.drawY(y, kLeft, right, plot.yFormat, plot.yAxis);
  // Names at the lines' ends, apart from each other.
  std::vector<std::pair<double, size_t>> ends;
  for (size_t i = 0; i < plot.lines.size(); ++i) {
    svg.os << "<polyline class=\"line l" << i << "\" points=\"";
    for (auto [px_, py] : plot.lines[i].points)
      svg.os << px(x.place(px_)) << ',' << px(y.place(py)) << ' ';
    svg.os << "\"/>\n";
    ends.emplace_back(y.place(plot.lines[i].points.back().second), i);
  }
  std::sort(ends.begin(), ends.end());
  double below = -1e9;
  for (auto [at, i] : ends) {
    below = std::max(at + 4, below + 15);
    svg.write(x.place(plot.lines[i].points.back().first) + 6, below, escape(plot.lines[i].name), "start",
              llvm::formatv(" class=\"name l{0}\"", i).str());
  }
  Labels labels({kLeft, kTop - 12, right, kBottom});
  for (const PointPlot::Point &mark : plot.marks) {
    addPoint(svg, mark, x.place(mark.x), y.place(mark.y), plot.xFormat, plot.yFormat);
    // To the right of and below the crossing there is room: both lines rise.
    svg.write(x.place(mark.x) + 10, y.place(mark.y) + 20, escape(mark.name), "start", " class=\"name\"");
  }
  return svg.finish();
}
