//===- Safetensors.h - named tensors in a file ------------------*- C++ -*-===//
#ifndef TERSE_SUPPORT_SAFETENSORS_H
#define TERSE_SUPPORT_SAFETENSORS_H

#include "terse/Support/TemporaryFile.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace terse {

/// A tensor's place in a safetensors file.
struct SafetensorsEntry {
  std::string name;
  std::string dtype; ///< as the format calls it: "F32", "I64", ...
  std::vector<int64_t> shape;

  /// Bytes of the data; none if the type is unknown or the size is beyond 2^62.
  std::optional<uint64_t> getBytes() const;
};

/// A safetensors file, mapped: a little-endian u64 with the length of the JSON header, the header, the data.
/// Every name, shape and offset of it is checked when it is opened.
class SafetensorsFile {
public:
  static llvm::Expected<SafetensorsFile> open(llvm::StringRef path);
  SafetensorsFile(SafetensorsFile &&) = default;
  SafetensorsFile &operator=(SafetensorsFile &&) = default;

  const std::string &getPath() const { return path; }
  /// The file's strings (`__metadata__`).
  const std::map<std::string, std::string> &getMetadata() const { return metadata; }
  /// In the order of their data.
  llvm::ArrayRef<SafetensorsEntry> getEntries() const { return entries; }
  /// Null if there is none of this name.
  const SafetensorsEntry *find(llvm::StringRef name) const;
  /// The bytes of an entry of this file; pages come from the file when they are read.
  llvm::ArrayRef<char> getData(const SafetensorsEntry &entry) const;
  /// Lets the system have back the memory of pages that were read.
  void release() const;

private:
  SafetensorsFile() = default;
  struct Unmap {
    size_t size;
    void operator()(char *bytes) const;
  };
  std::string path;
  std::unique_ptr<char, Unmap> bytes;
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsEntry> entries;
  std::vector<uint64_t> offsets; ///< of the entries' data in the file
  llvm::StringMap<size_t> index;
};

/// Writes a safetensors file front to back. The file has its name only once it is complete.
class SafetensorsWriter {
public:
  /// `entries` in the order in which their data will be written.
  static llvm::Expected<SafetensorsWriter> create(llvm::StringRef path, const std::map<std::string, std::string> &metadata,
                                                  llvm::ArrayRef<SafetensorsEntry> entries);
  /// Appends data: those of the entries one after the other, in pieces of any size.
  llvm::Error write(llvm::ArrayRef<char> data);
  template <typename T>
  llvm::Error write(llvm::ArrayRef<T> values) {
    return write(llvm::ArrayRef<char>(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)));
  }
  /// Gives the file its name. An error if data are missing.
  llvm::Error commit();

private:
  SafetensorsWriter(TemporaryFile file, std::string path, uint64_t missing)
      : file(std::move(file)), path(std::move(path)), missing(missing) {}
  TemporaryFile file;
  std::string path;
  uint64_t missing; ///< bytes to be written yet
};

} // namespace terse

#endif // TERSE_SUPPORT_SAFETENSORS_H
