//===- Plot.h - plots as inline SVG -----------------------------*- C++ -*-===//
#ifndef TERSE_LIB_REPORT_PLOT_H
#define TERSE_LIB_REPORT_PLOT_H

#include "llvm/ADT/ArrayRef.h"

#include <functional>
#include <string>
#include <vector>

namespace terse::report {

/// Text for a number on an axis or beside a mark; HTML.
using NumberFormat = std::function<std::string(double)>;

/// Every mark has its value in `data-value` (bars) or `data-x` and `data-y`
/// (points), every tick in `data-value`: a reader's script, or a test, finds the
/// figures again.
struct BarPlot {
  struct Bar {
    std::string name;
    double value;
  };
  std::string title, axis; ///< what the values are, with the unit
  std::vector<Bar> bars;
  NumberFormat format, tickFormat;
};

/// Points, some of them joined by a line.
struct PointPlot {
  struct Point {
    std::string name;
    double x, y;
    bool isMarked = false; ///< drawn to stand out
  };
  std::string title, xAxis, yAxis;
  std::vector<Point> points;
  std::vector<std::pair<double, double>> line;
  NumberFormat xFormat, yFormat;
  /// Where the values' sizes differ much: 0 stays 0, sizes above the smallest
  /// one are logarithmic.
  bool isYLogarithmic = false;
};

struct LinePlot {
  struct Line {
    std::string name;
    std::vector<std::pair<double, double>> points;
  };
  std::string title, xAxis, yAxis;
  std::vector<Line> lines;
  NumberFormat xFormat, yFormat;
  std::vector<PointPlot::Point> marks;
};

std::string drawBars(const BarPlot &plot);
std::string drawPoints(const PointPlot &plot);
std::string drawLines(const LinePlot &plot);

} // namespace terse::report

#endif // TERSE_LIB_REPORT_PLOT_H
