//===- Npz.cpp - arrays in a ZIP archive ------------------------*- C++ -*-===//
//
// Format: PKWARE APPNOTE 6.3, with the ZIP64 extensions that NumPy uses.
//
//===----------------------------------------------------------------------===//
#include "Npz.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace terse::npy {

using namespace rt;

namespace {

constexpr uint32_t localMagic = 0x04034b50, centralMagic = 0x02014b50,
                   endMagic = 0x06054b50, end64Magic = 0x06064b50,
                   locatorMagic = 0x07064b50;

uint64_t little(std::string_view bytes, size_t at, int size) {
  uint64_t value = 0;
  for (int i = size; i-- > 0;)
    value = value << 8 | (unsigned char)bytes[at + i];
  return value;
}

struct Member {
  std::string name;
  uint16_t flags, method;
  uint32_t crc;
  uint64_t packed, size, offset;
};

/// Replaces the fields that say "see the ZIP64 extra field".
void applyZip64(std::string_view extra, Member &member) {
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

bool directory(std::string_view zip, std::vector<Member> &members) {
  constexpr size_t endSize = 22, centralSize = 46;
  if (zip.size() < endSize)
    return false;
  size_t end = zip.size() - endSize, stop = end > 65535 ? end - 65535 : 0;
  while (little(zip, end, 4) != endMagic)
    if (end-- == stop)
      return false;
  uint64_t count = little(zip, end + 10, 2), at = little(zip, end + 16, 4);
  if (end >= 20 && little(zip, end - 20, 4) == locatorMagic) {
    uint64_t end64 = little(zip, end - 12, 8);
    if (end64 > zip.size() || zip.size() - end64 < 56 ||
        little(zip, end64, 4) != end64Magic)
      return false;
    count = little(zip, end64 + 32, 8);
    at = little(zip, end64 + 48, 8);
  }
  for (; count; --count) {
    if (at > zip.size() || zip.size() - at < centralSize ||
        little(zip, at, 4) != centralMagic)
      return false;
    Member member;
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

Status contents(std::string_view zip, const Member &member,
                const std::string &name, std::string &unpacked,
                std::string_view &bytes) {
  auto bad = [&](const char *what) {
    return fail(Code::InvalidArgument, "'%s': %s", name.c_str(), what);
  };
  if (member.flags & 1)
    return bad("encrypted archives are not supported");
  if (member.offset > zip.size() || zip.size() - member.offset < 30 ||
      little(zip, member.offset, 4) != localMagic)
    return bad("damaged archive");
  uint64_t begin = member.offset + 30 + little(zip, member.offset + 26, 2) +
                   little(zip, member.offset + 28, 2);
  if (begin > zip.size() || member.packed > zip.size() - begin)
    return bad("truncated archive");
  std::string_view packed = zip.substr(begin, member.packed);
  if (member.method == 0) {
    bytes = packed;
  } else if (member.method == 8) {
    // Deflate cannot shrink more than 1032-fold: a larger claim is a lie, and
    // would have us allocate for it.
    if (member.size / 1032 > member.packed + 1)
      return bad("damaged archive");
    unpacked.resize(member.size);
    z_stream stream = {};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      return bad("no memory to unpack");
    size_t in = 0, out = 0;
    int code = Z_OK;
    while (code == Z_OK) {
      size_t inPart = std::min<size_t>(packed.size() - in, 1u << 30);
      size_t outPart = std::min<size_t>(unpacked.size() - out, 1u << 30);
      stream.next_in =
          reinterpret_cast<Bytef *>(const_cast<char *>(packed.data() + in));
      stream.avail_in = uInt(inPart);
      stream.next_out = reinterpret_cast<Bytef *>(unpacked.data() + out);
      stream.avail_out = uInt(outPart);
      code = inflate(&stream, Z_NO_FLUSH);
      in += inPart - stream.avail_in;
      out += outPart - stream.avail_out;
      if (code == Z_OK && stream.avail_in == inPart &&
          stream.avail_out == outPart)
        code = Z_BUF_ERROR; // no progress
    }
    inflateEnd(&stream);
    if (code != Z_STREAM_END || out != unpacked.size())
      return bad("damaged archive");
    bytes = unpacked;
  } else {
    return bad("unsupported compression method");
  }
  uLong crc = crc32(0, nullptr, 0);
  for (size_t at = 0; at < bytes.size(); at += 1u << 30)
    crc = crc32(crc, reinterpret_cast<const Bytef *>(bytes.data() + at),
                uInt(std::min<size_t>(bytes.size() - at, 1u << 30)));
  if (crc != member.crc || bytes.size() != member.size)
    return bad("damaged archive: checksums differ");
  return Status();
}

std::string npyHeader(const Item &item, DType dtype) {
  static const char *const descrs[] = {"<f4", "<f2", "<V2", "<f8", "|i1",
                                       "|u1", "<i2", "<u2", "<i4", "<u4",
                                       "<i8", "<u8", "|b1"};
  std::string text = std::string("{'descr': '") + descrs[int(dtype)] +
                     "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < item.shape.size(); ++i)
    text += std::to_string(item.shape[i]) + (i + 1 < item.shape.size() ? ", "
                                             : item.shape.size() == 1  ? ","
                                                                       : "");
  text += "), }";
  text.append((64 - (10 + text.size() + 1) % 64) % 64, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += char(text.size() & 255);
  header += char(text.size() >> 8);
  return header + text;
}

/// Appends little-endian fields.
struct Bytes {
  std::string text;
  Bytes &put(uint64_t value, int size) {
    for (int i = 0; i < size; ++i)
      text += char(value >> (8 * i));
    return *this;
  }
};

/// A file under construction; removed unless committed.
class Writer {
public:
  explicit Writer(const std::string &path) : path_(path) {
    if (char *real = ::realpath(path.c_str(), nullptr)) {
      path_ = real; // replace what a link points to, not the link
      std::free(real);
    }
    struct stat info;
    if (::stat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
      file_ = std::fopen(path_.c_str(), "wb"); // a device or a pipe
      error_ = file_ ? 0 : errno;
      return;
    }
    temporary_ = path_ + ".XXXXXX";
    descriptor_ = ::mkstemp(temporary_.data());
    if (descriptor_ < 0) {
      error_ = errno;
      return;
    }
    mode_t mask = ::umask(0); // there is no way to only read it
    ::umask(mask);
    ::fchmod(descriptor_, 0666 & ~mask);
    file_ = ::fdopen(descriptor_, "wb");
  }
  ~Writer() {
    if (file_)
      std::fclose(file_);
    if (descriptor_ >= 0)
      ::unlink(temporary_.c_str());
  }
  void write(const void *data, size_t size) {
    if (file_ && !error_ && size && std::fwrite(data, 1, size, file_) != size)
      error_ = errno ? errno : EIO;
    at += size;
  }
  void write(const std::string &text) { write(text.data(), text.size()); }
  Status commit() {
    if (file_ && std::fclose(file_) != 0 && !error_)
      error_ = errno;
    file_ = nullptr;
    if (!error_ && descriptor_ >= 0 &&
        ::rename(temporary_.c_str(), path_.c_str()) != 0)
      error_ = errno;
    if (error_)
      return fail(Code::Io, "cannot write '%s': %s", path_.c_str(),
                  std::strerror(error_));
    descriptor_ = -1;
    return Status();
  }
  uint64_t at = 0;

private:
  std::string path_, temporary_;
  int descriptor_ = -1, error_ = 0;
  std::FILE *file_ = nullptr;
};

} // namespace

Result<std::map<std::string, Array>> readNpz(const std::string &path) {
  Result<File> file = File::open(path);
  if (!file.ok())
    return file.status();
  Result<Mapping> mapping = file->map(0, file->size());
  if (!mapping.ok())
    return mapping.status();
  std::string_view zip = mapping->text();
  std::vector<Member> members;
  if (!directory(zip, members))
    return fail(Code::InvalidArgument,
                "'%s' is not a .npz file, or it is truncated", path.c_str());
  std::map<std::string, Array> arrays;
  for (const Member &member : members) {
    std::string name = member.name, unpacked;
    if (name.size() > 4 && name.compare(name.size() - 4, 4, ".npy") == 0)
      name.resize(name.size() - 4);
    std::string where = path + ":" + name;
    std::string_view bytes;
    if (Status status = contents(zip, member, where, unpacked, bytes);
        !status.ok())
      return status;
    Result<Array> array = parseNpy(bytes, where);
    if (!array.ok())
      return array.status();
    if (!arrays.emplace(name, std::move(*array)).second)
      return fail(Code::InvalidArgument, "'%s' is there twice", where.c_str());
  }
  return arrays;
}

Status writeNpz(const std::string &path, const std::vector<Item> &items) {
  Writer out(path);
  Bytes central;
  for (const Item &item : items) {
    DType dtype = item.dtype;
    size_t elements = 1;
    for (int64_t dim : item.shape)
      elements *= size_t(dim);
    const void *data = item.data;
    std::vector<float> wide;
    if (dtype == DType::BF16) {
      wide.resize(elements);
      toFloat(dtype, data, elements, wide.data());
      dtype = DType::F32;
      data = wide.data();
    }
    uint64_t bytes = elements * sizeOf(dtype);
    std::string header = npyHeader(item, dtype), name = item.name + ".npy";
    uint64_t size = header.size() + bytes, offset = out.at;
    uLong crc = crc32(0, reinterpret_cast<const Bytef *>(header.data()),
                      uInt(header.size()));
    for (uint64_t at = 0; at < bytes; at += 1u << 30)
      crc = crc32(crc, static_cast<const Bytef *>(data) + at,
                  uInt(std::min<uint64_t>(bytes - at, 1u << 30)));
    if (name.size() > 0xffff)
      return fail(Code::InvalidArgument, "the name of an output is too long");

    // Names are UTF-8 (flag 11); the date is the format's first, so that the
    // same outputs give the same file; sizes are always in 64 bits.
    Bytes local, common;
    common.put(45, 2).put(1 << 11, 2).put(0, 2).put(0, 2).put(0x21, 2);
    common.put(crc, 4).put(0xffffffff, 4).put(0xffffffff, 4);
    common.put(name.size(), 2);
    local.put(localMagic, 4).text += common.text;
    local.put(20, 2).text += name;
    local.put(1, 2).put(16, 2).put(size, 8).put(size, 8);
    out.write(local.text);
    out.write(header);
    out.write(data, bytes);

    central.put(centralMagic, 4).put(45, 2).text += common.text;
    central.put(28, 2).put(0, 2).put(0, 2).put(0, 2).put(0, 4);
    central.put(0xffffffff, 4).text += name;
    central.put(1, 2).put(24, 2).put(size, 8).put(size, 8).put(offset, 8);
  }
  uint64_t begin = out.at, count = items.size();
  out.write(central.text);
  uint64_t end64 = out.at;
  Bytes end;
  end.put(end64Magic, 4).put(44, 8).put(45, 2).put(45, 2).put(0, 4).put(0, 4);
  end.put(count, 8).put(count, 8).put(central.text.size(), 8).put(begin, 8);
  end.put(locatorMagic, 4).put(0, 4).put(end64, 8).put(1, 4);
  end.put(endMagic, 4).put(0, 2).put(0, 2);
  end.put(std::min<uint64_t>(count, 0xffff), 2);
  end.put(std::min<uint64_t>(count, 0xffff), 2);
  end.put(0xffffffff, 4).put(0xffffffff, 4).put(0, 2);
  out.write(end.text);
  return out.commit();
}

} // namespace terse::npy
