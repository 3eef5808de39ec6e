//===- TemporaryFolder.h - files that must not stay behind ------*- C++ -*-===//
#ifndef TERSE_TARGET_TEMPORARYFOLDER_H
#define TERSE_TARGET_TEMPORARYFOLDER_H

#include "llvm/Support/Error.h"

#include <string>

namespace terse {

/// A folder of this process alone that is removed with all that lies in it when
/// the object goes away, or when `removeAll` is called by whoever ends the
/// process early.
class TemporaryFolder {
public:
  /// Makes a folder in `parent` whose name begins with `prefix`.
  static llvm::Expected<TemporaryFolder> create(llvm::StringRef parent,
                                                llvm::StringRef prefix);

  TemporaryFolder(TemporaryFolder &&other) noexcept;
  TemporaryFolder &operator=(TemporaryFolder &&) = delete;
  ~TemporaryFolder();

  llvm::StringRef getPath() const { return path; }
  /// Path of a file in the folder.
  std::string getFile(llvm::StringRef name) const;

  /// Removes every such folder of the process. Not for signal handlers: call it
  /// from a thread that waits for signals.
  static void removeAll();

private:
  explicit TemporaryFolder(std::string path) : path(std::move(path)) {}
  std::string path;
};

} // namespace terse

#endif // TERSE_TARGET_TEMPORARYFOLDER_H
