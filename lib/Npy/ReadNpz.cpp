//===- ReadNpz.cpp - arrays of a ZIP archive --------------------*- C++ -*-===//
#include "Layout.h"
#include "Zip.h"

#include "terse/Npy/Npz.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace terse::npy {

using namespace rt;

namespace {

std::string getArrayName(const ZipMember &member) {
  std::string name = member.name;
  if (name.size() > 4 && name.compare(name.size() - 4, 4, ".npy") == 0)
    name.resize(name.size() - 4);
  return name;
}

/// A file without a name.
class Scratch {
public:
  ~Scratch() {
    if (descriptor >= 0)
      ::close(descriptor);
  }
  Status open(const std::string &folder) {
    std::string path = folder + "/.terse-XXXXXX";
    descriptor = ::mkostemp(path.data(), O_CLOEXEC);
    if (descriptor < 0)
      return fail(Code::Io, "cannot make a file in '%s': %s", folder.c_str(),
                  std::strerror(errno));
    ::unlink(path.c_str());
    where = folder;
    return Status();
  }
  Status write(std::string_view bytes) const {
    while (!bytes.empty()) {
      ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR)
        continue;
      if (written <= 0)
        return fail(Code::Io, "cannot write to '%s': %s", where.c_str(),
                    std::strerror(written < 0 ? errno : EIO));
      bytes.remove_prefix(size_t(written));
    }
    return Status();
  }
  Result<File> reopen() const {
    return File::open("/proc/self/fd/" + std::to_string(descriptor));
  }

private:
  int descriptor = -1;
  std::string where;
};

} // namespace

Result<std::map<std::string, Array>> readNpz(const std::string &path) {
  Result<File> file = File::open(path);
  if (!file.ok())
    return file.status();
  Result<std::vector<ZipMember>> members = readZipDirectory(*file);
  if (!members.ok())
    return members.status();
  std::map<std::string, Array> arrays;
  for (const ZipMember &member : *members) {
    std::string name = getArrayName(member), where = path + ":" + name;
    std::string unpacked;
    bool isStored = member.method == 0;
    Status status = unpackZipMember(*file, member, where,
                                    [&](std::string_view part) {
                                      if (!isStored)
                                        unpacked.append(part);
                                      return Status();
                                    });
    if (!status.ok())
      return status;
    Mapping mapping;
    if (isStored) {
      Result<uint64_t> begin = findZipMember(*file, member, where);
      Result<Mapping> mapped = file->map(*begin, member.packed);
      if (!mapped.ok())
        return mapped.status();
      mapping = std::move(*mapped);
    }
    Result<Array> array = parseNpy(isStored ? mapping.text() : unpacked, where);
    if (!array.ok())
      return array.status();
    if (!arrays.emplace(name, std::move(*array)).second)
      return fail(Code::InvalidArgument, "'%s' is there twice", where.c_str());
  }
  return arrays;
}

Result<std::vector<ArrayFile>> openNpz(const std::string &path,
                                       const std::string &folder) {
  Result<File> opened = File::open(path);
  if (!opened.ok())
    return opened.status();
  auto file = std::make_shared<const File>(std::move(*opened));
  Result<std::vector<ZipMember>> members = readZipDirectory(*file);
  if (!members.ok())
    return members.status();
  std::vector<ArrayFile> arrays;
  for (const ZipMember &member : *members) {
    ArrayFile array;
    array.name = getArrayName(member);
    std::string where = path + ":" + array.name;
    for (const ArrayFile &other : arrays)
      if (other.name == array.name)
        return fail(Code::InvalidArgument, "'%s' is there twice",
                    where.c_str());
    Scratch scratch;
    bool isStored = member.method == 0;
    if (!isStored)
      if (Status status = scratch.open(folder); !status.ok())
        return status;
    Status status = unpackZipMember(
        *file, member, where, [&](std::string_view part) {
          return isStored ? Status() : scratch.write(part);
        });
    if (!status.ok())
      return status;
    uint64_t begin = 0, size = member.size;
    if (isStored) {
      array.file_ = file;
      begin = *findZipMember(*file, member, where);
    } else {
      Result<File> unpacked = scratch.reopen();
      if (!unpacked.ok())
        return unpacked.status();
      array.file_ = std::make_shared<const File>(std::move(*unpacked));
    }
    Result<Mapping> bytes = array.file_->map(begin, size);
    if (!bytes.ok())
      return bytes.status();
    Result<Layout> layout = parseLayout(bytes->text(), size, where);
    if (!layout.ok())
      return layout.status();
    array.dtype = layout->dtype;
    array.shape = layout->shape;
    array.begin_ = begin + layout->begin;
    array.swapped_ = layout->swapped;
    array.fortran_ = layout->fortran;
    arrays.push_back(std::move(array));
  }
  return arrays;
}

Result<std::vector<ArrayHead>> readNpzHeads(const std::string &path) {
  // Heads of more bytes than this are no ones that NumPy writes.
  constexpr uint64_t kHead = 1 << 16;
  Result<File> file = File::open(path);
  if (!file.ok())
    return file.status();
  Result<std::vector<ZipMember>> members = readZipDirectory(*file);
  if (!members.ok())
    return members.status();
  std::vector<ArrayHead> heads;
  for (const ZipMember &member : *members) {
    ArrayHead head;
    head.name = getArrayName(member);
    std::string where = path + ":" + head.name, bytes;
    Status status = unpackZipMember(
        *file, member, where, [&](std::string_view part) {
          bytes += part.substr(0, kHead - bytes.size());
          return bytes.size() < kHead ? Status() : fail(Code::Cancelled, "done");
        });
    if (!status.ok() && status.code() != Code::Cancelled)
      return status;
    Result<Layout> layout = parseLayout(bytes, member.size, where);
    if (!layout.ok())
      return layout.status();
    head.dtype = layout->dtype;
    head.shape = layout->shape;
    heads.push_back(std::move(head));
  }
  return heads;
}

uint64_t ArrayFile::rowBytes() const {
  uint64_t bytes = sizeOf(dtype);
  for (size_t d = 1; d < shape.size(); ++d)
    bytes *= uint64_t(shape[d]);
  return bytes;
}

Status ArrayFile::read(int64_t first, int64_t count, void *to) const {
  uint64_t row = rowBytes(), rows = shape.empty() ? 1 : uint64_t(shape[0]);
  if (first < 0 || count < 0 || uint64_t(first) > rows ||
      uint64_t(count) > rows - uint64_t(first))
    return fail(Code::InvalidArgument,
                "'%s': expected rows among the %llu of the array",
                name.c_str(), (unsigned long long)rows);
  Layout part = {dtype, swapped_, fortran_, shape, 0};
  // Rows in Fortran order lie all over the array.
  bool isScattered = fortran_ && shape.size() > 1;
  Result<Mapping> bytes =
      isScattered ? file_->map(begin_, rows * row)
                  : file_->map(begin_ + uint64_t(first) * row, uint64_t(count) * row);
  if (!bytes.ok())
    return bytes.status();
  copyRows(part, reinterpret_cast<const char *>(bytes->data()),
           isScattered ? first : 0, count, static_cast<char *>(to));
  return Status();
}

} // namespace terse::npy
