//===- SamplerTest.cpp ------------------------------------------*- C++ -*-===//
#include "terse/Runtime/Sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

using namespace terse::rt;

namespace {

const std::vector<float> logits = {0.0f, 2.0f, 1.0f, -1.0f, 2.0f, -50.0f};

std::map<int64_t, double> frequencies(SamplerOptions options, int draws) {
  Sampler sampler(options);
  std::map<int64_t, double> seen;
  for (int i = 0; i < draws; ++i)
    seen[sampler.next(logits.data(), int64_t(logits.size()))] += 1.0 / draws;
  return seen;
}

/// Softmax of `logits` at a temperature, over the tokens of `kept`.
std::map<int64_t, double> expected(double temperature,
                                   const std::vector<int> &kept) {
  double sum = 0;
  std::map<int64_t, double> p;
  for (int token : kept)
    sum += p[token] = std::exp(logits[token] / temperature);
  for (auto &[token, weight] : p)
    weight /= sum;
  return p;
}

void expectNear(const std::map<int64_t, double> &got,
                const std::map<int64_t, double> &want, int draws) {
  for (auto [token, p] : got)
    EXPECT_TRUE(want.count(token)) << token << " was drawn";
  for (auto [token, p] : want) {
    auto found = got.find(token);
    double seen = found == got.end() ? 0 : found->second;
    // Five standard deviations of a binomial.
    EXPECT_NEAR(seen, p, 5 * std::sqrt(p * (1 - p) / draws) + 1e-4) << token;
  }
}

TEST(Sampler, Argmax) {
  EXPECT_EQ(argmax(logits.data(), 6), 1) << "the lowest of equals";
  float nan = std::nanf("");
  std::vector<float> mixed = {nan, 1, nan, 3, nan};
  EXPECT_EQ(argmax(mixed.data(), 5), 3);
  EXPECT_EQ(argmax(&mixed[2], 1), -1);
  EXPECT_EQ(argmax(nullptr, 0), -1);
  float lowest[] = {nan, -INFINITY, -INFINITY};
  EXPECT_EQ(argmax(lowest, 3), 1);
  // Every place, in rows of every length around the vectors' width.
  for (int count = 1; count < 70; ++count)
    for (int at = 0; at < count; ++at) {
      std::vector<float> row(count, -1.0f);
      row[at] = 5;
      if (at + 1 < count)
        row[at + 1] = at % 2 ? 5 : nan;
      EXPECT_EQ(argmax(row.data(), count), at);
    }
}

TEST(Sampler, GreedyByDefault) {
  EXPECT_EQ(frequencies({}, 8), (std::map<int64_t, double>{{1, 1.0}}));
}

TEST(Sampler, FollowsTheDistribution) {
  const int draws = 40000;
  for (float temperature : {0.5f, 1.0f, 2.0f}) {
    SamplerOptions options;
    options.temperature = temperature;
    options.seed = 7;
    expectNear(frequencies(options, draws),
               expected(temperature, {0, 1, 2, 3, 4, 5}), draws);
  }
}

TEST(Sampler, TopK) {
  SamplerOptions options;
  options.temperature = 1;
  options.topK = 3;
  expectNear(frequencies(options, 20000), expected(1, {1, 4, 2}), 20000);
  options.topK = 1; // 1 and 4 are equal: the lower one
  EXPECT_EQ(frequencies(options, 100).size(), 1u);
  EXPECT_EQ(frequencies(options, 100).count(1), 1u);
}

TEST(Sampler, TopP) {
  // Probabilities: 1 and 4 have 0.3945 each, 2 has 0.1451, 0 0.0534, 3 0.0196.
  SamplerOptions options;
  options.temperature = 1;
  options.topP = 0.78f;
  expectNear(frequencies(options, 20000), expected(1, {1, 4}), 20000);
  options.topP = 0.80f;
  expectNear(frequencies(options, 20000), expected(1, {1, 4, 2}), 20000);
  options.topP = 0.95f;
  expectNear(frequencies(options, 20000), expected(1, {1, 4, 2, 0}), 20000);
  options.topP = 1e-6f;
  EXPECT_EQ(frequencies(options, 100).count(1), 1u);
  options.topP = 0.80f; // after top-k renormalizes: 1 and 4 alone reach it
  options.topK = 3;
  expectNear(frequencies(options, 20000), expected(1, {1, 4}), 20000);
}

TEST(Sampler, SeedsDecide) {
  auto draw = [](uint64_t seed) {
    SamplerOptions options;
    options.temperature = 1;
    options.seed = seed;
    Sampler sampler(options);
    std::vector<int64_t> tokens;
    for (int i = 0; i < 50; ++i)
      tokens.push_back(sampler.next(logits.data(), 6));
    return tokens;
  };
  EXPECT_EQ(draw(3), draw(3));
  EXPECT_NE(draw(3), draw(4));
}

} // namespace
