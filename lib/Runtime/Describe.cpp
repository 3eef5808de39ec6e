//===- Describe.cpp - what lies in an artifact ------------------*- C++ -*-===//
#include "terse/Runtime/Describe.h"

#include "terse/Runtime/Sha256.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <elf.h>

namespace terse::rt {

using nlohmann::ordered_json;

namespace {
/// Whole numbers as integers.
ordered_json bitsJson(double bits) {
  return bits == double(int64_t(bits)) ? ordered_json(int64_t(bits))
                                       : ordered_json(bits);
}

/// "4 bits, groups of 32, scales f16, symmetric"; "4 bits (nf4), ...".
std::string formatOf(const WeightSpec &weight) {
  char bits[32];
  std::snprintf(bits, sizeof bits, "%g", weight.bits);
  std::string text = std::string(bits) + " bits";
  if (!weight.codebook.empty())
    text += " (" + weight.codebook + ")";
  if (!weight.scale.empty() && weight.scale != "none") {
    bool perChannel =
        weight.groupSize == 0 ||
        (!weight.shape.empty() && weight.groupSize == weight.shape.back());
    text += perChannel ? ", per channel"
                       : ", groups of " + std::to_string(weight.groupSize);
    text += ", scales " + weight.scale;
    text += weight.symmetric ? ", symmetric" : ", asymmetric";
  }
  return text;
}
} // namespace

int64_t elementsOf(const WeightSpec &weight) {
  int64_t count = 1;
  for (int64_t size : weight.shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count))
      return 0; // a shape that cannot be
  return count;
}

double bitsPerWeight(int64_t weights, uint64_t bytes) {
  return weights ? double(bytes) * 8 / double(weights) : 0;
}

std::map<std::string, WeightTotal>
totalsOf(const std::vector<WeightSpec> &layers) {
  std::map<std::string, WeightTotal> result;
  for (const WeightSpec &weight : layers) {
    std::string kind = weight.kind.empty() ? "other" : weight.kind;
    WeightTotal &total = result[kind + ", " + formatOf(weight)];
    total.tensors += 1;
    total.weights += elementsOf(weight);
    total.bytes += weight.bytes;
  }
  return result;
}

std::vector<WeightSpec> layersOf(const std::vector<WeightSpec> &weights) {
  std::vector<WeightSpec> layers;
  std::map<std::string, size_t> places;
  for (const WeightSpec &weight : weights)
    if (weight.partOf.empty()) {
      places.emplace(weight.name, layers.size());
      layers.push_back(weight);
    }
  for (const WeightSpec &weight : weights) {
    if (weight.partOf.empty())
      continue;
    auto whole = places.find(weight.partOf);
    if (whole == places.end()) {
      layers.push_back(weight);
      continue;
    }
    WeightSpec &layer = layers[whole->second];
    layer.bytes += weight.bytes;
    // The layer is called what its codes were made of.
    const std::string suffix = ".codes";
    for (size_t at; (at = layer.name.find(suffix)) != std::string::npos;)
      layer.name.erase(at, suffix.size());
  }
  return layers;
}

void addLayers(ordered_json &root, const std::vector<WeightSpec> &given) {
  std::vector<WeightSpec> weights = layersOf(given);
  ordered_json layers = ordered_json::array();
  for (const WeightSpec &weight : weights) {
    layers.push_back(
        {{"name", weight.name},
         {"kind", weight.kind},
         {"shape", weight.shape},
         {"bits", bitsJson(weight.bits)},
         {"group_size", weight.groupSize},
         {"symmetric", weight.symmetric},
         {"scale", weight.scale},
         {"bytes", weight.bytes},
         {"bits_per_weight", bitsPerWeight(elementsOf(weight), weight.bytes)}});
    if (!weight.codebook.empty())
      layers.back()["codebook"] = weight.codebook;
    if (!weight.rows.empty())
      layers.back()["rows"] = weight.rows;
  }
  root["layers"] = std::move(layers);
  ordered_json sums = ordered_json::array();
  for (const auto &[format, total] : totalsOf(weights))
    sums.push_back(
        {{"format", format},
         {"tensors", total.tensors},
         {"weights", total.weights},
         {"bytes", total.bytes},
         {"bits_per_weight", bitsPerWeight(total.weights, total.bytes)}});
  root["totals"] = std::move(sums);
}

uint64_t codeBytes(const ElfFile &elf) {
  uint64_t bytes = 0;
  for (const ElfFile::Section &section : elf.sections())
    if (section.flags & SHF_EXECINSTR)
      bytes += section.size;
  return bytes;
}

Result<ArtifactFile> openChecked(const std::string &path, bool verify) {
  Result<ArtifactFile> artifact = ArtifactFile::open(path);
  if (!artifact.ok())
    return artifact;
  // Linked into a program by other tools, a model has no seal.
  if (verify || !artifact->seal.empty())
    if (Status status = verify ? artifact->verify() : artifact->checkSeal();
        !status.ok())
      return status;
  return artifact;
}

std::string describeArtifact(const ArtifactFile &artifact, bool verified) {
  ordered_json root = ordered_json::object();
  root["file"] = artifact.file.path();
  root["bytes"] = artifact.file.size();
  root["code_bytes"] = codeBytes(artifact.elf);
  root["tokenizer_bytes"] = artifact.tokenizer.size();
  addLayers(root, artifact.manifest.weights);
  root["hashes"] = {{"source", artifact.manifest.sourceHash},
                    {"weights", artifact.manifest.weightsHash},
                    {"code", artifact.manifest.codeHash},
                    {"manifest", Sha256::of(artifact.manifest.text.data(),
                                            artifact.manifest.text.size())}};
  if (verified)
    root["verified"] = true;
  root["recipe"] = artifact.manifest.recipe;
  root["manifest"] =
      ordered_json::parse(artifact.manifest.text, nullptr, false);
  return root.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

} // namespace terse::rt
