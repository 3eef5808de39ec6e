//===- Hadamard.h - rotations that spread every channel ---------*- C++ -*-===//
#ifndef TERSE_NUMERICS_HADAMARD_H
#define TERSE_NUMERICS_HADAMARD_H

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace terse {

/// A matrix of 1 and -1, [order, order], row-major, with orthogonal rows, by the constructions of Sylvester (powers of two) and Paley (1933: q + 1 for
/// a prime q = 3 mod 4, 2 (q + 1) for a prime q = 1 mod 4). None where neither gives this order.
std::optional<std::vector<float>> makeHadamard(int64_t order);

/// An orthogonal matrix Q = diag(signs) (H (x) F), [size, size], with entries of about 1 / sqrt(size): H is Sylvester's matrix of order size / m over
/// its root, F the factor, [m, m], orthogonal:
/// - of a power of two Sylvester's of order at most 16, so that Q is a Hadamard matrix;
/// - of 2^p times an odd number o, Paley's of the order o * 2^k with the least k in 2 .. p (at most 5), if there is one: Q is a Hadamard matrix too;
/// - else the cosine transform (DCT-II) of order o, whose entries are at most sqrt(2 / o).
/// A product of a row with it costs size * (m + log2(size / m)) operations.
class HadamardRotation {
public:
  /// Without signs: what `terse.rotate` does.
  static HadamardRotation make(int64_t size);
  /// With signs drawn by `seed`.
  static HadamardRotation makeRandom(int64_t size, uint64_t seed);

  int64_t getSize() const { return size; }
  int64_t getFactorSize() const { return m; }
  /// [m, m], row-major, orthogonal.
  llvm::ArrayRef<double> getFactor() const { return factor; }
  bool isHadamard() const { return isExact; }

  /// row = row Q, in double precision; `row` is [size].
  void apply(llvm::MutableArrayRef<double> row) const;

private:
  int64_t size = 1, m = 1;
  bool isExact = true;
  std::vector<double> factor, signs;
};

} // namespace terse

#endif // TERSE_NUMERICS_HADAMARD_H
