//===- ArtifactFuzzer.cpp - what reads artifacts ----------------*- C++ -*-===//
//
// ELF parsing, manifest, sizes as expressions, hashes and terse-inspect. Text
// that begins with a brace is a manifest alone. An ELF file's seal is set
// right, as whoever makes one can do, so that what lies behind it is reached.
//
//===----------------------------------------------------------------------===//
#include "../../tools/terse-inspect/Inspect.h"
#include "Fuzz.h"
#include "terse/Runtime/Context.h"
#include "terse/Runtime/Sha256.h"

#include <algorithm>

using namespace terse;
using namespace terse::rt;

namespace {

/// What a runtime does with a manifest before any code runs.
void use(const Manifest &manifest) {
  for (int64_t size : {int64_t(0), int64_t(1), int64_t(7), INT64_MAX}) {
    std::vector<std::vector<int64_t>> shapes;
    std::vector<const std::vector<int64_t> *> pointers;
    for (const TensorSpec &spec : manifest.inputs)
      shapes.emplace_back(spec.shape.size(), size);
    for (const std::vector<int64_t> &shape : shapes)
      pointers.push_back(&shape);
    std::vector<int64_t> values(manifest.symbols.size(), -1);
    if (manifest.past >= 0)
      values[manifest.past] = 3;
    (void)bindSymbols(manifest, pointers, values);
    for (const auto *specs : {&manifest.outputs, &manifest.states})
      for (const TensorSpec &spec : *specs) {
        int64_t result;
        for (const Expr &expr : spec.shape)
          (void)expr.evaluate(values.data(), result);
        (void)describe(spec);
      }
  }
}

std::string digest(const std::string &hexadecimal) {
  std::string bytes;
  for (size_t i = 0; i < hexadecimal.size(); i += 2)
    bytes += char(std::stoi(hexadecimal.substr(i, 2), nullptr, 16));
  return bytes;
}

/// Sets the seal; false if the file has none.
bool seal(std::string &bytes) {
  Result<ElfFile> elf = ElfFile::parse(bytes, "fuzz");
  if (!elf.ok())
    return false;
  const ElfFile::Section *place = elf->section(TERSE_SECTION_SEAL);
  const ElfFile::Section *weights = elf->section(TERSE_SECTION_WEIGHTS);
  std::string_view manifest, counted;
  if (!place || place->size != TERSE_SEAL_SIZE ||
      !elf->symbol(TERSE_SYMBOL_MANIFEST, manifest) ||
      !elf->symbol(TERSE_SYMBOL_MANIFEST_SIZE, counted) || counted.size() < 8)
    return false;
  uint64_t size;
  std::copy_n(counted.data(), 8, reinterpret_cast<char *>(&size));
  std::string own = digest(Sha256::of(
      manifest.data(), std::min<uint64_t>(size, manifest.size())));
  std::string rest;
  for (size_t at = 0; at < bytes.size(); ++at)
    if (!(at >= place->offset && at - place->offset < place->size) &&
        !(weights && at >= weights->offset &&
          at - weights->offset < weights->size))
      rest += bytes[at];
  bytes.replace(place->offset, TERSE_SEAL_SIZE,
                own + digest(Sha256::of(rest.data(), rest.size())));
  return true;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::ScratchFolder folder;
  std::string bytes(reinterpret_cast<const char *>(data), size);
  if (!bytes.empty() && bytes[0] == '{') {
    if (Result<Manifest> manifest = Manifest::parse(bytes); manifest.ok())
      use(*manifest);
    else
      TERSE_FUZZ_CHECK(!manifest.status().message().empty(), "no message");
    return 0;
  }
  seal(bytes);
  inspect::Options options;
  options.path = folder.write("artifact.so", bytes);
  Result<ArtifactFile> artifact = ArtifactFile::open(options.path);
  if (!artifact.ok()) {
    TERSE_FUZZ_CHECK(!artifact.status().message().empty(), "no message");
    return 0;
  }
  use(artifact->manifest);
  for (bool json : {false, true})
    for (bool verify : {false, true}) {
      options.json = json;
      options.verify = verify;
      (void)inspect::inspectArtifact(options);
    }
  return 0;
}

#ifdef TERSE_FUZZING
extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  // What is printed is of no interest; messages go to standard error.
  return std::freopen("/dev/null", "w", stdout) ? 0 : 1;
}
#endif
