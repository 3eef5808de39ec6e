//===- CachedRow.h - rows of a quantized KV cache ---------------*- C++ -*-===//
#ifndef TERSE_CACHEDROW_H
#define TERSE_CACHEDROW_H

#include <cstdint>

namespace terse {

/// Bytes of a head's token in a cache of codes: `size` codes of `bits` bits (4 or 8), and the f16 scale and f16 low of
/// `terse.quantize_heads`.
constexpr int64_t kCachedParameterBytes = 4;
constexpr int64_t getCachedRowBytes(int64_t size, int64_t bits) { return size * bits / 8 + kCachedParameterBytes; }
/// Values of a row of so many bytes.
constexpr int64_t getCachedRowSize(int64_t bytes, int64_t bits) { return (bytes - kCachedParameterBytes) * 8 / bits; }

} // namespace terse

#endif // TERSE_CACHEDROW_H
