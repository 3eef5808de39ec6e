//===- Artifact.cpp - what lies in a compiled model -------------*- C++ -*-===//
#include "Inspect.h"

#include "terse/Runtime/Model.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>

namespace terse::inspect {

using namespace rt;
using nlohmann::ordered_json;

namespace {

/// Weights alike in kind and format.
struct Total {
  int64_t tensors = 0, weights = 0;
  uint64_t bytes = 0;
};

int64_t elements(const WeightSpec &weight) {
  int64_t count = 1;
  for (int64_t size : weight.shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count))
      return 0; // a shape that cannot be
  return count;
}

double bitsPerWeight(int64_t weights, uint64_t bytes) {
  return weights ? double(bytes) * 8 / double(weights) : 0;
}

/// Whole numbers as integers.
ordered_json bitsJson(double bits) {
  return bits == double(int64_t(bits)) ? ordered_json(int64_t(bits))
                                       : ordered_json(bits);
}

/// A name fit for a terminal: control characters become '?'.
std::string shown(std::string text) {
  for (char &c : text)
    if ((unsigned char)c < ' ' || c == 0x7f)
      c = '?';
  return text;
}

std::string joined(const std::vector<std::string> &words) {
  std::string text;
  for (const std::string &word : words)
    text += (text.empty() ? "" : ", ") + shown(word);
  return text;
}

/// "12,345,678".
std::string grouped(uint64_t value) {
  std::string text = std::to_string(value);
  for (size_t at = text.size(); at > 3;)
    text.insert(at -= 3, ",");
  return text;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string shapeOf(const WeightSpec &weight) {
  std::string text;
  for (int64_t size : weight.shape)
    text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

/// "4 bits, groups of 32, scales f16, symmetric".
std::string formatOf(const WeightSpec &weight) {
  std::string text = number(weight.bits) + " bits";
  if (!weight.scale.empty() && weight.scale != "none") {
    bool perChannel =
        weight.groupSize == 0 ||
        (!weight.shape.empty() && weight.groupSize == weight.shape.back());
    text += perChannel ? ", per channel"
                       : ", groups of " + std::to_string(weight.groupSize);
    text += ", scales " + shown(weight.scale);
    text += weight.symmetric ? ", symmetric" : ", asymmetric";
  }
  return text;
}

std::map<std::string, Total> totals(const Manifest &manifest) {
  std::map<std::string, Total> result;
  for (const WeightSpec &weight : manifest.weights) {
    std::string kind = weight.kind.empty() ? "other" : shown(weight.kind);
    Total &total = result[kind + ", " + formatOf(weight)];
    total.tensors += 1;
    total.weights += elements(weight);
    total.bytes += weight.bytes;
  }
  return result;
}

uint64_t codeBytes(const ElfFile &elf) {
  uint64_t bytes = 0;
  for (const ElfFile::Section &section : elf.sections())
    if (section.flags & 4) // SHF_EXECINSTR
      bytes += section.size;
  return bytes;
}

void printTensors(const char *title, const std::vector<TensorSpec> &specs) {
  for (const TensorSpec &spec : specs) {
    std::printf("%-10s %s: %s", title, shown(spec.name).c_str(),
                shown(describe(spec)).c_str());
    if (!spec.role.empty() && spec.role != spec.name)
      std::printf(" (%s)", shown(spec.role).c_str());
    std::printf("\n");
    title = "";
  }
}

void printText(const ArtifactFile &artifact, bool verified) {
  const Manifest &m = artifact.manifest;
  std::printf("%-10s %s, %s bytes\n", "artifact", artifact.file.path().c_str(),
              grouped(artifact.file.size()).c_str());
  std::printf("%-10s %s\n", "compiler", shown("terse " + m.compiler).c_str());
  std::printf("%-10s %s\n%-10s sha256 %s\n", "source",
              shown(m.sourceName).c_str(), "", shown(m.sourceHash).c_str());
  std::printf("%-10s %s\n", "recipe", shown(m.recipe).c_str());
  std::printf("%-10s %s\n", "cpu levels", joined(m.levels).c_str());
  printTensors("inputs", m.inputs);
  printTensors("outputs", m.outputs);
  printTensors("states", m.states);
  std::printf("%-10s", "entries");
  for (const EntrySpec &entry : m.entries) {
    std::printf(" %s", shown(entry.name).c_str());
    for (size_t i = 0; i < entry.when.size(); ++i)
      std::printf("%s%s = %" PRId64 "%s", i ? ", " : " (",
                  shown(m.symbols[entry.when[i].first]).c_str(),
                  entry.when[i].second, i + 1 == entry.when.size() ? ")" : "");
  }
  std::printf("\n%-10s %s bytes, sha256 %s\n", "code",
              grouped(codeBytes(artifact.elf)).c_str(),
              shown(m.codeHash).c_str());
  std::printf("%-10s %s bytes, sha256 %s\n", "weights",
              grouped(m.weightsBytes).c_str(), shown(m.weightsHash).c_str());
  if (verified)
    std::printf("%-10s code and weights have these hashes\n", "verified");
  if (!m.tokenizerKind.empty() || !artifact.tokenizer.empty())
    std::printf("%-10s %s, %s bytes\n", "tokenizer",
                shown(m.tokenizerKind).c_str(),
                grouped(artifact.tokenizer.size()).c_str());
  if (m.weights.empty())
    return;

  size_t width = 5;
  for (const WeightSpec &weight : m.weights)
    width = std::max(width, std::min<size_t>(weight.name.size(), 60));
  std::printf("\n%-*s  %-10s %14s %6s %6s %6s %14s %6s\n", int(width), "layer",
              "kind", "shape", "bits", "group", "scale", "bytes", "bits/w");
  for (const WeightSpec &weight : m.weights)
    std::printf("%-*s  %-10s %14s %6s %6s %6s %14s %6.3g\n", int(width),
                shown(weight.name).c_str(), shown(weight.kind).c_str(),
                shapeOf(weight).c_str(), number(weight.bits).c_str(),
                weight.groupSize ? std::to_string(weight.groupSize).c_str()
                                 : "-",
                weight.scale.empty() ? "-" : shown(weight.scale).c_str(),
                grouped(weight.bytes).c_str(),
                bitsPerWeight(elements(weight), weight.bytes));
  std::printf("\n");
  for (const auto &[format, total] : totals(m))
    std::printf("%s: %" PRId64 " tensors, %s weights, %s bytes, %.3g bits a "
                "weight\n",
                format.c_str(), total.tensors, grouped(total.weights).c_str(),
                grouped(total.bytes).c_str(),
                bitsPerWeight(total.weights, total.bytes));
}

/// The manifest and what follows from it and the file.
void printJson(const ArtifactFile &artifact, bool verified) {
  ordered_json root = ordered_json::object();
  root["file"] = artifact.file.path();
  root["bytes"] = artifact.file.size();
  root["code_bytes"] = codeBytes(artifact.elf);
  root["tokenizer_bytes"] = artifact.tokenizer.size();
  ordered_json layers = ordered_json::array();
  for (const WeightSpec &weight : artifact.manifest.weights)
    layers.push_back(
        {{"name", weight.name},
         {"kind", weight.kind},
         {"shape", weight.shape},
         {"bits", bitsJson(weight.bits)},
         {"group_size", weight.groupSize},
         {"symmetric", weight.symmetric},
         {"scale", weight.scale},
         {"bytes", weight.bytes},
         {"bits_per_weight", bitsPerWeight(elements(weight), weight.bytes)}});
  root["layers"] = std::move(layers);
  ordered_json sums = ordered_json::array();
  for (const auto &[format, total] : totals(artifact.manifest))
    sums.push_back(
        {{"format", format},
         {"tensors", total.tensors},
         {"weights", total.weights},
         {"bytes", total.bytes},
         {"bits_per_weight", bitsPerWeight(total.weights, total.bytes)}});
  root["totals"] = std::move(sums);
  root["hashes"] = {{"source", artifact.manifest.sourceHash},
                    {"weights", artifact.manifest.weightsHash},
                    {"code", artifact.manifest.codeHash}};
  if (verified)
    root["verified"] = true;
  root["recipe"] = artifact.manifest.recipe;
  root["manifest"] =
      ordered_json::parse(artifact.manifest.text, nullptr, false);
  std::printf("%s\n",
              root.dump(-1, ' ', false, ordered_json::error_handler_t::replace)
                  .c_str());
}

} // namespace

Status inspectArtifact(const Options &options) {
  Result<ArtifactFile> artifact = ArtifactFile::open(options.path);
  if (!artifact.ok())
    return artifact.status();
  if (options.verify)
    if (Status status = artifact->verify(); !status.ok())
      return status;
  if (options.json)
    printJson(*artifact, options.verify);
  else
    printText(*artifact, options.verify);
  return Status();
}

} // namespace terse::inspect
