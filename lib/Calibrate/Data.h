//===- Data.h - what a model is calibrated with -----------------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_DATA_H
#define TERSE_LIB_CALIBRATE_DATA_H

#include "terse/Calibrate/Calibrate.h"

namespace terse {

/// Windows of token ids, each `options.window` long.
struct CalibrationData {
  std::vector<std::vector<int32_t>> windows;
  std::string sha256; ///< of the windows
};

/// Reads the files that the options name. Errors name the file.
llvm::Expected<CalibrationData> readCalibrationData(const CalibrationOptions &options);

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_DATA_H
