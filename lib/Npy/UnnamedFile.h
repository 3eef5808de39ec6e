//===- UnnamedFile.h - a file that goes with its descriptor -----*- C++ -*-===//
#ifndef TERSE_LIB_NPY_UNNAMEDFILE_H
#define TERSE_LIB_NPY_UNNAMEDFILE_H

#include "terse/Runtime/MappedFile.h"

#include <string>
#include <string_view>

namespace terse::npy {

/// A file without a name: gone when nobody has it open, however the process
/// ends.
class UnnamedFile {
public:
  UnnamedFile() = default;
  UnnamedFile(const UnnamedFile &) = delete;
  ~UnnamedFile();

  /// Makes it, on the disk of `folder`.
  rt::Status create(const std::string &folder);
  rt::Status write(std::string_view bytes) const;
  /// What was written, to be read.
  rt::Result<rt::File> reopen() const;

private:
  int descriptor_ = -1;
  std::string folder_;
};

} // namespace terse::npy

#endif // TERSE_LIB_NPY_UNNAMEDFILE_H
