//===- MappedFile.cpp - a file in memory ------------------------*- C++ -*-===//
#include "terse/Runtime/MappedFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace terse::rt {

namespace {
const char emptyBytes[1] = {};
uint64_t pageSize() {
  static const uint64_t size = uint64_t(::sysconf(_SC_PAGESIZE));
  return size;
}
} // namespace

Mapping::~Mapping() {
  if (base_)
    ::munmap(base_, length_);
}

void Mapping::preferLargePages() const {
  if (base_)
    (void)::madvise(base_, length_, MADV_HUGEPAGE); // only a wish
}

File::~File() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

Result<File> File::open(const std::string &path) {
  File file;
  file.path_ = path;
  // To open a pipe would wait for its writer.
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.descriptor_ < 0)
    return fail(Code::Io, "cannot open '%s': %s", path.c_str(),
                std::strerror(errno));
  struct stat info;
  if (::fstat(file.descriptor_, &info) != 0)
    return fail(Code::Io, "cannot read '%s': %s", path.c_str(),
                std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return fail(Code::Io, "cannot read '%s': not a regular file", path.c_str());
  file.size_ = uint64_t(info.st_size);
  return file;
}

Result<Mapping> File::map(uint64_t offset, uint64_t size) const {
  if (offset > size_ || size > size_ - offset)
    return fail(Code::Io, "'%s' is shorter than expected", path_.c_str());
  Mapping mapping;
  if (size == 0) {
    mapping.data_ = reinterpret_cast<const uint8_t *>(emptyBytes);
    return mapping;
  }
  uint64_t slack = offset % pageSize();
  void *base = ::mmap(nullptr, size + slack, PROT_READ, MAP_SHARED, descriptor_,
                      off_t(offset - slack));
  if (base == MAP_FAILED)
    return fail(Code::Io, "cannot map '%s': %s", path_.c_str(),
                std::strerror(errno));
  mapping.base_ = base;
  mapping.length_ = size + slack;
  mapping.data_ = static_cast<const uint8_t *>(base) + slack;
  mapping.size_ = size;
  return mapping;
}

Result<Mapping> mapFile(const std::string &path) {
  Result<File> file = File::open(path);
  return file.ok() ? file->map(0, file->size()) : Result<Mapping>(file.status());
}

Buffer::~Buffer() {
  if (data_)
    ::munmap(data_, capacity_);
}

bool Buffer::reserve(uint64_t bytes, bool filledAtOnce) {
  if (data_ && bytes <= capacity_)
    return true;
  if (bytes > (uint64_t(1) << 46))
    return false;
  uint64_t size = (bytes + pageSize() - 1) / pageSize() * pageSize();
  if (size == 0)
    size = pageSize();
  // Large pages where all of the memory will be used anyway: hundreds of faults
  // less, a measurable part of a prompt's time.
  constexpr uint64_t largePage = 2 << 20;
  filledAtOnce &= size >= 2 * largePage;
  if (filledAtOnce)
    size = (size + largePage - 1) / largePage * largePage;
  *this = Buffer();
  void *data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED)
    return false;
  if (filledAtOnce)
    (void)::madvise(data, size, MADV_HUGEPAGE); // only a wish
  data_ = data;
  capacity_ = size;
  return true;
}

} // namespace terse::rt
