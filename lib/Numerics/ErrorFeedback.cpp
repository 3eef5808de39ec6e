//===- ErrorFeedback.cpp - how later values make good for earlier ones ------===//
#include "terse/Numerics/Cholesky.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace terse;

std::vector<int32_t> terse::orderByDiagonal(llvm::ArrayRef<float> hessian, int64_t n) {
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  auto diagonal = [&](int64_t i) { return hessian[i * (n + 1)]; };
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return std::make_pair(-diagonal(a), a) < std::make_pair(-diagonal(b), b); });
  return order;
}

/// The mean of the diagonal; an error if the matrix can be none of second moments.
static llvm::Expected<double> checkHessian(llvm::ArrayRef<float> hessian, int64_t n) {
  double trace = 0;
  for (int64_t i = 0; i < n; ++i) {
    bool isFinite = true;
    for (float value : hessian.slice(i * n, n))
      isFinite &= std::isfinite(value);
    if (!isFinite)
      return llvm::createStringError("expected finite second moments; got NaN or infinity at channel " + llvm::Twine(i));
    float own = hessian[i * n + i];
    if (own < 0)
      return llvm::createStringError("expected second moments with a diagonal of at least 0; got " + std::to_string(own) + " at channel " + llvm::Twine(i));
    trace += own;
  }
  return trace / std::max<int64_t>(n, 1);
}

llvm::Expected<ErrorFeedback> terse::makeErrorFeedback(llvm::ArrayRef<float> hessian, std::vector<int32_t> order, double damping,
                                                       ParallelFor parallelFor) {
  int64_t n = order.size();
  llvm::Expected<double> mean = checkHessian(hessian, n);
  if (!mean)
    return mean.takeError();
  ErrorFeedback result;
  result.order = std::move(order);
  // H = M^T M is a Cholesky factorization of H read from its end.
  std::vector<double> factor(n * n);
  auto channel = [&](int64_t i) -> int64_t { return result.order[n - 1 - i]; };
  double scale = *mean > 0 ? *mean : 1;
  for (double tried = damping;; tried = std::max(tried * 10, 1e-8)) {
    parallelFor(n, [&](size_t i) {
      const float *row = hessian.data() + channel(i) * n;
      for (int64_t j = 0; j <= static_cast<int64_t>(i); ++j)
        factor[i * n + j] = row[channel(j)];
      bool isDead = row[channel(i)] == 0;
      factor[i * n + i] += isDead ? scale : tried * scale;
    });
    result.damping = tried;
    if (factorizeCholesky(factor.data(), n, parallelFor))
      break;
    if (tried >= 1)
      return llvm::createStringError("expected positive semidefinite second moments; got a matrix that damping by its mean does not make definite");
  }
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
