//===- Axis.cpp - from values to places -----------------------------------===//
#include "Axis.h"

#include <algorithm>
#include <cmath>

using namespace terse;
using namespace terse::report;

Axis Axis::linear(double low, double high, double from, double to, int count) {
  if (!(high > low))
    high = low + (low == 0 ? 1 : std::fabs(low));
  double step = (high - low) / count, power = std::pow(10, std::floor(std::log10(step)));
  for (double round : {1., 2., 5., 10.})
    if (round * power >= step * 0.999999) {
      step = round * power;
      break;
    }
  Axis axis;
  axis.from = from;
  axis.to = to;
  double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i)
    axis.ticks.push_back(i * step);
  axis.low = axis.ticks.front();
  axis.high = axis.ticks.back();
  return axis;
}

Axis Axis::logarithmic(double low, double high, double smallest, double from, double to) {
  Axis axis;
  axis.from = from;
  axis.to = to;
  double power = std::pow(10, std::floor(std::log10(smallest)));
  axis.unit = power / 2;
  axis.ticks.push_back(0);
  for (double tick = power;; tick *= 10) {
    if (high > 0)
      axis.ticks.push_back(tick);
    if (!(tick < high))
      break;
  }
  for (double tick = power; low < 0; tick *= 10) {
    axis.ticks.push_back(-tick);
    if (!(tick < -low))
      break;
  }
  std::sort(axis.ticks.begin(), axis.ticks.end());
  // From the smallest value to the largest one; ticks outside are left out.
  axis.low = low < 0 ? low * 1.3 : 0;
  axis.high = high > 0 ? high * 1.3 : 0;
  if (!(axis.high > axis.low))
    axis.high = axis.low + power;
  axis.ticks.erase(std::remove_if(axis.ticks.begin(), axis.ticks.end(),
                                  [&](double tick) { return tick < axis.low || tick > axis.high; }),
                   axis.ticks.end());
  return axis;
}

double Axis::scale(double value) const { return unit > 0 ? std::asinh(value / unit) : value; }

double Axis::place(double value) const {
  return from + (to - from) * (scale(value) - scale(low)) / (scale(high) - scale(low));
}
