//===- Inspect.h - what lies in a file --------------------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_INSPECT_INSPECT_H
#define TERSE_TOOLS_TERSE_INSPECT_INSPECT_H

#include "terse/Runtime/Status.h"

#include <string>

namespace terse::inspect {

struct Options {
  std::string path;
  bool json = false;   ///< one object instead of text
  bool verify = false; ///< compare hashes
};

/// Describes a compiled model without loading its code: it works for artifacts
/// of other machines and never runs anything of them.
rt::Status inspectArtifact(const Options &options);

/// True if the name is that of an ONNX model or of IR.
bool looksLikeModel(const std::string &path);

/// Describes a model: ONNX as imported, or IR of any stage.
rt::Status inspectModel(const Options &options);

/// True if the name is that of a file of statistics.
bool looksLikeStatistics(const std::string &path);

/// Describes what calibration measured (lib/Statistics).
rt::Status inspectStatistics(const Options &options);

} // namespace terse::inspect

#endif // TERSE_TOOLS_TERSE_INSPECT_INSPECT_H
