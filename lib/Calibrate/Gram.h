//===- Gram.h - sums of x x^T -----------------------------------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_GRAM_H
#define TERSE_LIB_CALIBRATE_GRAM_H

#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <vector>

namespace terse {

/// Calls `work(i)` for i in 0 .. count - 1, in any order and thread.
using ParallelFor = llvm::function_ref<void(int64_t count, llvm::function_ref<void(int64_t)> work)>;

/// Sum over tokens of x x^T in f32. Each element is summed in the order of tokens whatever the number of threads.
class Gram {
public:
  explicit Gram(int64_t size);

  /// Adds `tokens` rows of `size` values.
  void add(const float *rows, int64_t tokens, ParallelFor parallelFor);
  /// The whole symmetric sum times `factor`, [size, size].
  std::vector<float> take(float factor);

private:
  int64_t size;
  int64_t panels;           ///< of 16 channels, the last one padded with zeros
  std::vector<float> sum;    ///< tiles [16, 16] on and below the diagonal, row by row of tiles
  std::vector<float> packed; ///< [panels][tokens][16] of the rows being added
};

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_GRAM_H
