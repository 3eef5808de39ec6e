//===- Describe.h - what lies in an artifact --------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_DESCRIBE_H
#define TERSE_RUNTIME_DESCRIBE_H

#include "terse/Runtime/Model.h"

#include <nlohmann/json_fwd.hpp>

#include <map>

namespace terse::rt {

/// Layers: codes with the bytes of their scales and zero points.
std::vector<WeightSpec> layersOf(const std::vector<WeightSpec> &weights);

/// Number of weights; 0 for a shape that cannot be.
int64_t elementsOf(const WeightSpec &weight);
/// 0 without weights.
double bitsPerWeight(int64_t weights, uint64_t bytes);

/// Weights alike in kind and format.
struct WeightTotal {
  int64_t tensors = 0, weights = 0;
  uint64_t bytes = 0;
};
/// Sums by "linear, 4 bits, groups of 32, scales f16, symmetric".
std::map<std::string, WeightTotal>
totalsOf(const std::vector<WeightSpec> &layers);

/// Adds "layers" and "totals".
void addLayers(nlohmann::ordered_json &root,
               const std::vector<WeightSpec> &weights);

/// Bytes of code of all CPU levels.
uint64_t codeBytes(const ElfFile &elf);

/// Opens an artifact and compares the hashes of all but the weights, with
/// `verify` of these too.
Result<ArtifactFile> openChecked(const std::string &path, bool verify);

/// The manifest and what follows from it and the file, as one JSON object.
/// `verified`: the hashes have been compared.
std::string describeArtifact(const ArtifactFile &artifact, bool verified);

} // namespace terse::rt

#endif // TERSE_RUNTIME_DESCRIBE_H
