//===- ForecastCalibration.h - what calibration will take -------*- C++ -*-===//
#ifndef TERSE_LIB_PIPELINE_FORECASTCALIBRATION_H
#define TERSE_LIB_PIPELINE_FORECASTCALIBRATION_H

#include "terse/Pipeline/Forecast.h"

namespace terse {

/// Bytes that calibration needs on the disk, and in memory beside the compiler; seconds for the code of blocks, by one
/// thread, and for arithmetic, by all together, where a value is rounded to 4 bits in 30 ns.
struct CalibrationForecast {
  uint64_t diskBytes = 0, memoryBytes = 0;
  double codeSeconds = 0, arithmeticSeconds = 0;
};

CalibrationForecast forecastCalibration(mlir::ModuleOp module, const ForecastOptions &options);

} // namespace terse

#endif // TERSE_LIB_PIPELINE_FORECASTCALIBRATION_H
