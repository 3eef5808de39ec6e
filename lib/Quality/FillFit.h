//===- FillFit.h - a report of how a calibration fits -----------*- C++ -*-===//
#ifndef TERSE_LIB_QUALITY_FILLFIT_H
#define TERSE_LIB_QUALITY_FILLFIT_H

#include "terse/Calibrate/Calibrate.h"
#include "terse/Pipeline/Compile.h"
#include "terse/Quality/Measure.h"
#include "terse/Report/CompressionReport.h"

namespace terse {

/// What was calibrated with, and how that compares with the traffic.
void fillFit(CompressionReport &report, const CalibrationRecord &calibration);

/// Runs both models on the calibration and on the traffic, at most as many windows of it: their perplexities go to the texts that
/// fillFit made, a warning to the listener and the report where the original finds them unlike.
llvm::Error measureFit(CompressionReport &report, const CalibrationRecord &calibration, const terse_model *model,
                       const terse_model *original, int32_t threads, CompileListener &listener);

} // namespace terse

#endif // TERSE_LIB_QUALITY_FILLFIT_H
