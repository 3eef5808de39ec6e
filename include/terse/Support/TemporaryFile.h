//===- TemporaryFile.h - files that must not stay behind --------*- C++ -*-===//
#ifndef TERSE_SUPPORT_TEMPORARYFILE_H
#define TERSE_SUPPORT_TEMPORARYFILE_H

#include "llvm/Support/Error.h"

#include <string>

namespace terse {

/// A file that has no name in any folder, so that nothing of it stays behind
/// however the process ends, until `commit` gives it one. Its path is one of
/// /proc and serves this process only.
///
/// Where the file system knows no such files it has a name, which is removed
/// when the object goes away, or when `removeAll` is called by whoever ends the
/// process early.
class TemporaryFile {
public:
  enum class Kind { Private, Document, Program }; // permissions of its owner
                                                  // alone, to read, to run
  /// Makes an empty file in the file system of `folder`.
  static llvm::Expected<TemporaryFile> create(llvm::StringRef folder,
                                              Kind kind);
  /// Makes a file in memory.
  static llvm::Expected<TemporaryFile> create(llvm::ArrayRef<char> contents);

  TemporaryFile(TemporaryFile &&other) noexcept;
  TemporaryFile &operator=(TemporaryFile &&) = delete;
  ~TemporaryFile();

  const std::string &getPath() const { return path; }
  /// Appends to the file; `name` stands for it in messages.
  llvm::Error write(llvm::StringRef bytes, llvm::StringRef name) const;
  /// Gives the file the name `to`, in the folder's file system: `to` is either
  /// as before or complete, whatever happens.
  llvm::Error commit(llvm::StringRef to);

  /// Removes the names of all such files that have one. Not for signal
  /// handlers: call it from a thread that waits for signals.
  static void removeAll();

private:
  TemporaryFile(int fd, std::string path, bool named)
      : fd(fd), path(std::move(path)), named(named) {}
  int fd;
  std::string path;
  bool named;
};

} // namespace terse

#endif // TERSE_SUPPORT_TEMPORARYFILE_H
