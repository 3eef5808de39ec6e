//===- Status.h - errors of the runtime -------------------------*- C++ -*-===//
//
// The runtime never prints and never exits: every failure is a Status with a
// message fit for the user, lower case and without a full stop.
//
//===----------------------------------------------------------------------===//
#ifndef TERSE_RUNTIME_STATUS_H
#define TERSE_RUNTIME_STATUS_H

#include <cstdarg>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

namespace terse::rt {

/// Kinds of failure; the values are those of terse_status in terse-c/terse.h.
enum class Code {
  Ok = 0,
  InvalidArgument = 1, ///< the caller's inputs do not fit the model
  Io = 2,              ///< the operating system refused
  BadArtifact = 3,     ///< truncated, damaged, or not an artifact
  Unsupported = 4,     ///< well formed, but not for this machine or version
  OutOfMemory = 5,
  ContextFull = 6, ///< no room left in the states, or more tokens than the model takes
  Internal = 7,
  Cancelled = 8, ///< a callback wanted it
};

class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Code code, std::string message)
      : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::Ok; }
  Code code() const { return code_; }
  const std::string &message() const { return message_; }

private:
  Code code_ = Code::Ok;
  std::string message_;
};

/// A failure with a printf-style message.
__attribute__((format(printf, 2, 3))) inline Status
fail(Code code, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int size = std::vsnprintf(nullptr, 0, format, args);
  va_end(args);
  std::string message(size > 0 ? size : 0, '\0');
  if (size > 0)
    std::vsnprintf(message.data(), message.size() + 1, format, again);
  va_end(again);
  return Status(code, std::move(message));
}

/// A value or the reason why there is none.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {}

  bool ok() const { return value_.has_value(); }
  const Status &status() const { return status_; }
  T &operator*() { return *value_; }
  const T &operator*() const { return *value_; }
  T *operator->() { return &*value_; }
  const T *operator->() const { return &*value_; }

private:
  std::optional<T> value_;
  Status status_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_STATUS_H
