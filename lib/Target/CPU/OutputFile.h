//===- OutputFile.h - a file whose every write is checked -------*- C++ -*-===//
#ifndef TERSE_LIB_TARGET_CPU_OUTPUTFILE_H
#define TERSE_LIB_TARGET_CPU_OUTPUTFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace terse {

/// A file that is read and written in place. Errors name the file and the
/// system's reason.
///
/// Writes reach the system in whole blocks of 2 MiB where they go on for so
/// long: file systems then hold them in large pages, which a reader's memory map
/// takes as they are, without a fault for each small page and with fewer
/// entries of the processor's table of pages.
class OutputFile {
public:
  /// `name` stands for the file in messages.
  static llvm::Expected<OutputFile> open(llvm::StringRef path,
                                         llvm::StringRef name);
  OutputFile(OutputFile &&other) noexcept;
  ~OutputFile();

  llvm::Expected<std::string> readAll();
  /// Keeps the first `kept` bytes and makes the file `size` bytes long with
  /// zeros, which take no space until they are written. An error when the disk
  /// has not so much space, counting `willBeFree` bytes that others give back
  /// meanwhile.
  llvm::Error resize(uint64_t kept, uint64_t size, uint64_t willBeFree);
  llvm::Error seek(uint64_t to);
  llvm::Error write(llvm::StringRef bytes);
  /// SHA-256 of the bytes outside of `skipped`, ranges [begin, end) in order;
  /// 32 bytes.
  llvm::Expected<std::string>
  hash(llvm::ArrayRef<std::pair<uint64_t, uint64_t>> skipped);
  /// Makes sure that the disk has everything.
  llvm::Error finish();

private:
  OutputFile(std::string name, int fd) : name(std::move(name)), fd(fd) {}
  llvm::Error fail(const llvm::Twine &what, int code) const;
  llvm::Error flush();
  std::string name;
  int fd;
  /// What is yet to be written, and where to.
  llvm::SmallVector<char, 0> pending;
  uint64_t position = 0;
};

} // namespace terse

#endif // TERSE_LIB_TARGET_CPU_OUTPUTFILE_H
