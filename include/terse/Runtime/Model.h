//===- Model.h - an open artifact -------------------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_MODEL_H
#define TERSE_RUNTIME_MODEL_H

#include "terse/Runtime/ArtifactABI.h"
#include "terse/Runtime/CpuLevel.h"
#include "terse/Runtime/ElfFile.h"
#include "terse/Runtime/Manifest.h"
#include "terse/Runtime/MappedFile.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace terse::rt {

/// An artifact as a file: mapped, checked, manifest parsed, no code loaded. It
/// can be looked at on any machine.
struct ArtifactFile {
  File file;
  Mapping bytes;
  ElfFile elf;
  Manifest manifest;
  std::string_view weights, tokenizer, seal; ///< sections; empty if absent

  static Result<ArtifactFile> open(const std::string &path);
  /// True if `path` is an ELF file that has a manifest (used by programs that
  /// may or may not have a model linked in).
  static bool hasManifest(const std::string &path);

  /// The quick check: compares the seal with everything but the weights.
  Status checkSeal() const;
  /// Compares the seal and the hashes of the manifest with all of the file. A
  /// program that another linker made of an object with a model in it
  /// (`linkedIn`) may have no seal.
  Status verify(bool linkedIn = false) const;
};

/// An artifact with its code loaded. Immutable: contexts in any number of
/// threads may share it.
class Model {
public:
  /// The functions of one entry for the chosen CPU level.
  struct Entry {
    TerseEntryFn run = nullptr;
    TerseArenaFn arena = nullptr;
  };

  /// Opens a file whose seal is whole. `level` forces a CPU level; otherwise the best one that
  /// both the machine and the artifact have is taken.
  static Result<std::shared_ptr<const Model>>
  open(const std::string &path, std::optional<CpuLevel> level = {});

  /// Opens the model that is linked into this process.
  static Result<std::shared_ptr<const Model>>
  openSelf(std::optional<CpuLevel> level = {});
  /// True if a model is linked into this process.
  static bool haveSelf();

  ~Model();
  Model(const Model &) = delete;

  const Manifest &manifest() const { return file_.manifest; }
  const ArtifactFile &file() const { return file_; }
  const void *weights() const { return file_.weights.data(); }
  std::string_view tokenizer() const { return file_.tokenizer; }
  CpuLevel level() const { return level_; }
  const std::vector<Entry> &entries() const { return entries_; }
  Status verify() const { return file_.verify(/*linkedIn=*/!handle_); }

private:
  Model() = default;
  Status load(void *handle, std::optional<CpuLevel> level);

  ArtifactFile file_;
  void *handle_ = nullptr; ///< of dlopen, null if linked in
  CpuLevel level_ = CpuLevel::Baseline;
  std::vector<Entry> entries_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_MODEL_H
