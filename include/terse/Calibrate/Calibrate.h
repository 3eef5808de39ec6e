//===- Calibrate.h - statistics of a model's activations --------*- C++ -*-===//
#ifndef TERSE_CALIBRATE_CALIBRATE_H
#define TERSE_CALIBRATE_CALIBRATE_H

#include "terse/Analysis/ModelInputs.h"
#include "terse/Calibrate/Fit.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace terse {

struct CalibrationOptions {
  /// FILE[:KEY=VALUE,...]: text, JSON lines (key `field`), token ids, or the model's inputs by name in a .npz file, whose leading
  /// dimension counts samples; key `weight` for its share of the windows or samples.
  std::vector<std::string> data;
  /// Files of the same forms that are like what the model will be used on; empty: not known.
  std::vector<std::string> traffic;
  int64_t windows = 128; ///< sequences, or samples of a .npz file
  int64_t window = 256;  ///< tokens in each sequence of a text
  /// Windows are drawn at random places, samples without putting them back; unset: the first ones, one after the other.
  std::optional<uint64_t> seed;
  /// A block's inputs come from the blocks before it as they were, not as they are compressed.
  bool fromOriginal = false;
  /// Where what is done so far is kept, so that an interrupted run goes on; it is made if it does not exist.
  std::string folder;
  /// The folder stays when all is done.
  bool keepFolder = false;
  /// A file for all statistics; empty: none.
  std::string statistics;
  /// A tokenizer's file or the name of a built-in kind, for text.
  std::string tokenizer;
  unsigned threads = 0; ///< 0: one a processor
};

/// How much data runs through a model's blocks.
struct CalibrationSizes {
  llvm::StringMap<int64_t> symbols; ///< of the inputs' `terse.dims`, for what is run at once
  int64_t numParts = 0;             ///< how often that is
};
/// What the options come to for a model of these inputs. Of arrays only the shapes are read.
llvm::Expected<CalibrationSizes> findCalibrationSizes(const CalibrationOptions &options, llvm::ArrayRef<ModelInput> inputs);

/// What calibration needs of the compiler around it.
struct CalibrationHost {
  /// What the compress stage does: another one cannot go on with what this one left.
  std::string recipe;
  /// What blocks of the model as it is take and give is compared before `prepare`, which gets it as statistics.
  bool measuresSpans = false;
  /// Runs what changes the whole model before layers are measured, the same each time.
  std::function<llvm::Error(mlir::ModuleOp)> prepare;
  /// Runs the passes of the compress stage.
  std::function<llvm::Error(mlir::ModuleOp)> compress;
  /// Compiles what is behind the compress stage to an artifact for this machine.
  std::function<llvm::Error(mlir::ModuleOp, llvm::StringRef path)> compile;
  /// Says what is being done, and what the user should know.
  std::function<void(const llvm::Twine &)> say, warn;
  std::function<llvm::Error()> checkCancelled;
};

/// What a model was calibrated with, and how it fits the traffic.
struct CalibrationRecord {
  struct Text {
    std::string name, sha256; ///< of the files; of the windows
    TokenWindows windows; ///< none of samples
  };
  Text calibration;
  // Where the traffic is known.
  std::optional<Text> traffic;
  std::optional<TokenFit> tokens;
  std::vector<RangeFit> ranges; ///< by tap, in the model's order
  std::vector<std::string> warnings;
};

/// Compresses a model block by block (Frantar et al., 2022): the inputs of each block's layers are measured, its passes
/// run with these statistics (`terse.statistics` of the module) while all other layers are frozen, and its outputs are what the next
/// block is measured with. Only one block's weights and what passes between two blocks are in memory or on disk.
///
/// Statistics do not depend on the number of threads, nor on interruptions, nor on the traffic, whose windows run through the same taps.
llvm::Expected<CalibrationRecord> calibrate(mlir::ModuleOp module, const CalibrationOptions &options, const CalibrationHost &host);

} // namespace terse

#endif // TERSE_CALIBRATE_CALIBRATE_H
