//===- BlockRun.h - one block over all windows ------------------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_BLOCKRUN_H
#define TERSE_LIB_CALIBRATE_BLOCKRUN_H

#include "Data.h"

#include "terse-c/terse.h"

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
};

/// Gets the outputs of one run, in order, with their indices: `block_output`, `tap:NAME`, or the model's own.
using OutputReader = llvm::function_ref<llvm::Error(size_t, const terse_tensor &)>;

/// Runs blocks that `terse-extract-block` made over all windows, a few at a time. `onPart` is called after each part with the share that is done. The
/// file `output` is complete or not there: for each part the rank (i64), the sizes (i64) and the data of `block_output`.
llvm::Error runBlock(const BlockRun &run, OutputReader read, llvm::function_ref<llvm::Error(double)> onPart);

/// The values of an output as rows of its last dimension in f32; those of another float type are put into `storage`. Errors: no float type, no
/// channels.
struct Rows {
  const float *values = nullptr;
  int64_t count = 0, size = 0;
};
llvm::Expected<Rows> readRows(const terse_tensor &output, std::vector<float> &storage);

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_BLOCKRUN_H
