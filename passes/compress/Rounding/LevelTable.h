//===- LevelTable.h - nearest levels of a table -----------------*- C++ -*-===//
#ifndef TERSE_COMPRESS_LEVELTABLE_H
#define TERSE_COMPRESS_LEVELTABLE_H

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace terse {

/// 16 ascending levels, and what lies in the middle between neighbours: a value there goes to the lower one.
struct LevelTable {
  static constexpr int kSize = 16;
  float first = 0, middles[kSize - 1] = {}, steps[kSize - 1] = {};

  explicit LevelTable(llvm::ArrayRef<int8_t> levels) {
    first = levels[0];
    for (int i = 0; i + 1 < kSize; ++i) {
      middles[i] = (levels[i] + levels[i + 1]) * 0.5f;
      steps[i] = levels[i + 1] - levels[i];
    }
  }

  /// The nearest level to `x`, a number or a vector of numbers.
  template <typename T> inline __attribute__((always_inline)) T findNearest(const T &x) const {
    T level = T{} + first;
    for (int i = 0; i + 1 < kSize; ++i)
      level += x > middles[i] ? T{} + steps[i] : T{};
    return level;
  }
  uint8_t findCode(float x) const {
    uint8_t code = 0;
    for (float middle : middles)
      code += x > middle;
    return code;
  }
};

} // namespace terse

#endif // TERSE_COMPRESS_LEVELTABLE_H
