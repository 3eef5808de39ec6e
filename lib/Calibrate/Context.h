//===- Context.h - what the steps of a calibration share --------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_CONTEXT_H
#define TERSE_LIB_CALIBRATE_CONTEXT_H

#include "BlockRun.h"
#include "Folder.h"

#include "terse/Calibrate/Calibrate.h"
#include "terse/Statistics/Statistics.h"

namespace terse {

/// Data that runs through the blocks.
struct CalibrationStream {
  CalibrationData data;
  llvm::StringRef suffix; ///< of its files in the folder
};

enum class TapsAt { None, Layers, Blocks };

struct CalibrationContext {
  mlir::ModuleOp module;
  const CalibrationOptions &options;
  const CalibrationHost &host;
  const CalibrationFolder &folder;

  /// Compiles a copy of the module that is only `count` blocks from `first` on, with taps.
  llvm::Error compile(size_t first, size_t count, TapsAt taps) const;
  /// Runs what was compiled last (see runBlock) and says how far it is with `what`.
  llvm::Error run(const CalibrationStream &stream, const std::string &what, std::string input, std::string output, OutputReader read) const;
};

/// A statistics file, complete or not there.
llvm::Error writeStatistics(const std::string &path, const llvm::StringMap<std::string> &layers, std::map<std::string, std::string> more,
                            llvm::ArrayRef<SafetensorsEntry> entries, llvm::ArrayRef<llvm::ArrayRef<char>> contents);

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_CONTEXT_H
