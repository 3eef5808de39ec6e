//===- ReadNpz.cpp - arrays of a ZIP archive --------------------*- C++ -*-===//
#include "Layout.h"
#include "UnnamedFile.h"
#include "Zip.h"

#include "terse/Npy/Npz.h"

#include <algorithm>

namespace terse::npy {

using namespace rt;

namespace {

std::string getArrayName(const ZipMember &member) {
  std::string name = member.name;
  if (name.size() > 4 && name.compare(name.size() - 4, 4, ".npy") == 0)
    name.resize(name.size() - 4);
  return name;
}

/// A file and what lies in it.
struct Archive {
  std::shared_ptr<const File> file;
  std::vector<ZipMember> members;

  static Result<Archive> open(const std::string &path) {
    Result<File> file = File::open(path);
    if (!file.ok())
      return file.status();
    Result<std::vector<ZipMember>> members = readZipDirectory(*file);
    if (!members.ok())
      return members.status();
    return Archive{std::make_shared<const File>(std::move(*file)),
                   std::move(*members)};
  }
};
} // namespace

Result<std::map<std::string, Array>> readNpz(const std::string &path) {
  Result<Archive> archive = Archive::open(path);
  if (!archive.ok())
    return archive.status();
  const File &file = *archive->file;
  std::map<std::string, Array> arrays;
  for (const ZipMember &member : archive->members) {
    std::string name = getArrayName(member), where = path + ":" + name;
    std::string unpacked;
    bool isStored = member.method == 0;
    Status status = unpackZipMember(file, member, where,
                                    [&](std::string_view part) {
                                      if (!isStored)
                                        unpacked.append(part);
                                      return Status();
                                    });
    if (!status.ok())
      return status;
    Mapping mapping;
    if (isStored) {
      Result<uint64_t> begin = findZipMember(file, member, where);
      Result<Mapping> mapped = file.map(*begin, member.packed);
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
  Result<Archive> archive = Archive::open(path);
  if (!archive.ok())
    return archive.status();
  const File &file = *archive->file;
  std::vector<ArrayFile> arrays;
  for (const ZipMember &member : archive->members) {
    ArrayFile array;
    array.name = getArrayName(member);
    std::string where = path + ":" + array.name;
    for (const ArrayFile &other : arrays)
      if (other.name == array.name)
        return fail(Code::InvalidArgument, "'%s' is there twice",
                    where.c_str());
    UnnamedFile unpackedFile;
    bool isStored = member.method == 0;
    if (!isStored)
      if (Status status = unpackedFile.create(folder); !status.ok())
        return status;
    Status status = unpackZipMember(
        file, member, where, [&](std::string_view part) {
          return isStored ? Status() : unpackedFile.write(part);
        });
    if (!status.ok())
      return status;
    uint64_t begin = 0, size = member.size;
    if (isStored) {
      array.file_ = archive->file;
      begin = *findZipMember(file, member, where);
    } else {
      Result<File> unpacked = unpackedFile.reopen();
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
  Result<Archive> archive = Archive::open(path);
  if (!archive.ok())
    return archive.status();
  std::vector<ArrayHead> heads;
  for (const ZipMember &member : archive->members) {
    ArrayHead head;
    head.name = getArrayName(member);
    std::string where = path + ":" + head.name, bytes;
    Status status = unpackZipMember(
        *archive->file, member, where, [&](std::string_view part) {
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
