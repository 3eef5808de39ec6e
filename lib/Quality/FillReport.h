//===- FillReport.h - a report of a compile ---------------------*- C++ -*-===//
#ifndef TERSE_LIB_QUALITY_FILLREPORT_H
#define TERSE_LIB_QUALITY_FILLREPORT_H

#include "terse/Pipeline/Compile.h"
#include "terse/Report/CompressionReport.h"

namespace terse {

/// What was compiled, from what and how: recipe, hashes, facts, what was left.
llvm::Error fillIdentity(CompressionReport &report, const CompileOptions &options, const CompileRecord &record);
/// Layers of the artifact: sizes, formats, errors that passes recorded.
llvm::Error fillLayers(CompressionReport &report, const CompileOptions &options, const CompileRecord &record);
/// The original's sizes.
llvm::Error fillOriginal(CompressionReport &report, const std::string &path);

/// Of all weights of an artifact.
llvm::Expected<uint64_t> sumWeightBytes(const std::string &path);

/// Whether a layer of an artifact was made of the one called `name`: what merged several wrote
/// "a.b.q_proj.weight+k_proj.weight", leaving out what the first one has before.
bool isPartOf(llvm::StringRef layer, llvm::StringRef name);

} // namespace terse

#endif // TERSE_LIB_QUALITY_FILLREPORT_H
