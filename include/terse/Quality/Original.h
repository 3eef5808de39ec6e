//===- Original.h - the model as it is, to compare with ---------*- C++ -*-===//
#ifndef TERSE_QUALITY_ORIGINAL_H
#define TERSE_QUALITY_ORIGINAL_H

#include "terse/Pipeline/Compile.h"
#include "terse/Quality/Measure.h"

namespace terse {

/// The model of `options` with the recipe `keep`, compiled for `level` alone, open. Its file lies beside the output until it is open, when
/// `look` has seen it.
llvm::Expected<ModelHandle> openOriginal(const CompileOptions &options, const std::string &level, CompileListener &listener,
                                         llvm::function_ref<llvm::Error(const std::string &path)> look = nullptr);

} // namespace terse

#endif // TERSE_QUALITY_ORIGINAL_H
