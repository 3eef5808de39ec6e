//===- CAPI.h - what the C interface's files share --------------*- C++ -*-===//
#ifndef TERSE_LIB_RUNTIME_CAPI_H
#define TERSE_LIB_RUNTIME_CAPI_H

#include "terse-c/terse.h"

#include "terse/Runtime/LanguageModel.h"
#include "terse/Runtime/Version.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>

struct terse_model {
  std::shared_ptr<const terse::rt::Model> model;
};

struct terse_context {
  std::shared_ptr<const terse::rt::Model> model;
  terse::rt::ContextOptions options;
  // Made when first needed: which of the two depends on what is called.
  std::unique_ptr<terse::rt::Context> context;
  std::unique_ptr<terse::rt::LanguageModel> language;
  std::vector<terse::rt::TensorView> inputs;
  std::vector<void *> places; ///< of outputs
  std::function<bool()> goOn;
};

namespace terse::rt {

/// What terse_last_error gives, of each thread.
inline thread_local std::string lastError;

inline terse_status report(const Status &status) {
  if (status.ok())
    return TERSE_OK;
  lastError = status.message();
  return terse_status(status.code());
}

inline terse_status invalid(const char *message) {
  return report(Status(Code::InvalidArgument, message));
}

/// Runs `body`, which returns a Status; no exception gets out.
template <typename F> terse_status guarded(F body) noexcept {
  try {
    return report(body());
  } catch (const std::bad_alloc &) {
    lastError.assign("out of memory");
    return TERSE_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    lastError.assign(error.what());
    return TERSE_INTERNAL;
  }
}

/// Copies a caller's structure, which may be null: fields that an older caller
/// does not have keep their defaults, and those of a newer one that this
/// library does not know must be zero.
template <typename T> Status readOptions(const T *given, T &options) {
  if (!given)
    return Status();
  size_t size = given->size;
  // Larger than any structure of this interface is ever going to be.
  if (size < sizeof(size_t) || size > 4096)
    return fail(Code::InvalidArgument,
                "expected the size of the structure in its field 'size'; got "
                "%zu",
                size);
  auto *bytes = reinterpret_cast<const char *>(given);
  for (size_t i = sizeof(T); i < size; ++i)
    if (bytes[i])
      return fail(Code::Unsupported,
                  "the caller sets options that this library, version %s, does "
                  "not know: expected a structure of %zu bytes; got %zu",
                  TERSE_VERSION, sizeof(T), size);
  std::memcpy(&options, given, std::min(size, sizeof(T)));
  return Status();
}

inline Status missing(const char *what) {
  return fail(Code::InvalidArgument, "expected %s; got null", what);
}

} // namespace terse::rt

#endif // TERSE_LIB_RUNTIME_CAPI_H
