//===- Artifact.cpp - what lies in a compiled model -------------*- C++ -*-===//
#include "Layers.h"

#include "terse/Runtime/Sha256.h"

#include <cinttypes>
#include <cstdio>

namespace terse::inspect {

using namespace rt;

namespace {

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
  std::printf("%-10s %s bytes, sha256 %s\n", "manifest",
              grouped(m.text.size()).c_str(),
              Sha256::of(m.text.data(), m.text.size()).c_str());
  if (verified)
    std::printf("%-10s manifest, code and weights have these hashes\n",
                "verified");
  if (!m.tokenizerKind.empty() || !artifact.tokenizer.empty())
    std::printf("%-10s %s, %s bytes\n", "tokenizer",
                shown(m.tokenizerKind).c_str(),
                grouped(artifact.tokenizer.size()).c_str());
  printLayers(m.weights);
}

} // namespace

Status inspectArtifact(const Options &options) {
  Result<ArtifactFile> artifact = openChecked(options.path, options.verify);
  if (!artifact.ok())
    return artifact.status();
  if (options.json)
    std::printf("%s\n", describeArtifact(*artifact, options.verify).c_str());
  else
    printText(*artifact, options.verify);
  return Status();
}

} // namespace terse::inspect
