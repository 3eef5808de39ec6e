//===- Median.h - of measurements -------------------------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_BENCH_MEDIAN_H
#define TERSE_TOOLS_TERSE_BENCH_MEDIAN_H

#include <algorithm>
#include <cmath>
#include <vector>

namespace terse::bench {

/// 0 of nothing.
inline double median(std::vector<double> values) {
  if (values.empty())
    return 0;
  auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2)
    return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

/// The widest distance from the median, as a part of it.
inline double spread(const std::vector<double> &values) {
  double middle = median(values), widest = 0;
  for (double value : values)
    widest = std::max(widest, std::abs(value - middle) / middle);
  return widest;
}

} // namespace terse::bench

#endif // TERSE_TOOLS_TERSE_BENCH_MEDIAN_H
