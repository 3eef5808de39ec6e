//===- Accumulator.h - statistics of one tap --------------------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_ACCUMULATOR_H
#define TERSE_LIB_CALIBRATE_ACCUMULATOR_H

#include "Gram.h"

#include "terse/Statistics/Statistics.h"

#include <optional>

namespace terse {

/// Sums up what a tap shows, [tokens, K] at a time.
class Accumulator {
public:
  /// Without `hasSecondMoment` the sum of x x^T, which is most of the work and of the memory, is left out.
  Accumulator(std::string name, int64_t size, bool hasSecondMoment);

  /// False if a value is no finite number.
  bool add(const float *rows, int64_t tokens, ParallelFor parallelFor);
  /// What was seen; valid as long as this object. Call once.
  TapStatistics finish();
  const std::string &getName() const { return name; }

private:
  void widen(float needed);
  std::string name;
  int64_t size, count = 0;
  std::vector<float> absMax, absMean, mean, secondMoment;
  std::vector<double> absSum, sum;
  std::vector<int64_t> histogram;
  float limit = 0; ///< of the histogram; 0: nothing but zeros yet
  int64_t zeros = 0; ///< values seen before there was a limit
  std::optional<Gram> gram;
};

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_ACCUMULATOR_H
