//===- ErrorFeedback.cpp - how later values make good for earlier ones ------===//
#include "terse/Numerics/Cholesky.h"

#include <algorithm>
#include <numeric>

using namespace terse;

std::vector<int32_t> terse::orderByDiagonal(llvm::ArrayRef<float> hessian, int64_t n) {
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  auto diagonal = [&](int64_t i) { return hessian[i * (n + 1)]; };
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return std::make_pair(-diagonal(a), a) < std::make_pair(-diagonal(b), b); });
  return order;
}

llvm::Expected<ErrorFeedback> terse::makeErrorFeedback(llvm::ArrayRef<float> hessian, std::vector<int32_t> order, double damping,
                                                       ParallelFor parallelFor) {
  int64_t n = order.size();
  // H = M^T M is a Cholesky factorization of H read from its end.
  llvm::Expected<DampedFactor> damped =
      factorizeDamped(hessian, n, std::vector<int64_t>(order.rbegin(), order.rend()), damping, /*deadDamping=*/1, parallelFor);
  if (!damped)
    return damped.takeError();
  const std::vector<double> &factor = damped->factor;
  ErrorFeedback result;
  result.order = std::move(order);
  result.damping = damped->damping;
  result.feedback.resize(n * n);
  result.weight.resize(n);
  constexpr int64_t kTile = 32;
  parallelFor((n + kTile - 1) / kTile, [&](size_t tile) {
    int64_t begin = tile * kTile, end = std::min<int64_t>(n, begin + kTile);
    for (int64_t j = begin; j < end; ++j) {
      double pivot = factor[(n - 1 - j) * (n + 1)];
      result.weight[j] = pivot * pivot;
    }
    for (int64_t i = 0; i < end; ++i) // M_ji is element (n - 1 - i, n - 1 - j) of the factor: rows of it are read
      for (int64_t j = std::max(begin, i + 1); j < end; ++j)
        result.feedback[j * n + i] = factor[(n - 1 - i) * n + (n - 1 - j)] / factor[(n - 1 - j) * (n + 1)];
  });
  return result;
}
