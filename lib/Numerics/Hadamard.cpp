//===- Hadamard.cpp - rotations that spread every channel -------------------===//
#include "terse/Numerics/Hadamard.h"

#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <random>

using namespace terse;

static bool isPrime(int64_t n) {
  for (int64_t i = 2; i * i <= n; ++i)
    if (n % i == 0)
      return false;
  return n > 1;
}

/// 1 for squares modulo the odd prime q, -1 for other numbers, 0 for 0.
static std::vector<float> makeCharacter(int64_t q) {
  std::vector<float> character(q, -1);
  for (int64_t i = 1; i < q; ++i)
    character[i * i % q] = 1;
  character[0] = 0;
  return character;
}

/// [q + 1, q + 1], 0 on the diagonal, 1 and -1 elsewhere, with orthogonal rows: symmetric for q = 1 mod 4, else S^T = -S.
static std::vector<float> makeConference(int64_t q) {
  const int64_t n = q + 1;
  std::vector<float> character = makeCharacter(q), s(n * n);
  for (int64_t i = 0; i < q; ++i) {
    s[i + 1] = 1;
    s[(i + 1) * n] = q % 4 == 1 ? 1 : -1;
    for (int64_t j = 0; j < q; ++j)
      s[(i + 1) * n + j + 1] = character[(i - j + q) % q];
  }
  return s;
}

std::optional<std::vector<float>> terse::makeHadamard(int64_t order) {
  std::vector<float> h(order * order);
  if (llvm::isPowerOf2_64(order)) {
    for (int64_t i = 0; i < order; ++i)
      for (int64_t j = 0; j < order; ++j)
        h[i * order + j] = llvm::popcount(uint64_t(i & j)) % 2 ? -1 : 1;
    return h;
  }
  if (order % 4 != 0)
    return std::nullopt;
  if (int64_t q = order - 1; q % 4 == 3 && isPrime(q)) {
    h = makeConference(q);
    for (int64_t i = 0; i < order; ++i)
      h[i * (order + 1)] = 1;
    return h;
  }
  const int64_t half = order / 2, q = half - 1;
  if (q % 4 != 1 || !isPrime(q))
    return std::nullopt;
  std::vector<float> s = makeConference(q);
  for (int64_t i = 0; i < half; ++i)
    for (int64_t j = 0; j < half; ++j) {
      float a = s[i * half + j], b = i == j ? 1 : 0, *block = &h[2 * i * order + 2 * j];
      block[0] = a + b;
      block[1] = block[order] = a - b;
      block[order + 1] = -a - b;
    }
  return h;
}

/// The factor of an odd number's multiple: the smallest of Paley's matrices that is one.
static std::optional<std::vector<float>> findPaley(int64_t odd, int powers) {
  for (int k = 2; k <= std::min(powers, 5); ++k)
    if (auto h = makeHadamard(odd << k))
      return h;
  return std::nullopt;
}

HadamardRotation HadamardRotation::make(int64_t size) {
  HadamardRotation rotation;
  rotation.size = size;
  const int powers = llvm::countr_zero(uint64_t(size));
  const int64_t odd = size >> powers;
  std::optional<std::vector<float>> h =
      odd == 1 ? makeHadamard(std::min<int64_t>(size, 16)) : findPaley(odd, powers);
  rotation.isExact = h.has_value();
  const int64_t m = h ? std::llround(std::sqrt(double(h->size()))) : odd;
  rotation.m = m;
  rotation.factor.resize(m * m);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < m; ++j)
      rotation.factor[i * m + j] = h ? (*h)[i * m + j] / std::sqrt(double(m))
                                         : std::sqrt((j ? 2.0 : 1.0) / m) * std::cos(M_PI * (2 * i + 1) * j / (2 * m));
  return rotation;
}

HadamardRotation HadamardRotation::makeRandom(int64_t size, uint64_t seed) {
  HadamardRotation rotation = make(size);
  std::mt19937_64 random(seed); // its bits are the same everywhere, unlike those of distributions
  for (int64_t i = 0; i < size; ++i)
    rotation.signs.push_back(random() >> 63 ? -1 : 1);
  return rotation;
}

void HadamardRotation::apply(llvm::MutableArrayRef<double> row) const {
  for (size_t i = 0; i < signs.size(); ++i)
    row[i] *= signs[i];
  std::vector<double> sums(m);
  for (int64_t begin = 0; begin < size; begin += m) {
    std::fill(sums.begin(), sums.end(), 0);
    for (int64_t k = 0; k < m; ++k)
      for (int64_t j = 0; j < m; ++j)
        sums[j] += row[begin + k] * factor[k * m + j];
    std::copy(sums.begin(), sums.end(), row.begin() + begin);
  }
  for (int64_t half = m; half < size; half *= 2)
    for (int64_t begin = 0; begin < size; begin += 2 * half)
      for (int64_t i = begin; i < begin + half; ++i) {
        double a = row[i], b = row[i + half];
        row[i] = (a + b) * M_SQRT1_2;
        row[i + half] = (a - b) * M_SQRT1_2;
      }
}
