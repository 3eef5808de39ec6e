//===- SentencePieceTokenizer.cpp - through the shim library ----*- C++ -*-===//
#include "SentencePieceShim.h"
#include "terse/Runtime/Tokenizer.h"

#include <climits>
#include <cstdlib>
#include <dlfcn.h>
#include <mutex>

#ifndef __has_feature // of Clang alone
#define __has_feature(feature) 0
#endif

namespace terse::rt {

namespace {

// Sanitizers cannot have it: they must come first themselves.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr int ownSymbolsFirst = 0;
#else
constexpr int ownSymbolsFirst = RTLD_DEEPBIND;
#endif

std::string folderOf(const char *path) {
  char *real = ::realpath(path, nullptr);
  if (!real)
    return "";
  std::string folder = real;
  std::free(real);
  return folder.substr(0, folder.rfind('/'));
}

/// Loads the shim: beside the program, in the lib folder beside the program's,
/// beside the library that this code lies in, or where the system looks.
const TerseSpm *load(std::string &why) {
  std::vector<std::string> candidates;
  if (std::string folder = folderOf("/proc/self/exe"); !folder.empty()) {
    candidates.push_back(folder + "/" TERSE_SPM_LIBRARY);
    candidates.push_back(folder + "/../lib/" TERSE_SPM_LIBRARY);
  }
  Dl_info info;
  if (::dladdr(reinterpret_cast<const void *>(&folderOf), &info) &&
      info.dli_fname)
    candidates.push_back(folderOf(info.dli_fname) + "/" TERSE_SPM_LIBRARY);
  candidates.push_back(TERSE_SPM_LIBRARY);
  for (const std::string &candidate : candidates) {
    // Never closed: a process needs it once. Its own symbols come first: it
    // holds a copy of Protobuf, and so may the process, of another version.
    void *handle =
        ::dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL | ownSymbolsFirst);
    if (!handle) {
      const char *reason = ::dlerror();
      why = reason ? reason : "unknown error";
      continue;
    }
    auto *get =
        reinterpret_cast<const TerseSpm *(*)()>(::dlsym(handle, "terse_spm"));
    if (get && get()->version == TERSE_SPM_VERSION)
      return get();
    why = candidate + " is of another version";
    ::dlclose(handle);
  }
  return nullptr;
}

const TerseSpm *shim(std::string &why) {
  static std::mutex mutex;
  static const TerseSpm *loaded = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (!loaded)
    loaded = load(why);
  return loaded;
}

class SentencePieceTokenizer final : public Tokenizer {
public:
  SentencePieceTokenizer(const TerseSpm *shim, void *model)
      : shim_(shim), model_(model) {}
  ~SentencePieceTokenizer() override { shim_->close(model_); }

  Result<std::vector<int32_t>> encode(std::string_view text) const override {
    std::vector<int32_t> tokens;
    auto emit = [](void *user, int32_t token) {
      static_cast<std::vector<int32_t> *>(user)->push_back(token);
    };
    if (shim_->encode(model_, text.data(), text.size(), emit, &tokens) != 0)
      return fail(Code::Internal, "SentencePiece could not encode the text");
    return tokens;
  }

  std::string piece(int32_t token, bool first) const override {
    std::string text;
    auto emit = [](void *user, const char *bytes, size_t size) {
      static_cast<std::string *>(user)->append(bytes, size);
    };
    shim_->piece(model_, token, first, emit, &text);
    return text;
  }

  const char *kind() const override { return "sentencepiece"; }
  int64_t size() const override { return shim_->size(model_); }
  int32_t bos() const override { return shim_->bos(model_); }
  int32_t eos() const override { return shim_->eos(model_); }

private:
  const TerseSpm *shim_;
  void *model_;
};

} // namespace

Result<std::unique_ptr<Tokenizer>> openSentencePiece(std::string_view bytes) {
  std::string why;
  const TerseSpm *functions = shim(why);
  if (!functions) {
    // A program that was carried elsewhere: the common form needs no library.
    if (auto made = openSentencePieceBpe(bytes);
        made.ok() || made.status().code() == Code::BadArtifact)
      return made;
    return fail(Code::Unsupported,
                "text needs %s, which cannot be loaded: %s; token ids work "
                "without it",
                TERSE_SPM_LIBRARY, why.c_str());
  }
  char error[256] = {};
  void *model =
      functions->open(bytes.data(), bytes.size(), error, sizeof error);
  if (!model)
    return fail(Code::BadArtifact, "damaged SentencePiece model: %s", error);
  return std::unique_ptr<Tokenizer>(
      new SentencePieceTokenizer(functions, model));
}

} // namespace terse::rt
