//===- ArtifactFile.cpp - an artifact as a file -----------------*- C++ -*-===//
#include "terse/Runtime/Model.h"
#include "terse/Runtime/Sha256.h"

#include <algorithm>
#include <cstring>
#include <elf.h>

namespace terse::rt {

namespace {
template <typename T>
bool readSymbol(const ElfFile &elf, const char *name, T &value) {
  std::string_view bytes;
  if (!elf.symbol(name, bytes) || bytes.size() < sizeof(T))
    return false;
  std::memcpy(&value, bytes.data(), sizeof value);
  return true;
}

bool before(std::string_view a, std::string_view b) {
  return a.data() < b.data();
}

std::string_view sectionBytes(const ElfFile &elf, const char *name) {
  const ElfFile::Section *section = elf.section(name);
  if (!section)
    return {};
  return elf.bytes().substr(section->offset, section->size);
}
} // namespace

Result<ArtifactFile> ArtifactFile::open(const std::string &path) {
  Result<File> file = File::open(path);
  if (!file.ok())
    return file.status();
  Result<Mapping> bytes = file->map(0, file->size());
  if (!bytes.ok())
    return bytes.status();
  bytes->preferLargePages();
  Result<ElfFile> elf = ElfFile::parse(bytes->text(), path);
  if (!elf.ok())
    return elf.status();

  const char *name = path.c_str();
  uint32_t version = 0;
  if (!readSymbol(*elf, TERSE_SYMBOL_ABI_VERSION, version))
    return fail(Code::BadArtifact,
                "'%s' is not an artifact: it exports no '%s'", name,
                TERSE_SYMBOL_ABI_VERSION);
  if (version != TERSE_ARTIFACT_ABI_VERSION)
    return fail(Code::Unsupported,
                "'%s' has artifact version %u; this runtime reads version %u",
                name, version, TERSE_ARTIFACT_ABI_VERSION);
  uint64_t size = 0;
  std::string_view text;
  if (!readSymbol(*elf, TERSE_SYMBOL_MANIFEST_SIZE, size) ||
      !elf->symbol(TERSE_SYMBOL_MANIFEST, text) || size > text.size())
    return fail(Code::BadArtifact, "'%s' is damaged: no manifest", name);
  Result<Manifest> manifest = Manifest::parse(text.substr(0, size));
  if (!manifest.ok())
    return fail(Code::BadArtifact, "'%s' is damaged: %s", name,
                manifest.status().message().c_str());

  const ElfFile::Section *weights = elf->section(TERSE_SECTION_WEIGHTS);
  if (!weights && manifest->weightsBytes)
    return fail(Code::BadArtifact,
                "'%s' is damaged: it has no section '%s' (was it stripped?)",
                name, TERSE_SECTION_WEIGHTS);
  if (weights && weights->offset % TERSE_WEIGHTS_ALIGNMENT != 0)
    return fail(Code::BadArtifact,
                "'%s' is damaged: section '%s' is not aligned to %d bytes",
                name, TERSE_SECTION_WEIGHTS, TERSE_WEIGHTS_ALIGNMENT);
  if (weights && weights->size < manifest->weightsBytes)
    return fail(Code::BadArtifact,
                "'%s' is damaged: expected %llu bytes of weights; got %llu",
                name, (unsigned long long)manifest->weightsBytes,
                (unsigned long long)weights->size);

  ArtifactFile artifact;
  artifact.file = std::move(*file);
  artifact.weights = sectionBytes(*elf, TERSE_SECTION_WEIGHTS);
  artifact.tokenizer = sectionBytes(*elf, TERSE_SECTION_TOKENIZER);
  artifact.seal = sectionBytes(*elf, TERSE_SECTION_SEAL);
  artifact.elf = std::move(*elf);
  artifact.manifest = std::move(*manifest);
  // The views point into the mapping, which does not move when its owner does.
  artifact.bytes = std::move(*bytes);
  return artifact;
}

bool ArtifactFile::hasManifest(const std::string &path) {
  Result<File> file = File::open(path);
  if (!file.ok())
    return false;
  Result<Mapping> bytes = file->map(0, file->size());
  if (!bytes.ok())
    return false;
  Result<ElfFile> elf = ElfFile::parse(bytes->text(), path);
  std::string_view text;
  return elf.ok() && elf->symbol(TERSE_SYMBOL_MANIFEST, text);
}

namespace {
Status compareHashes(const std::string &path, const char *what,
                     const std::string &expected, const std::string &got) {
  if (expected.empty())
    return fail(Code::Unsupported,
                "'%s' cannot be verified: its manifest has no hash of its %s",
                path.c_str(), what);
  if (got != expected)
    return fail(Code::BadArtifact,
                "'%s' is damaged: expected %s of SHA-256 %s; got %s",
                path.c_str(), what, expected.c_str(), got.c_str());
  return Status();
}

std::string hexadecimal(std::string_view bytes) {
  std::string text;
  for (unsigned char byte : bytes)
    for (int shift : {4, 0})
      text += "0123456789abcdef"[(byte >> shift) & 15];
  return text;
}
} // namespace

Status ArtifactFile::checkSeal() const {
  if (seal.size() != TERSE_SEAL_SIZE)
    return fail(Code::BadArtifact,
                "'%s' is damaged: expected a section '%s' of %d bytes; got %zu",
                file.path().c_str(), TERSE_SECTION_SEAL, TERSE_SEAL_SIZE,
                seal.size());
  if (Status status = compareHashes(
          file.path(), "a manifest", hexadecimal(seal.substr(0, 32)),
          Sha256::of(manifest.text.data(), manifest.text.size()));
      !status.ok())
    return status;
  // In a hostile file the two may lie inside of each other; no weights lie
  // where the seal does.
  auto [left, right] = std::minmax(weights, seal, before);
  const char *all = bytes.text().data(), *end = all + bytes.size();
  Sha256 hash;
  for (std::string_view part : {left, right, std::string_view(end, 0)}) {
    if (!part.data())
      continue;
    if (part.data() > all)
      hash.update(all, part.data() - all);
    all = std::max(all, part.data() + part.size());
  }
  return compareHashes(file.path(), "code and tables",
                       hexadecimal(seal.substr(32)), hash.finish());
}

Status ArtifactFile::verify(bool linkedIn) const {
  auto compare = [&](const char *what, const std::string &expected,
                     const std::string &got) {
    return compareHashes(file.path(), what, expected, got);
  };
  if (!linkedIn || !seal.empty())
    if (Status status = checkSeal(); !status.ok())
      return status;
  Sha256 code;
  for (const ElfFile::Section &section : elf.sections())
    if ((section.flags & SHF_ALLOC) && section.type == SHT_PROGBITS &&
        section.name != TERSE_SECTION_MANIFEST)
      code.update(bytes.data() + section.offset, section.size);
  if (Status status = compare("code", manifest.codeHash, code.finish());
      !status.ok())
    return status;
  return compare("weights", manifest.weightsHash,
                 Sha256::of(weights.data(), manifest.weightsBytes));
}

} // namespace terse::rt
