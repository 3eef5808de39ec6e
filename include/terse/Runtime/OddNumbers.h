//===- OddNumbers.h - floats that no model expects --------------*- C++ -*-===//
//
// The runtime counts them in inputs, the compiler in weights; nothing but the
// C++ library is used here.
#ifndef TERSE_RUNTIME_ODDNUMBERS_H
#define TERSE_RUNTIME_ODDNUMBERS_H

#include "terse/Runtime/DType.h"

#include <cstdint>
#include <cstring>

namespace terse::rt {

/// How many elements of an array are no number, infinite, or subnormal: not 0,
/// but too small for the type's precision.
struct OddNumbers {
  int64_t nan = 0, infinite = 0, subnormal = 0;
  int64_t first = -1; ///< element that is one of these; -1: none is
};

/// Of IEEE numbers in words with so many bits of fraction, lowest.
template <typename Word>
OddNumbers countOddWords(const void *data, int64_t elements, int fractionBits) {
  const Word fraction = Word((Word(1) << fractionBits) - 1);
  const Word exponent = Word(Word(~Word(0)) >> 1 & ~fraction);
  OddNumbers odd;
  for (int64_t i = 0; i < elements; ++i) {
    Word bits;
    std::memcpy(&bits, static_cast<const char *>(data) + i * sizeof bits,
                sizeof bits);
    const bool isHigh = (bits & exponent) == exponent;
    const bool isLow = (bits & exponent) == 0, hasFraction = bits & fraction;
    if (!isHigh && !(isLow && hasFraction))
      continue;
    if (odd.first < 0)
      odd.first = i;
    ++(!isHigh ? odd.subnormal : hasFraction ? odd.nan : odd.infinite);
  }
  return odd;
}

/// Types that are no floats have none. The data need not be aligned.
inline OddNumbers countOddNumbers(DType type, const void *data,
                                  int64_t elements) {
  switch (type) {
  case DType::F64:
    return countOddWords<uint64_t>(data, elements, 52);
  case DType::F32:
    return countOddWords<uint32_t>(data, elements, 23);
  case DType::F16:
    return countOddWords<uint16_t>(data, elements, 10);
  case DType::BF16:
    return countOddWords<uint16_t>(data, elements, 7);
  default:
    return {};
  }
}

} // namespace terse::rt

#endif // TERSE_RUNTIME_ODDNUMBERS_H
