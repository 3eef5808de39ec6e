//===- Roofline.cpp - measurements as a picture -----------------*- C++ -*-===//
#include "Roofline.h"

#include "Median.h"

#include <cstdarg>
#include <cstdio>
#include <map>
#include <utility>

namespace terse::bench {

namespace {
// Distinct for most eyes, colour-blind ones too (Okabe and Ito, 2008).
const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                               "#E69F00", "#56B4E9", "#8C6D1F", "#000000"};
constexpr double kLeft = 70, kTop = 50, kWidth = 640, kHeight = 420,
                 kLegend = 220;

std::string format(const char *text, ...) __attribute__((format(printf, 1, 2)));
std::string format(const char *text, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, text);
  std::vsnprintf(line, sizeof line, text, arguments);
  va_end(arguments);
  return line;
}

std::string escape(const std::string &text) {
  std::string result;
  for (char c : text)
    result += c == '&'   ? "&amp;"
              : c == '<' ? "&lt;"
              : c == '>' ? "&gt;"
                         : std::string(1, c);
  return result;
}

/// A logarithmic axis over whole decades.
struct Axis {
  double first = 0, last = 1; ///< log10

  Axis(double least, double most)
      : first(std::floor(std::log10(least))),
        last(std::max(std::ceil(std::log10(most)), first + 1)) {}
  double part(double value) const {
    return (std::log10(value) - first) / (last - first);
  }
};

class Picture {
public:
  Picture(const Axis &x, const Axis &y) : x_(x), y_(y) {}

  double x(double intensity) const {
    return kLeft + kWidth * x_.part(intensity);
  }
  double y(double rate) const { return kTop + kHeight * (1 - y_.part(rate)); }
  void text(double x, double y, const char *anchor, const std::string &what,
            const char *more = "") {
    svg += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>", x, y,
                  anchor, more) +
           escape(what) + "</text>\n";
  }
  void line(double x1, double y1, double x2, double y2, const char *style) {
    svg +=
        format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n",
               x1, y1, x2, y2, style);
  }
  void axes() {
    const char *grid = "stroke=\"#ddd\"";
    for (double decade = x_.first; decade <= x_.last; ++decade) {
      double at = x(std::pow(10, decade));
      line(at, kTop, at, kTop + kHeight, grid);
      text(at, kTop + kHeight + 18, "middle",
           format("%g", std::pow(10, decade)));
    }
    for (double decade = y_.first; decade <= y_.last; ++decade) {
      double at = y(std::pow(10, decade));
      line(kLeft, at, kLeft + kWidth, at, grid);
      text(kLeft - 8, at + 4, "end", format("%g", std::pow(10, decade)));
    }
    text(kLeft + kWidth / 2, kTop + kHeight + 40, "middle",
         "operations a byte");
    text(0, 0, "middle", "GOPS",
         format(" transform=\"translate(18 %.1f) rotate(-90)\"",
                kTop + kHeight / 2)
             .c_str());
  }
  /// A roof of the bandwidth up to the rate, then of the rate.
  void roof(const Floor &bandwidth, const Floor &rate, bool isFirst) {
    const char *style = "stroke=\"#444\" stroke-width=\"1.5\"";
    double least = std::pow(10, x_.first), most = std::pow(10, x_.last);
    double start = std::max(least, std::pow(10, y_.first) / bandwidth.value);
    double ridge =
        std::min(std::max(rate.value / bandwidth.value, start), most);
    line(x(start), y(start * bandwidth.value), x(ridge),
         y(ridge * bandwidth.value), style);
    line(x(ridge), y(rate.value), x(most), y(rate.value), style);
    text(x(most) - 6, y(rate.value) - 6, "end",
         format("%s, %.0f GOPS, %d threads", rate.name.c_str(), rate.value,
                rate.threads));
    double middle = std::sqrt(start * ridge);
    if (isFirst)
      text(x(middle) - 8, y(middle * bandwidth.value) - 8, "end",
           format("%.1f GB/s", bandwidth.value));
  }

  std::string svg;

private:
  Axis x_, y_;
};
} // namespace

std::vector<RooflinePoint> pointsOf(const KernelReport &report) {
  std::vector<RooflinePoint> points;
  for (const KernelCase &found : report.cases)
    points.push_back({found.format.str(),
                      format("%lld x %lld, %lld rows", (long long)found.shape.n,
                             (long long)found.shape.k, (long long)found.rows) +
                          (found.tiling == "chosen" ? "" : ", " + found.tiling),
                      found.rows, found.work.operations / found.work.bytes,
                      found.work.operations / median(found.seconds) * 1e-9,
                      median(found.fractions)});
  return points;
}

std::vector<RooflinePoint> pointsOf(const ModelReport &report) {
  std::vector<RooflinePoint> points;
  for (const ModelCase &found : report.cases)
    points.push_back(
        {format("%s, %d threads", found.isPrompt ? "prompts" : "steps",
                found.threads),
         format("%lld tokens behind %lld", (long long)found.tokens,
                (long long)found.past),
         found.tokens, found.work.operations / found.work.bytes,
         found.work.operations / found.medianSeconds() * 1e-9,
         found.medianFraction()});
  return points;
}

std::string drawRoofline(const std::string &title,
                         const std::vector<Floor> &floors,
                         const std::vector<RooflinePoint> &points) {
  double left = 1, right = 100, low = 1, high = 10;
  for (const RooflinePoint &point : points) {
    left = std::min(left, point.intensity),
    right = std::max(right, point.intensity);
    low = std::min(low, point.rate), high = std::max(high, point.rate);
  }
  for (const Floor &floor : floors)
    if (floor.unit == "GOPS")
      high = std::max(high, floor.value);
  Picture picture({left, right}, {low, high});
  picture.svg =
      format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
             "height=\"%.0f\" font-family=\"sans-serif\" font-size=\"12\">\n"
             "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
             kLeft + kWidth + kLegend, kTop + kHeight + 60);
  picture.text(kLeft, 28, "start", title, " font-size=\"16\"");
  picture.axes();
  // Each bandwidth belongs to the rates of as many threads.
  for (const Floor &bandwidth : floors) {
    bool isFirst = true;
    for (const Floor &rate : floors)
      if (bandwidth.unit == "GB/s" && rate.unit == "GOPS" &&
          bandwidth.threads == rate.threads)
        picture.roof(bandwidth, rate, std::exchange(isFirst, false));
  }
  std::map<std::string, size_t> series;
  for (const RooflinePoint &point : points) {
    size_t number = series.emplace(point.series, series.size()).first->second;
    const char *colour = colours[number % std::size(colours)];
    picture.svg +=
        format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\" "
               "fill-opacity=\"0.75\"><title>",
               picture.x(point.intensity), picture.y(point.rate), colour) +
        escape(point.series + ", " + point.label +
               format(": %.1f GOPS, %.2f of the floor", point.rate,
                      point.fraction)) +
        "</title></circle>\n";
    picture.text(picture.x(point.intensity) + 6, picture.y(point.rate) + 3,
                 "start", std::to_string(point.mark),
                 " font-size=\"9\" fill=\"#555\"");
  }
  for (const auto &[name, number] : series) {
    double y = kTop + 14 + 20 * double(number), x = kLeft + kWidth + 24;
    picture.svg +=
        format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"%s\"/>\n", x,
               y - 4, colours[number % std::size(colours)]);
    picture.text(x + 12, y, "start", name);
  }
  picture.text(kLeft + kWidth + 18, kTop + 18 + 20 * double(series.size()),
               "start", "numbers: rows at once", " fill=\"#555\"");
  return picture.svg + "</svg>\n";
}

} // namespace terse::bench
