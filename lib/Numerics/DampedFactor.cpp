//===- DampedFactor.cpp - factors of second moments -----------------------===//
#include "terse/Numerics/Cholesky.h"

#include <algorithm>
#include <cmath>

using namespace terse;

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

llvm::Expected<DampedFactor> terse::factorizeDamped(llvm::ArrayRef<float> hessian, int64_t n, llvm::ArrayRef<int64_t> channels, double damping,
                                                    double deadDamping, ParallelFor parallelFor) {
  llvm::Expected<double> mean = checkHessian(hessian, n);
  if (!mean)
    return mean.takeError();
  const int64_t count = channels.size();
  const double scale = *mean > 0 ? *mean : 1;
  DampedFactor result;
  result.factor.resize(count * count);
  for (double tried = damping;; tried = std::max(tried * 10, 1e-8)) {
    parallelFor(count, [&](size_t i) {
      const float *row = hessian.data() + channels[i] * n;
      for (int64_t j = 0; j <= static_cast<int64_t>(i); ++j)
        result.factor[i * count + j] = row[channels[j]];
      bool isDead = row[channels[i]] == 0;
      result.factor[i * count + i] += (isDead ? std::max(tried, deadDamping) : tried) * scale;
    });
    result.damping = tried;
    if (factorizeCholesky(result.factor.data(), count, parallelFor))
      return result;
    if (tried >= 1)
      return llvm::createStringError("expected positive semidefinite second moments; got a matrix that damping by its mean does not make definite");
  }
}
