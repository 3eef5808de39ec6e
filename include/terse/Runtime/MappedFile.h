//===- MappedFile.h - a file in memory --------------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_MAPPEDFILE_H
#define TERSE_RUNTIME_MAPPEDFILE_H

#include "terse/Runtime/Status.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace terse::rt {

/// A range of a file, mapped read-only and shared: its pages are the page
/// cache's, read when touched and never copied.
class Mapping {
public:
  Mapping() = default;
  Mapping(Mapping &&other) noexcept { swap(other); }
  Mapping &operator=(Mapping &&other) noexcept {
    Mapping(std::move(other)).swap(*this);
    return *this;
  }
  ~Mapping();

  /// What is read from the disk from now on, is read and mapped in large pages
  /// where the file system can.
  void preferLargePages() const;

  const uint8_t *data() const { return data_; }
  size_t size() const { return size_; }
  std::string_view text() const {
    return {reinterpret_cast<const char *>(data_), size_};
  }

private:
  friend class File;
  void swap(Mapping &other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(base_, other.base_);
    std::swap(length_, other.length_);
  }
  const uint8_t *data_ = nullptr;
  size_t size_ = 0;
  void *base_ = nullptr;
  size_t length_ = 0;
};

/// A regular file open for reading.
class File {
public:
  File() = default;
  File(File &&other) noexcept { swap(other); }
  File &operator=(File &&other) noexcept {
    File(std::move(other)).swap(*this);
    return *this;
  }
  ~File();

  static Result<File> open(const std::string &path);

  uint64_t size() const { return size_; }
  const std::string &path() const { return path_; }
  /// Maps bytes [offset, offset + size), which must lie in the file.
  Result<Mapping> map(uint64_t offset, uint64_t size) const;

private:
  void swap(File &other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(size_, other.size_);
    std::swap(path_, other.path_);
  }
  int descriptor_ = -1;
  uint64_t size_ = 0;
  std::string path_;
};

/// The whole of a file.
Result<Mapping> mapFile(const std::string &path);

/// Zeroed memory, aligned to a page, given by the system page by page as it is
/// first touched.
class Buffer {
public:
  Buffer() = default;
  Buffer(Buffer &&other) noexcept { swap(other); }
  Buffer &operator=(Buffer &&other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  ~Buffer();

  /// Makes room for `bytes` bytes; old contents are lost if that takes a new
  /// mapping. False if the system has no room. `filledAtOnce`: all of it will
  /// soon be used, so large pages are welcome.
  [[nodiscard]] bool reserve(uint64_t bytes, bool filledAtOnce = false);
  void *data() const { return data_; }
  uint64_t capacity() const { return capacity_; }
  void swap(Buffer &other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
  }

private:
  void *data_ = nullptr;
  uint64_t capacity_ = 0;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_MAPPEDFILE_H
