//===- Taps.h - what a run's outputs say ------------------------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_TAPS_H
#define TERSE_LIB_CALIBRATE_TAPS_H

#include "Accumulator.h"
#include "BlockRun.h"

#include <memory>

namespace terse {

/// Statistics of all taps of a block, in the order of its code.
class Taps {
public:
  /// Without `hasSecondMoments` sums of x x^T are left out.
  Taps(bool hasSecondMoments, ParallelFor parallelFor) : hasSecondMoments(hasSecondMoments), parallelFor(parallelFor) {}

  /// Adds what a tap shows in one run; other outputs are passed over. Errors: a value that is no finite number.
  llvm::Error read(size_t index, const terse_tensor &output);
  /// What was seen; valid as long as this object. Call once.
  std::vector<TapStatistics> finish();

private:
  bool hasSecondMoments;
  ParallelFor parallelFor;
  std::vector<std::pair<size_t, Accumulator>> taps; ///< by the index of their output
  std::vector<float> storage;
};

/// Mean cosines, over all tokens, between values that follow each other in a model (Men et al., ShortGPT, 2024): how little is done between
/// them. The values are the taps at where `numSteps` blocks begin, and `block_output`, which one run gives before the taps.
class SpanSimilarity {
public:
  SpanSimilarity(std::string name, size_t numSteps) : name(std::move(name)), steps(numSteps) {}

  /// [tokens, K], the same for all. Errors: a value that is no finite number.
  llvm::Error read(const terse_tensor &output);
  /// Of what each block takes with what it gives.
  std::vector<double> getSteps() const;
  /// Of what the first takes with what the last gives.
  double getWhole() const { return whole.get(); }

private:
  struct Mean {
    double sum = 0;
    int64_t count = 0;
    double get() const { return count ? sum / count : 0; }
  };
  llvm::Error add(Mean &mean, llvm::ArrayRef<float> before, llvm::ArrayRef<float> after);

  std::string name;
  std::vector<Mean> steps;
  Mean whole;
  // Of the run that is being read.
  size_t numRead = 0;
  int64_t size = 0;
  std::vector<float> first, previous, last, storage;
};

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_TAPS_H
