//===- WriteNpz.cpp - writes arrays to a ZIP archive ------------*- C++ -*-===//
#include "Zip.h"

#include "terse/Npy/Npz.h"

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
    local.put(kLocalMagic, 4).text += common.text;
    local.put(20, 2).text += name;
    local.put(1, 2).put(16, 2).put(size, 8).put(size, 8);
    out.write(local.text);
    out.write(header);
    out.write(data, bytes);

    central.put(kCentralMagic, 4).put(45, 2).text += common.text;
    central.put(28, 2).put(0, 2).put(0, 2).put(0, 2).put(0, 4);
    central.put(0xffffffff, 4).text += name;
    central.put(1, 2).put(24, 2).put(size, 8).put(size, 8).put(offset, 8);
  }
  uint64_t begin = out.at, count = items.size();
  out.write(central.text);
  uint64_t end64 = out.at;
  Bytes end;
  end.put(kEnd64Magic, 4).put(44, 8).put(45, 2).put(45, 2).put(0, 4).put(0, 4);
  end.put(count, 8).put(count, 8).put(central.text.size(), 8).put(begin, 8);
  end.put(kLocatorMagic, 4).put(0, 4).put(end64, 8).put(1, 4);
  end.put(kEndMagic, 4).put(0, 2).put(0, 2);
  end.put(std::min<uint64_t>(count, 0xffff), 2);
  end.put(std::min<uint64_t>(count, 0xffff), 2);
  end.put(0xffffffff, 4).put(0xffffffff, 4).put(0, 2);
  out.write(end.text);
  return out.commit();
}

} // namespace terse::npy
