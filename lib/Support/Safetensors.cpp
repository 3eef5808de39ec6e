//===- Safetensors.cpp - named tensors in a file --------------------------===//
#include "terse/Support/Safetensors.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <fcntl.h>
#include <numeric>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace terse;
namespace json = llvm::json;

static unsigned getElementBytes(llvm::StringRef dtype) {
  return llvm::StringSwitch<unsigned>(dtype)
      .Cases({"BOOL", "U8", "I8"}, 1)
      .Cases({"U16", "I16", "F16", "BF16"}, 2)
      .Cases({"U32", "I32", "F32"}, 4)
      .Cases({"U64", "I64", "F64"}, 8)
      .Default(0);
}

std::optional<uint64_t> SafetensorsEntry::getBytes() const {
  uint64_t bytes = getElementBytes(dtype);
  if (bytes == 0)
    return std::nullopt;
  for (int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes) || bytes > (1ull << 62))
      return std::nullopt;
  return bytes;
}

void SafetensorsFile::Unmap::operator()(char *bytes) const { ::munmap(bytes, size); }

/// Reads `"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}`.
static llvm::Error readEntry(llvm::StringRef name, const json::Value &value, uint64_t dataBytes, SafetensorsEntry &entry,
                             uint64_t &offset) {
  auto malformed = [&](llvm::StringRef what) { return llvm::createStringError("tensor '" + name + "': " + what); };
  const json::Object *object = value.getAsObject();
  const json::Array *shape = object ? object->getArray("shape") : nullptr;
  const json::Array *span = object ? object->getArray("data_offsets") : nullptr;
  std::optional<llvm::StringRef> dtype = object ? object->getString("dtype") : std::nullopt;
  if (!shape || !span || span->size() != 2 || !dtype)
    return malformed("expected dtype, shape and data_offsets");
  entry.name = name.str();
  entry.dtype = dtype->str();
  for (const json::Value &size : *shape) {
    std::optional<int64_t> number = size.getAsInteger();
    if (!number)
      return malformed("expected whole numbers in its shape");
    entry.shape.push_back(*number);
  }
  std::optional<int64_t> begin = (*span)[0].getAsInteger(), end = (*span)[1].getAsInteger();
  std::optional<uint64_t> bytes = entry.getBytes();
  if (!bytes)
    return malformed("unknown type '" + entry.dtype + "' or impossible shape");
  if (!begin || !end || *begin < 0 || *end < *begin || static_cast<uint64_t>(*end) > dataBytes ||
      static_cast<uint64_t>(*end - *begin) != *bytes)
    return malformed("data_offsets do not fit its shape or the file");
  offset = *begin;
  return llvm::Error::success();
}

llvm::Expected<SafetensorsFile> SafetensorsFile::open(llvm::StringRef path) {
  auto fail = [&](const llvm::Twine &why) { return llvm::createStringError("cannot read '" + path + "': " + why); };
  int fd = ::open(path.str().c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return fail(llvm::sys::StrError());
  struct stat info;
  void *mapped = MAP_FAILED;
  bool isFile = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  if (isFile && info.st_size >= 8)
    mapped = ::mmap(nullptr, info.st_size, PROT_READ, MAP_SHARED, fd, 0);
  std::string reason = llvm::sys::StrError();
  ::close(fd);
  if (!isFile)
    return fail("not a regular file");
  if (info.st_size < 8)
    return fail("expected a safetensors file; it is too short");
  if (mapped == MAP_FAILED)
    return fail(reason);

  SafetensorsFile file;
  file.path = path.str();
  uint64_t size = info.st_size;
  file.bytes = {static_cast<char *>(mapped), Unmap{size}};
  uint64_t headerBytes = llvm::support::endian::read64le(mapped);
  if (headerBytes > size - 8 || headerBytes > 1u << 30)
    return fail("expected a safetensors file; its header would end behind the file");
  llvm::Expected<json::Value> header = json::parse(llvm::StringRef(file.bytes.get() + 8, headerBytes));
  if (!header)
    return fail("malformed header: " + llvm::toString(header.takeError()));
  const json::Object *object = header->getAsObject();
  if (!object)
    return fail("malformed header: expected an object");
  std::vector<std::pair<uint64_t, SafetensorsEntry>> found;
  for (auto &[key, value] : *object) {
    if (key == "__metadata__") {
      const json::Object *strings = value.getAsObject();
      if (!strings)
        return fail("malformed header: expected strings in __metadata__");
      for (auto &[name, text] : *strings) {
        if (!text.getAsString())
          return fail("malformed header: expected strings in __metadata__");
        file.metadata[llvm::StringRef(name).str()] = text.getAsString()->str();
      }
      continue;
    }
    auto &[offset, entry] = found.emplace_back();
    if (llvm::Error error = readEntry(key, value, size - 8 - headerBytes, entry, offset))
      return fail(llvm::toString(std::move(error)));
  }
  llvm::sort(found, [](auto &a, auto &b) { return std::tie(a.first, a.second.name) < std::tie(b.first, b.second.name); });
  for (auto &[offset, entry] : found) {
    file.index[entry.name] = file.entries.size();
    file.offsets.push_back(8 + headerBytes + offset);
    file.entries.push_back(std::move(entry));
  }
  return file;
}

const SafetensorsEntry *SafetensorsFile::find(llvm::StringRef name) const {
  auto found = index.find(name);
  return found == index.end() ? nullptr : &entries[found->second];
}

llvm::ArrayRef<char> SafetensorsFile::getData(const SafetensorsEntry &entry) const {
  return {bytes.get() + offsets[&entry - entries.data()], static_cast<size_t>(*entry.getBytes())};
}

void SafetensorsFile::release() const { ::madvise(bytes.get(), bytes.get_deleter().size, MADV_DONTNEED); }

llvm::Expected<SafetensorsWriter> SafetensorsWriter::create(llvm::StringRef path,
                                                            const std::map<std::string, std::string> &metadata,
                                                            llvm::ArrayRef<SafetensorsEntry> entries) {
  json::Object strings;
  for (auto &[key, value] : metadata)
    strings[key] = value;
  json::Object header;
  if (!strings.empty())
    header["__metadata__"] = std::move(strings);
  uint64_t end = 0;
  for (const SafetensorsEntry &entry : entries) {
    std::optional<uint64_t> bytes = entry.getBytes();
    if (!bytes)
      return llvm::createStringError("tensor '" + entry.name + "': unknown type or impossible shape");
    header[entry.name] =
        json::Object{{"dtype", entry.dtype}, {"shape", json::Array(entry.shape)}, {"data_offsets", json::Array{end, end + *bytes}}};
    end += *bytes;
  }
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(std::move(header));
  text.resize((text.size() + 7) / 8 * 8, ' '); // data are aligned
  std::string head(8, '\0');
  llvm::support::endian::write64le(head.data(), text.size());

  llvm::StringRef folder = llvm::sys::path::parent_path(path);
  llvm::Expected<TemporaryFile> file = TemporaryFile::create(folder.empty() ? "." : folder, TemporaryFile::Kind::Document);
  if (!file)
    return file.takeError();
  if (llvm::Error error = file->write(head + text, path))
    return error;
  return SafetensorsWriter(std::move(*file), path.str(), end);
}

llvm::Error SafetensorsWriter::write(llvm::ArrayRef<char> data) {
  if (data.size() > missing)
    return llvm::createStringError("cannot write '" + path + "': more data than its tensors have");
  missing -= data.size();
  return file.write(llvm::StringRef(data.data(), data.size()), path);
}

llvm::Error SafetensorsWriter::commit() {
  if (missing != 0)
    return llvm::createStringError("cannot write '" + path + "': data of its tensors are missing");
  return file.commit(path);
}
