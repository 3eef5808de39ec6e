//===- Measure.h - running artifacts to know their quality ------*- C++ -*-===//
#ifndef TERSE_QUALITY_MEASURE_H
#define TERSE_QUALITY_MEASURE_H

#include "terse-c/terse.h"
#include "terse/Pipeline/Compile.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace terse {

using ModelHandle = std::unique_ptr<terse_model, decltype(&terse_model_close)>;
llvm::Expected<ModelHandle> openArtifact(const std::string &path);

/// Tokens of a file's text, by the tokenizer in `model`.
llvm::Expected<std::vector<int32_t>> tokenizeFile(const terse_model *model, const std::string &path);

/// How the compile's held-out text is measured: threads and windows.
terse_quality_options getQualityOptions(const CompileOptions &options);

/// Cancelled by `cancelled`.
llvm::Expected<terse_perplexity> measureQuality(const terse_model *model, const terse_model *original,
                                                const terse_quality_options &options,
                                                const std::vector<int32_t> &tokens,
                                                const std::atomic<bool> &cancelled);

/// Tokens a second that the model generates after the beginning of `tokens`, one
/// sequence, all processors.
llvm::Expected<double> measureDecodeSpeed(const terse_model *model, int32_t threads,
                                          const std::vector<int32_t> &tokens);

/// What terse-inspect --json prints.
llvm::Expected<llvm::json::Value> describeArtifact(const std::string &path);

} // namespace terse

#endif // TERSE_QUALITY_MEASURE_H
