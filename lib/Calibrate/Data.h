//===- Data.h - what a model is calibrated with -----------------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_DATA_H
#define TERSE_LIB_CALIBRATE_DATA_H

#include "terse/Calibrate/Calibrate.h"

namespace terse {

/// Windows of token ids, each `options.window` long.
struct CalibrationData {
  TokenWindows windows;
  std::string name;   ///< of the files
  std::string sha256; ///< of the windows
};

/// Windows of the traffic that are looked at, at most.
constexpr int64_t kTrafficWindows = 32;

/// Reads the files that the options name. Errors name the file.
llvm::Expected<CalibrationData> readCalibrationData(const CalibrationOptions &options);
/// The same of the traffic: no more windows than of the calibration, nor than kTrafficWindows, spread over the files.
llvm::Expected<CalibrationData> readTraffic(const CalibrationOptions &options);

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_DATA_H
