//===- CholeskyTest.cpp - factors of symmetric matrices, by definition ------===//
#include "terse/Numerics/Cholesky.h"
#include "terse/Numerics/MultiplyLanes.h"

#include "gtest/gtest.h"

#include <cmath>
#include <numeric>
#include <random>

using namespace terse;

static void runHere(size_t count, llvm::function_ref<void(size_t)> body) {
  for (size_t i = count; i-- > 0;) // any order will do
    body(i);
}

/// The mean of x x^T over `tokens` random vectors of n correlated channels.
static std::vector<float> makeMoments(int64_t n, int64_t tokens) {
  std::mt19937 random(n);
  std::normal_distribution<double> normal;
  std::vector<double> moments(n * n);
  for (int64_t t = 0; t < tokens; ++t) {
    double common = normal(random);
    std::vector<double> x(n);
    for (double &value : x)
      value = common + normal(random);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        moments[i * n + j] += x[i] * x[j] / tokens;
  }
  return std::vector<float>(moments.begin(), moments.end());
}

TEST(Cholesky, FactorTimesItsTransposeIsTheMatrix) {
  for (int64_t n : {1, 2, 7, 95, 96, 97, 200, 331}) {
    std::vector<float> moments = makeMoments(n, 2 * n);
    std::vector<double> factor(moments.begin(), moments.end());
    ASSERT_TRUE(factorizeCholesky(factor.data(), n, runHere));
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (int64_t l = 0; l <= j; ++l)
          sum += factor[i * n + l] * factor[j * n + l];
        ASSERT_NEAR(sum, moments[i * n + j], 1e-12 * n) << n << ": " << i << ", " << j;
      }
  }
}

TEST(Cholesky, RefusesWhatIsNotPositiveDefinite) {
  for (int64_t n : {2, 150}) {
    std::vector<float> moments = makeMoments(n, n / 2); // of too low a rank
    std::vector<double> factor(moments.begin(), moments.end());
    EXPECT_FALSE(factorizeCholesky(factor.data(), n, runHere));
    factor.assign(n * n, std::nan(""));
    EXPECT_FALSE(factorizeCholesky(factor.data(), n, runHere));
  }
}

TEST(ErrorFeedback, IsTheHessian) {
  const int64_t n = 130;
  std::vector<float> moments = makeMoments(n, 300);
  for (int64_t i = 0; i < n; ++i)
    moments[i * n + 9] = moments[9 * n + i] = 0; // a channel of zeros
  llvm::Expected<ErrorFeedback> made = makeErrorFeedback(moments, orderByDiagonal(moments, n), 0.01, runHere);
  ASSERT_TRUE(static_cast<bool>(made));
  EXPECT_EQ(made->damping, 0.01);
  EXPECT_EQ(made->order.back(), 9);
  double mean = 0;
  for (int64_t i = 0; i < n; ++i)
    mean += moments[i * n + i] / n;
  // e^T H e = sum of weight_j (e_j + sum of feedback_ji e_i)^2 for any e.
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  for (int trial = 0; trial < 5; ++trial) {
    std::vector<double> e(n);
    for (double &value : e)
      value = normal(random);
    double wanted = 0, got = 0;
    for (int64_t i = 0; i < n; ++i) {
      if (made->order[i] == 9)
        e[i] = 0;
      for (int64_t j = 0; j < n; ++j)
        wanted += e[i] * e[j] * (moments[made->order[i] * n + made->order[j]] + (i == j ? 0.01 * mean : 0));
    }
    for (int64_t j = 0; j < n; ++j) {
      double sum = e[j];
      for (int64_t i = 0; i < j; ++i)
        sum += made->feedback[j * n + i] * e[i];
      got += made->weight[j] * sum * sum;
    }
    EXPECT_NEAR(got, wanted, 1e-5 * wanted);
  }
}

TEST(ErrorFeedback, DampingGrowsUntilItHelps) {
  const int64_t n = 100;
  std::vector<float> moments = makeMoments(n, 20);
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  llvm::Expected<ErrorFeedback> made = makeErrorFeedback(moments, order, 0, runHere);
  ASSERT_TRUE(static_cast<bool>(made));
  EXPECT_GT(made->damping, 0);
  EXPECT_LT(made->damping, 0.01);
}

TEST(MultiplyLanes, IsAMatrixProduct) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (auto [m, k] : {std::pair<int64_t, int64_t>{1, 1}, {2, 300}, {7, 0}, {23, 257}, {3, 16}}) {
    int64_t stride = k + 5;
    std::vector<float> a(m * stride), b(k * kLanes), c(m * kLanes);
    for (std::vector<float> *values : {&a, &b, &c})
      for (float &value : *values)
        value = normal(random);
    std::vector<float> before = c;
    multiplyLanes(a.data(), stride, m, k, b.data(), c.data());
    for (int64_t i = 0; i < m; ++i)
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        double sum = before[i * kLanes + lane];
        for (int64_t j = 0; j < k; ++j)
          sum += static_cast<double>(a[i * stride + j]) * b[j * kLanes + lane];
        ASSERT_NEAR(c[i * kLanes + lane], sum, 1e-4);
      }
  }
}
