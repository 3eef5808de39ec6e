//===- Spans.h - how much blocks of a model do ------------------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_SPANS_H
#define TERSE_LIB_CALIBRATE_SPANS_H

#include "Context.h"

#include "llvm/Support/JSON.h"

namespace terse {

/// Runs the model as it is, one whole layer after the other, and compares what each span of its blocks (terse/Analysis/Blocks.h) takes with what
/// it gives: mean cosines over all tokens by the kinds and names of spans, as statistics have them. They are also put into a file of the folder,
/// with the metadata `described`, that the module names (`terse.statistics`). An interrupted run goes on with the layer that it was at.
llvm::Expected<llvm::json::Object> measureSpans(const CalibrationContext &context, const CalibrationStream &stream,
                                                const std::map<std::string, std::string> &described);

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_SPANS_H
