//===- Artifact.cpp - what lies in a compiled model -------------*- C++ -*-===//
#include "Layers.h"

#include "terse/Runtime/Model.h"
#include "terse/Runtime/Sha256.h"

#include <cinttypes>
#include <cstdio>
#include <elf.h>

namespace terse::inspect {

using namespace rt;
using nlohmann::ordered_json;

namespace {

uint64_t codeBytes(const ElfFile &elf) {
  uint64_t bytes = 0;
  for (const ElfFile::Section &section : elf.sections())
    if (section.flags & SHF_EXECINSTR)
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

/// The manifest and what follows from it and the file.
void printJson(const ArtifactFile &artifact, bool verified) {
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
  std::printf("%s\n",
              root.dump(-1, ' ', false, ordered_json::error_handler_t::replace)
                  .c_str());
}

} // namespace

Status inspectArtifact(const Options &options) {
  Result<ArtifactFile> artifact = ArtifactFile::open(options.path);
  if (!artifact.ok())
    return artifact.status();
  // Linked into a program by other tools, a model has no seal.
  if (options.verify || !artifact->seal.empty())
    if (Status status =
            options.verify ? artifact->verify() : artifact->checkSeal();
        !status.ok())
      return status;
  if (options.json)
    printJson(*artifact, options.verify);
  else
    printText(*artifact, options.verify);
  return Status();
}

} // namespace terse::inspect
