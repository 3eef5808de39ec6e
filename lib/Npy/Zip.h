//===- Zip.h - members of a ZIP archive -------------------------*- C++ -*-===//
//
// Format: PKWARE APPNOTE 6.3, with the ZIP64 extensions that NumPy uses.
//
//===----------------------------------------------------------------------===//
#ifndef TERSE_LIB_NPY_ZIP_H
#define TERSE_LIB_NPY_ZIP_H

#include "terse/Runtime/MappedFile.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace terse::npy {

inline constexpr uint32_t kLocalMagic = 0x04034b50, kCentralMagic = 0x02014b50,
                          kEndMagic = 0x06054b50, kEnd64Magic = 0x06064b50,
                          kLocatorMagic = 0x07064b50;

struct ZipMember {
  std::string name;
  uint16_t flags, method; ///< method: 0 stored, 8 deflated
  uint32_t crc;
  uint64_t packed, size, offset;
};

/// The members of an archive, in its order.
rt::Result<std::vector<ZipMember>> readZipDirectory(const rt::File &file);

/// Where the bytes of a member begin in the file, packed as they are. `name`
/// is for messages.
rt::Result<uint64_t> findZipMember(const rt::File &file,
                                   const ZipMember &member,
                                   const std::string &name);

using ByteSink = std::function<rt::Status(std::string_view)>;

/// Hands the unpacked bytes of a member to `sink`, part by part, and compares
/// the checksum at the end. Little of the file is mapped at a time.
rt::Status unpackZipMember(const rt::File &file, const ZipMember &member,
                           const std::string &name, const ByteSink &sink);

} // namespace terse::npy

#endif // TERSE_LIB_NPY_ZIP_H
