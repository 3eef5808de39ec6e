//===- Sha256.h - FIPS 180-4 SHA-256 ----------------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_SHA256_H
#define TERSE_RUNTIME_SHA256_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace terse::rt {

/// SHA-256 of a stream of bytes (FIPS 180-4).
class Sha256 {
public:
  void update(const void *data, size_t size);
  /// The digest in lower-case hexadecimal; ends the stream.
  std::string finish();

  static std::string of(const void *data, size_t size) {
    Sha256 hash;
    hash.update(data, size);
    return hash.finish();
  }

private:
  void block(const uint8_t *data);

  uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint64_t length_ = 0;
  uint8_t pending_[64];
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_SHA256_H
