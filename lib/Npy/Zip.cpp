//===- Zip.cpp - members of a ZIP archive -----------------------*- C++ -*-===//
#include "Zip.h"

#include <zlib.h>

#include <algorithm>

namespace terse::npy {

using namespace rt;

namespace {

/// Bytes of a file that are mapped, and of a member that are unpacked, at once.
constexpr uint64_t kMappedAtOnce = 16 << 20, kUnpackedAtOnce = 1 << 20;

uint64_t little(std::string_view bytes, size_t at, int size) {
  uint64_t value = 0;
  for (int i = size; i-- > 0;)
    value = value << 8 | (unsigned char)bytes[at + i];
  return value;
}

/// Replaces the fields that say "see the ZIP64 extra field".
void applyZip64(std::string_view extra, ZipMember &member) {
  while (extra.size() >= 4) {
    uint64_t id = little(extra, 0, 2), length = little(extra, 2, 2);
    extra.remove_prefix(4);
    if (length > extra.size())
      return;
    if (id == 1) {
      size_t at = 0;
      for (uint64_t *field : {&member.size, &member.packed, &member.offset})
        if (*field == 0xffffffff && at + 8 <= length) {
          *field = little(extra, at, 8);
          at += 8;
        }
      return;
    }
    extra.remove_prefix(length);
  }
}

bool readDirectory(std::string_view zip, std::vector<ZipMember> &members) {
  constexpr size_t endSize = 22, centralSize = 46;
  if (zip.size() < endSize)
    return false;
  size_t end = zip.size() - endSize, stop = end > 65535 ? end - 65535 : 0;
  while (little(zip, end, 4) != kEndMagic)
    if (end-- == stop)
      return false;
  uint64_t count = little(zip, end + 10, 2), at = little(zip, end + 16, 4);
  if (end >= 20 && little(zip, end - 20, 4) == kLocatorMagic) {
    uint64_t end64 = little(zip, end - 12, 8);
    if (end64 > zip.size() || zip.size() - end64 < 56 ||
        little(zip, end64, 4) != kEnd64Magic)
      return false;
    count = little(zip, end64 + 32, 8);
    at = little(zip, end64 + 48, 8);
  }
  for (; count; --count) {
    if (at > zip.size() || zip.size() - at < centralSize ||
        little(zip, at, 4) != kCentralMagic)
      return false;
    ZipMember member;
    member.flags = uint16_t(little(zip, at + 8, 2));
    member.method = uint16_t(little(zip, at + 10, 2));
    member.crc = uint32_t(little(zip, at + 16, 4));
    member.packed = little(zip, at + 20, 4);
    member.size = little(zip, at + 24, 4);
    member.offset = little(zip, at + 42, 4);
    uint64_t name = little(zip, at + 28, 2), extra = little(zip, at + 30, 2),
             comment = little(zip, at + 32, 2);
    if (zip.size() - at - centralSize < name + extra + comment)
      return false;
    member.name = zip.substr(at + centralSize, name);
    applyZip64(zip.substr(at + centralSize + name, extra), member);
    members.push_back(std::move(member));
    at += centralSize + name + extra + comment;
  }
  return true;
}

/// Compares what passes through it with what the directory says of a member.
class Checked {
public:
  Checked(const ZipMember &member, const std::string &name,
          const ByteSink &sink)
      : member(member), name(name), sink(sink) {}

  Status bad(const char *what) const {
    return fail(Code::InvalidArgument, "'%s': %s", name.c_str(), what);
  }
  Status pass(std::string_view part) {
    crc = crc32(crc, reinterpret_cast<const Bytef *>(part.data()),
                uInt(part.size()));
    size += part.size();
    return size > member.size ? bad("damaged archive") : sink(part);
  }
  Status finish() const {
    return crc != member.crc || size != member.size
               ? bad("damaged archive: checksums differ")
               : Status();
  }

private:
  const ZipMember &member;
  const std::string &name;
  const ByteSink &sink;
  uLong crc = crc32(0, nullptr, 0);
  uint64_t size = 0;
};

struct Inflater {
  z_stream stream = {};
  bool open() { return isOpen = inflateInit2(&stream, -MAX_WBITS) == Z_OK; }
  ~Inflater() {
    if (isOpen)
      inflateEnd(&stream);
  }
  bool isOpen = false;
};

Status inflateMember(const File &file, uint64_t begin, uint64_t packed,
                     Checked &checked) {
  Inflater inflater;
  if (!inflater.open())
    return checked.bad("no memory to unpack");
  z_stream &stream = inflater.stream;
  std::string unpacked(kUnpackedAtOnce, '\0');
  Mapping mapping;
  int code = Z_OK;
  for (uint64_t at = 0; code == Z_OK;) {
    if (stream.avail_in == 0 && at < packed) {
      uint64_t size = std::min(packed - at, kMappedAtOnce);
      Result<Mapping> next = file.map(begin + at, size);
      if (!next.ok())
        return next.status();
      mapping = std::move(*next);
      stream.next_in = const_cast<Bytef *>(mapping.data());
      stream.avail_in = uInt(size);
      at += size;
    }
    stream.next_out = reinterpret_cast<Bytef *>(unpacked.data());
    stream.avail_out = uInt(unpacked.size());
    code = inflate(&stream, Z_NO_FLUSH); // Z_BUF_ERROR: no progress
    if (Status status = checked.pass(
            {unpacked.data(), unpacked.size() - stream.avail_out});
        !status.ok())
      return status;
  }
  return code == Z_STREAM_END ? checked.finish()
                              : checked.bad("damaged archive");
}

} // namespace

Result<std::vector<ZipMember>> readZipDirectory(const File &file) {
  Result<Mapping> mapping = file.map(0, file.size());
  if (!mapping.ok())
    return mapping.status();
  std::vector<ZipMember> members;
  if (!readDirectory(mapping->text(), members))
    return fail(Code::InvalidArgument,
                "'%s' is not a .npz file, or it is truncated",
                file.path().c_str());
  return members;
}

Result<uint64_t> findZipMember(const File &file, const ZipMember &member,
                               const std::string &name) {
  constexpr uint64_t localSize = 30;
  auto bad = [&](const char *what) {
    return fail(Code::InvalidArgument, "'%s': %s", name.c_str(), what);
  };
  if (member.flags & 1)
    return bad("encrypted archives are not supported");
  if (member.offset > file.size() || file.size() - member.offset < localSize)
    return bad("damaged archive");
  Result<Mapping> local = file.map(member.offset, localSize);
  if (!local.ok())
    return local.status();
  if (little(local->text(), 0, 4) != kLocalMagic)
    return bad("damaged archive");
  uint64_t begin = member.offset + localSize + little(local->text(), 26, 2) +
                   little(local->text(), 28, 2);
  if (begin > file.size() || member.packed > file.size() - begin)
    return bad("truncated archive");
  return begin;
}

Status unpackZipMember(const File &file, const ZipMember &member,
                       const std::string &name, const ByteSink &sink) {
  Result<uint64_t> begin = findZipMember(file, member, name);
  if (!begin.ok())
    return begin.status();
  Checked checked(member, name, sink);
  if (member.method == 8) {
    // Deflate cannot shrink more than 1032-fold: a larger claim is a lie, and
    // would have readers allocate for it.
    if (member.size / 1032 > member.packed + 1)
      return checked.bad("damaged archive");
    return inflateMember(file, *begin, member.packed, checked);
  }
  if (member.method != 0)
    return checked.bad("unsupported compression method");
  for (uint64_t at = 0; at < member.packed; at += kMappedAtOnce) {
    Result<Mapping> part =
        file.map(*begin + at, std::min(member.packed - at, kMappedAtOnce));
    if (!part.ok())
      return part.status();
    if (Status status = checked.pass(part->text()); !status.ok())
      return status;
  }
  return checked.finish();
}

} // namespace terse::npy
