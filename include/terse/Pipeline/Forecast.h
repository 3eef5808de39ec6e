//===- Forecast.h - what a compile will take --------------------*- C++ -*-===//
#ifndef TERSE_PIPELINE_FORECAST_H
#define TERSE_PIPELINE_FORECAST_H

#include "terse/Calibrate/Calibrate.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <string>
#include <vector>

namespace terse {

/// What a compile takes, told before it starts. Bytes and seconds.
struct Forecast {
  /// Values of all weights, and their bytes in the model's files.
  uint64_t parameters = 0, sourceBytes = 0;
  /// Size of the artifact.
  uint64_t artifactBytes = 0;
  /// Most that the disk of the output holds at once: the artifact and what is
  /// not yet in it.
  uint64_t diskBytes = 0;
  /// Largest resident set; that with which it surely can be done, levels
  /// compiled one by one.
  uint64_t memoryBytes = 0, leastMemoryBytes = 0;
  /// Resident sets while the weight that takes most is compressed or packed, its
  /// name, and while code is generated.
  uint64_t weightMemoryBytes = 0, codeMemoryBytes = 0;
  std::string largestWeight;
  /// Weight values that are quantized, each tried on so many grids.
  uint64_t quantizedValues = 0;
  /// CPU levels that there will be code for.
  std::vector<std::string> levels;
  double seconds = 0;
  /// Parts of all that: what calibration adds to the disk and to the time, and its
  /// resident set; 0 where there is none.
  uint64_t calibrationDiskBytes = 0, calibrationMemoryBytes = 0;
  double calibrationSeconds = 0;
};

/// What a forecast depends on beside the model.
struct ForecastOptions {
  /// Passes of the compress stage, as text.
  llvm::StringRef compress;
  /// Whether weights are packed for kernels.
  bool optimize = true;
  /// CPU levels that are asked for; empty: those that differ for the model.
  llvm::ArrayRef<std::string> levels;
  /// Threads of the compiler.
  unsigned threads = 1;
  /// What the model is calibrated with, and how much that is; null: it is not.
  const CalibrationOptions *calibration = nullptr;
  CalibrationSizes sizes;
};

/// Forecasts the compile of `module`, which has the stage 'normalize' behind it.
/// Sizes follow from types alone; for the time a little of the work is done
/// (some tens of milliseconds).
Forecast forecastCompile(mlir::ModuleOp module, const ForecastOptions &options);

/// "648.3 MB".
std::string formatBytes(uint64_t bytes);

} // namespace terse

#endif // TERSE_PIPELINE_FORECAST_H
