//===- Model.cpp - an open artifact -----------------------------*- C++ -*-===//
#include "terse/Runtime/Model.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

namespace terse::rt {

namespace {
std::string joined(const std::vector<std::string> &names) {
  std::string text;
  for (const std::string &name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// The file that holds the code or data at `address`.
std::string fileOf(const void *address) {
  Dl_info info;
  if (!::dladdr(address, &info) || !info.dli_fname)
    return "";
  // The program's own name may be a bare word or gone; the kernel knows better.
  Dl_info program;
  auto *headers = reinterpret_cast<const void *>(::getauxval(AT_PHDR));
  if (headers && ::dladdr(headers, &program) &&
      program.dli_fbase == info.dli_fbase)
    return "/proc/self/exe";
  return info.dli_fname;
}
} // namespace

Model::~Model() {
  if (handle_)
    ::dlclose(handle_);
}

Result<std::shared_ptr<const Model>>
Model::open(const std::string &path, std::optional<CpuLevel> level) {
  Result<ArtifactFile> file = ArtifactFile::open(path);
  if (!file.ok())
    return file.status();
  if (file->elf.machine() != EM_X86_64)
    return fail(Code::Unsupported,
                "'%s' was built for another machine: expected x86-64; got ELF "
                "machine %u",
                path.c_str(), unsigned(file->elf.machine()));
  if (Status status = file->checkSeal(); !status.ok())
    return status;
  // A name with a slash, or dlopen would search for it.
  char *real = ::realpath(path.c_str(), nullptr);
  if (!real)
    return fail(Code::Io, "cannot open '%s': %s", path.c_str(),
                std::strerror(errno));
  void *handle = ::dlopen(real, RTLD_NOW | RTLD_LOCAL);
  std::free(real);
  if (!handle) {
    const char *reason = ::dlerror();
    return fail(Code::Unsupported, "cannot load '%s': %s", path.c_str(),
                reason ? reason : "unknown error");
  }
  std::shared_ptr<Model> model(new Model);
  model->file_ = std::move(*file);
  model->handle_ = handle;
  if (Status status = model->load(handle, level); !status.ok())
    return status;
  return std::shared_ptr<const Model>(std::move(model));
}

bool Model::haveSelf() {
  return ::dlsym(RTLD_DEFAULT, TERSE_SYMBOL_MANIFEST) != nullptr;
}

Result<std::shared_ptr<const Model>>
Model::openSelf(std::optional<CpuLevel> level) {
  const void *manifest = ::dlsym(RTLD_DEFAULT, TERSE_SYMBOL_MANIFEST);
  if (!manifest)
    return fail(Code::InvalidArgument, "no model is linked into this program");
  Result<ArtifactFile> file = ArtifactFile::open(fileOf(manifest));
  if (!file.ok())
    return file.status();
  if (!file->seal.empty())
    if (Status status = file->checkSeal(); !status.ok())
      return status;
  std::shared_ptr<Model> model(new Model);
  model->file_ = std::move(*file);
  if (Status status = model->load(RTLD_DEFAULT, level); !status.ok())
    return status;
  return std::shared_ptr<const Model>(std::move(model));
}

Status Model::load(void *handle, std::optional<CpuLevel> forced) {
  const char *name = file_.file.path().c_str();
  const Manifest &manifest = file_.manifest;

  // The loader goes by names: if the file was replaced while an older one of
  // the same name is still open, it hands out the older one's code.
  const void *loaded = ::dlsym(handle, TERSE_SYMBOL_MANIFEST);
  if (!loaded ||
      std::memcmp(loaded, manifest.text.data(), manifest.text.size()) != 0)
    return fail(Code::Io,
                "'%s' has changed on disk while it is in use; close the models "
                "opened from it first",
                name);

  auto has = [&](CpuLevel level) {
    return std::find(manifest.levels.begin(), manifest.levels.end(),
                     nameOf(level)) != manifest.levels.end();
  };
  CpuLevel best = bestLevel();
  if (forced) {
    if (!has(*forced))
      return fail(Code::InvalidArgument,
                  "'%s' has no code for CPU level %s; it has %s", name,
                  nameOf(*forced), joined(manifest.levels).c_str());
    if (*forced > best)
      return fail(Code::Unsupported,
                  "this processor cannot run CPU level %s; its level is %s",
                  nameOf(*forced), nameOf(best));
    level_ = *forced;
  } else {
    int level = int(best);
    while (level >= 0 && !has(CpuLevel(level)))
      --level;
    if (level < 0)
      return fail(Code::Unsupported,
                  "this processor cannot run '%s': its level is %s; the "
                  "artifact has %s",
                  name, nameOf(best), joined(manifest.levels).c_str());
    level_ = CpuLevel(level);
  }

  for (const EntrySpec &spec : manifest.entries) {
    const std::string &symbol = spec.functions.at(nameOf(level_));
    Entry entry;
    entry.run = reinterpret_cast<TerseEntryFn>(::dlsym(handle, symbol.c_str()));
    entry.arena = reinterpret_cast<TerseArenaFn>(
        ::dlsym(handle, (symbol + "_arena").c_str()));
    if (!entry.run || !entry.arena)
      return fail(Code::BadArtifact,
                  "'%s' is damaged: it does not export '%s%s'", name,
                  symbol.c_str(), entry.run ? "_arena" : "");
    entries_.push_back(entry);
  }
  return Status();
}

} // namespace terse::rt
