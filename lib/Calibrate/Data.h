//===- Data.h - what a model is calibrated with -----------------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_DATA_H
#define TERSE_LIB_CALIBRATE_DATA_H

#include "Samples.h"

#include "terse/Calibrate/Calibrate.h"

namespace terse {

/// What a model is run on: windows of token ids, or samples of its inputs.
struct CalibrationData {
  TokenWindows windows;             ///< each `options.window` long; empty where there are samples
  std::shared_ptr<Samples> samples; ///< null where there are windows
  std::string name;                 ///< of the files
  std::string sha256;               ///< of the windows or samples

  int64_t size() const { return samples ? samples->size() : windows.size(); }
};

/// Windows that a block runs on together, of so many tokens: its outputs stay a few megabytes.
inline int64_t getWindowsAtOnce(int64_t window) { return std::max<int64_t>(1, 2048 / std::max<int64_t>(1, window)); }

/// Windows of the traffic that are looked at, at most.
constexpr int64_t kTrafficWindows = 32;

/// Reads the files that the options name, for a model of these inputs. Errors name the file.
llvm::Expected<CalibrationData> readCalibrationData(const CalibrationOptions &options, llvm::ArrayRef<ModelInput> inputs);
/// The same of the traffic: no more windows than of the calibration, nor than kTrafficWindows, spread over the files.
llvm::Expected<CalibrationData> readTraffic(const CalibrationOptions &options, llvm::ArrayRef<ModelInput> inputs);

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_DATA_H
