//===- BlockRun.h - one block over all windows ------------------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_BLOCKRUN_H
#define TERSE_LIB_CALIBRATE_BLOCKRUN_H

#include "Accumulator.h"
#include "Data.h"

#include <memory>

namespace terse {

/// What is run, and on what.
struct BlockRun {
  std::string artifact;
  const CalibrationData *data = nullptr;
  unsigned threads = 0;
  /// What the block before gave; empty for the first block.
  std::string input;
  /// Where to put what the block gives; empty: nowhere.
  std::string output;
  /// Whether taps sum up x x^T.
  bool hasSecondMoments = true;
};

using Accumulators = std::vector<std::unique_ptr<Accumulator>>;

/// Runs a block that `terse-extract-block` made over all windows, a few at a time. Its outputs `tap:NAME` are added to `taps`,
/// which come into being at the first one. `onPart` is called after each part with the share that is done. The file
/// `output` is complete or not there: for each part the rank (i64), the sizes (i64) and the data of `block_output`.
llvm::Error runBlock(const BlockRun &run, Accumulators &taps, ParallelFor parallelFor,
                     llvm::function_ref<llvm::Error(double)> onPart);

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_BLOCKRUN_H
