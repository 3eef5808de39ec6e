//===- AllocationTest.cpp -------------------------------------------------===//
#include "../../../lib/Search/Allocation.h"

#include <gtest/gtest.h>

#include <random>

using namespace terse;

namespace {

struct Sum {
  double bytes = 0, cost = 0;
};

Sum add(llvm::ArrayRef<LayerChoices> layers, const Allocation &allocation) {
  Sum sum;
  for (size_t i = 0; i < layers.size(); ++i) {
    sum.bytes += layers[i].options[allocation[i]].bytes;
    sum.cost += layers[i].options[allocation[i]].cost;
  }
  return sum;
}

/// Of all allocations of at most so many bytes, the least cost.
double findLeastCost(llvm::ArrayRef<LayerChoices> layers, double bytes) {
  size_t count = 1;
  for (const LayerChoices &layer : layers)
    count *= layer.options.size();
  double least = INFINITY;
  for (size_t code = 0; code < count; ++code) {
    Allocation allocation;
    size_t rest = code;
    for (const LayerChoices &layer : layers) {
      allocation.push_back(rest % layer.options.size());
      rest /= layer.options.size();
    }
    Sum sum = add(layers, allocation);
    if (sum.bytes <= bytes)
      least = std::min(least, sum.cost);
  }
  return least;
}

TEST(Allocation, PathIsTheBestForEachSize) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> draw(0, 1);
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<LayerChoices> layers;
    for (int i = 0; i < 5; ++i) {
      LayerChoices layer{"l" + std::to_string(i), {}};
      double sensitivity = draw(random);
      for (int64_t bits : {8, 4, 3, 2})
        layer.options.push_back({{bits, 64}, double(bits) * (1 + i), sensitivity * draw(random) / (1 << bits)});
      layers.push_back(layer);
    }
    std::vector<Allocation> path = makePath(layers);
    Sum before;
    for (size_t step = 0; step < path.size(); ++step) {
      Sum sum = add(layers, path[step]);
      // Points of the hull are the best of their size.
      EXPECT_DOUBLE_EQ(sum.cost, findLeastCost(layers, sum.bytes));
      if (step) {
        EXPECT_GT(sum.bytes, before.bytes);
        EXPECT_LT(sum.cost, before.cost);
      }
      before = sum;
    }
    // From the least bytes to the least cost.
    Sum first = add(layers, path.front());
    EXPECT_DOUBLE_EQ(first.bytes, 2 * (1 + 2 + 3 + 4 + 5));
    EXPECT_DOUBLE_EQ(before.cost, findLeastCost(layers, INFINITY));
  }
}

TEST(Allocation, OneOption) {
  std::vector<LayerChoices> layers{{"a", {{{4, 32}, 10, 1}}}, {"b", {{{8, 32}, 20, 1}, {{4, 32}, 20, 2}}}};
  EXPECT_EQ(makePath(layers), std::vector<Allocation>({{0, 0}}));
}

TEST(Allocation, FindFirst) {
  for (size_t count : {0, 1, 2, 7, 100})
    for (size_t answer = 0; answer <= count; ++answer) {
      int asked = 0;
      auto found = findFirst(count, [&](size_t i) -> llvm::Expected<bool> {
        ++asked;
        return i >= answer;
      });
      ASSERT_TRUE(bool(found));
      EXPECT_EQ(*found, answer < count ? std::optional<size_t>(answer) : std::nullopt);
      EXPECT_LE(asked, 9);
    }
  auto failed = findFirst(3, [](size_t i) -> llvm::Expected<bool> { return llvm::createStringError("no"); });
  EXPECT_FALSE(bool(failed));
  llvm::consumeError(failed.takeError());
}

TEST(Allocation, Rules) {
  EXPECT_EQ(writeRules({{"a.b", {4, 32}}, {"c=d;{e}", {4, 32}}, {"f/g", {3, 64}}}),
            "^(f/g)$=bits:3,group_size:64;^(a.b|c.d..e.)$=bits:4,group_size:32");
}

} // namespace
