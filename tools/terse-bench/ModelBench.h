//===- ModelBench.h - a model beside the machine's floors -------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_BENCH_MODELBENCH_H
#define TERSE_TOOLS_TERSE_BENCH_MODELBENCH_H

#include "Floors.h"

#include <optional>

namespace terse::bench {

struct ModelOptions {
  std::string path;
  FloorOptions floors;
  /// Lengths of prompts, in tokens; empty: 16, 64, 256 and 512, as many as the
  /// model takes.
  std::vector<int64_t> prompts;
  /// Tokens that a step behind a prompt is given at once.
  std::vector<int64_t> steps = {1, 2, 4, 8};
  /// Whole rounds: in each every case runs once, between floors.
  int rounds = 5;
};

/// What a run reads and computes at least.
struct Work {
  double bytes = 0;      ///< of weights, and of what states hold
  double operations = 0; ///< of linear layers; a multiplication and an addition
                         ///< are two. The floor counts them as integer ones
                         ///< where weights are codes
};

/// A prompt, or a step behind it, with one number of threads.
struct ModelCase {
  bool isPrompt;
  int threads;
  int64_t tokens; ///< that are run at once
  int64_t past;   ///< tokens before them, in the middle of the measurement
  Work work;
  std::vector<double> seconds;   ///< of one run, by round
  std::vector<double> fractions; ///< of the floor of that round
  bool isBoundByMemory = true;   ///< in the last round

  double medianSeconds() const;
  double medianFraction() const;
};

struct ModelReport {
  double openSeconds = 0;       ///< mapping, checking, loading code
  double firstTokenSeconds = 0; ///< from before opening to the logits of a
                                ///< prompt of 16 tokens (or the shortest)
  uint64_t peakBytes = 0;       ///< of resident memory, one context, after the
                                ///< longest prompt
  std::vector<ModelCase> cases;
  std::vector<Floor> floors; ///< of the last round
};

/// Calls of `progress` say which round of how many has begun.
rt::Result<ModelReport>
benchModel(const ModelOptions &options,
           const std::function<void(int round, int rounds)> &progress);

} // namespace terse::bench

#endif // TERSE_TOOLS_TERSE_BENCH_MODELBENCH_H
