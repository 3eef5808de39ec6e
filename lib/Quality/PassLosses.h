//===- PassLosses.h - what each pass adds to the loss -----------*- C++ -*-===//
#ifndef TERSE_LIB_QUALITY_PASSLOSSES_H
#define TERSE_LIB_QUALITY_PASSLOSSES_H

#include "terse/Pipeline/Compile.h"
#include "terse/Quality/Measure.h"
#include "terse/Report/CompressionReport.h"

namespace terse {

/// Lists the passes of the compression in the report with the loss after each. The whole is known from the report; before it, each beginning of the
/// pipeline that ends in a lossy pass is compiled for `level`, calibrated as the whole was, and measured on `tokens`: of a recipe with n lossy passes
/// n - 1. `options.skipPassLosses` leaves those out.
llvm::Error measurePassLosses(CompressionReport &report, const CompileOptions &options, const std::string &level, const terse_model *original,
                              const std::vector<int32_t> &tokens, CompileListener &listener);

} // namespace terse

#endif // TERSE_LIB_QUALITY_PASSLOSSES_H
