//===- Axis.h - from values to places ---------------------------*- C++ -*-===//
#ifndef TERSE_LIB_REPORT_AXIS_H
#define TERSE_LIB_REPORT_AXIS_H

#include <vector>

namespace terse::report {

/// An axis from the place `from` to the place `to`, with round ticks.
class Axis {
public:
  /// Ticks at 1, 2 or 5 times a power of ten, about `count` of them; the axis
  /// goes from the tick below `low` to the one above `high`.
  static Axis linear(double low, double high, double from, double to, int count);
  /// 0 in its place, beyond +-`smallest` (cut to a power of ten) logarithmic:
  /// asinh(value / (smallest / 2)). Ticks at 0 and powers of ten.
  static Axis logarithmic(double low, double high, double smallest, double from, double to);

  double place(double value) const;
  const std::vector<double> &getTicks() const { return ticks; }
  double getFrom() const { return from; }
  double getTo() const { return to; }

private:
  double scale(double value) const;
  double from = 0, to = 1, low = 0, high = 1;
  double unit = 0; ///< of the logarithmic scale; 0: linear
  std::vector<double> ticks;
};

} // namespace terse::report

#endif // TERSE_LIB_REPORT_AXIS_H
