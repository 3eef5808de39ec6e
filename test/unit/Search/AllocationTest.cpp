//===- AllocationTest.cpp -------------------------------------------------===//
#include "../../../lib/Search/Allocation.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

using namespace terse;

namespace {

/// Of all allocations of at most that price, the least cost.
double findLeastCost(llvm::ArrayRef<LayerChoices> layers, double price) {
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
    AllocationSum found = sum(layers, allocation);
    if (found.price <= price)
      least = std::min(least, found.cost);
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
    AllocationSum before;
    for (size_t step = 0; step < path.size(); ++step) {
      AllocationSum now = sum(layers, path[step]);
      // Points of the hull are the best of their price.
      EXPECT_DOUBLE_EQ(now.cost, findLeastCost(layers, now.price));
      if (step) {
        EXPECT_GT(now.price, before.price);
        EXPECT_LT(now.cost, before.cost);
      }
      before = now;
    }
    // From the least price to the least cost.
    AllocationSum first = sum(layers, path.front());
    EXPECT_DOUBLE_EQ(first.price, 2 * (1 + 2 + 3 + 4 + 5));
    EXPECT_DOUBLE_EQ(before.cost, findLeastCost(layers, INFINITY));
  }
}

/// Against all allocations that differ in one layer or two.
TEST(Allocation, ExchangesAreTheBestOnes) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> draw(0, 1);
  std::vector<LayerChoices> layers(6);
  for (LayerChoices &layer : layers)
    for (int i = 0; i < 4; ++i)
      layer.options.push_back({{4, 32}, draw(random), draw(random)});
  const Allocation from{0, 1, 2, 3, 0, 1};
  const AllocationSum now = sum(layers, from);
  for (double slack : {0.0, 0.1, 1.0}) {
    std::vector<std::pair<double, Allocation>> expected;
    for (int code = 0; code < 4096; ++code) {
      Allocation allocation;
      int numChanged = 0;
      for (int i = 0; i < 6; ++i) {
        allocation.push_back(code >> 2 * i & 3);
        numChanged += allocation[i] != from[i];
      }
      AllocationSum then = sum(layers, allocation);
      if (numChanged > 0 && numChanged <= 2 && then.price < now.price && then.cost - now.cost <= slack)
        expected.push_back({then.price, allocation});
    }
    llvm::sort(expected);
    std::vector<Allocation> found = findExchanges(layers, from, slack, 5);
    ASSERT_EQ(found.size(), std::min<size_t>(5, expected.size()));
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_EQ(found[i], expected[i].second);
    EXPECT_EQ(findExchanges(layers, from, slack, 10000).size(), expected.size());
  }
  EXPECT_TRUE(findExchanges(layers, from, -100, 5).empty());
}

/// With a price for each format that is used, few are.
TEST(Allocation, FrontMindsWhatFormatsCost) {
  std::mt19937 random(11);
  std::uniform_real_distribution<double> draw(0.1, 1);
  std::vector<LayerChoices> layers(8);
  for (LayerChoices &layer : layers) {
    double sensitivity = draw(random);
    for (int64_t bits : {8, 4, 3, 2})
      for (int64_t group : {64, 32})
        layer.options.push_back({{bits, group}, double(bits) + 16. / double(group), sensitivity / double(1 << 2 * bits) * (group == 32 ? 0.8 : 1)});
  }
  auto makePrice = [&](double ofFormat) {
    return [&layers, ofFormat](const Allocation &allocation) {
      std::set<size_t> used(allocation.begin(), allocation.end());
      return sum(layers, allocation).price + ofFormat * double(used.size());
    };
  };
  for (double ofFormat : {0.0, 1.0, 100.0}) {
    auto price = makePrice(ofFormat);
    std::vector<Allocation> front = makeFront(layers, price);
    ASSERT_FALSE(front.empty());
    for (size_t i = 1; i < front.size(); ++i) {
      EXPECT_GT(price(front[i]), price(front[i - 1]));
      EXPECT_LT(sum(layers, front[i]).cost, sum(layers, front[i - 1]).cost);
    }
    // No step of the plain path, and no format for all, beats it.
    std::vector<Allocation> others = makePath(layers);
    for (size_t option = 0; option < 8; ++option)
      others.push_back(Allocation(layers.size(), option));
    for (const Allocation &other : others)
      EXPECT_TRUE(llvm::any_of(front, [&](const Allocation &on) {
        return price(on) <= price(other) && sum(layers, on).cost <= sum(layers, other).cost;
      }));
    if (ofFormat == 100)
      for (const Allocation &allocation : front)
        EXPECT_EQ(std::set<size_t>(allocation.begin(), allocation.end()).size(), 1u);
  }
}

TEST(Allocation, OneOption) {
  std::vector<LayerChoices> layers{{"a", {{{4, 32}, 10, 1}}}, {"b", {{{8, 32}, 20, 1}, {{4, 32}, 20, 2}}}};
  EXPECT_EQ(makePath(layers), std::vector<Allocation>({{0, 0}}));
}

TEST(Allocation, FindFirst) {
  for (size_t count : {0, 1, 2, 7, 100})
    for (size_t guess = 0; guess < std::max<size_t>(count, 1); ++guess)
      for (size_t answer = 0; answer <= count; ++answer) {
        std::set<size_t> asked;
        auto found = findFirst(count, guess, [&](size_t i) -> llvm::Expected<bool> {
          EXPECT_TRUE(i < count && asked.insert(i).second);
          return i >= answer;
        });
        ASSERT_TRUE(bool(found));
        EXPECT_EQ(*found, answer < count ? std::optional<size_t>(answer) : std::nullopt);
        // Twice as many as by halving what lies between guess and answer, and one each to begin and to end.
        size_t distance = answer > guess ? answer - guess : guess - answer;
        EXPECT_LE(double(asked.size()), 2 * std::log2(double(distance + 1)) + 2);
      }
  for (size_t answer = 0; answer <= 100; ++answer) {
    int asked = 0;
    auto found = findFirst(100, std::nullopt, [&](size_t i) -> llvm::Expected<bool> {
      EXPECT_TRUE(asked++ || i == 99);
      return i >= answer;
    });
    ASSERT_TRUE(bool(found));
    EXPECT_EQ(*found, answer < 100 ? std::optional<size_t>(answer) : std::nullopt);
    EXPECT_LE(asked, 8);
  }
  auto failed = findFirst(3, 1, [](size_t i) -> llvm::Expected<bool> { return llvm::createStringError("no"); });
  EXPECT_FALSE(bool(failed));
  llvm::consumeError(failed.takeError());
}

/// What is apart is not bound by others' formats, though its own may look the same.
TEST(Allocation, ApartFromOthers) {
  const WeightFormat three{3, 32}, four{4, 32};
  LayerChoices tables{"t", {{three, 1, 4}, {four, 2, 0}}, true};
  std::vector<LayerChoices> layers{{"a", {{three, 10, 1}}}, {"b", {{three, 10, 1}}}, tables};
  auto front = [&] {
    return makeFront(layers, [&](const Allocation &allocation) { return sum(layers, allocation).price; });
  };
  EXPECT_EQ(front(), std::vector<Allocation>({{0, 0, 0}, {0, 0, 1}}));
  for (int i = 0; i < 2; ++i)
    layers[i].options.push_back({{8, 32}, 11, 0.9});
  auto costly = [&](const Allocation &allocation) { return sum(layers, allocation).price + (allocation[0] != allocation[1] ? 50 : 0); };
  EXPECT_TRUE(llvm::is_contained(makeFront(layers, costly), Allocation({0, 0, 1})));
}

TEST(Allocation, Rules) {
  EXPECT_EQ(writeRules({{"a.b", {4, 32}}, {"c=d;{e}", {4, 32}}, {"f/g", {3, 64}}}),
            "^(f/g)$=bits:3,group_size:64;^(a.b|c.d..e.)$=bits:4,group_size:32");
  EXPECT_EQ(writeRules({{"a", {4, 32, false}}, {"b", {4, 32}}, {"c", {4, 32, true}}}),
            "^(b)$=bits:4,group_size:32;^(a)$=bits:4,group_size:32,symmetric:false;^(c)$=bits:4,group_size:32,symmetric:true");
  EXPECT_EQ(writeRules({{"a", {4, 64, {}, "gptq", true}}, {"b", {4, 64, {}, "hqq"}}, {"c", {4, 64, {}, "gptq"}}}),
            "^(c)$=bits:4,group_size:64,method:gptq;^(a)$=bits:4,group_size:64,method:gptq,pattern:2:4;^(b)$=bits:4,group_size:64,method:hqq");
}

/// Methods that store the same are no choice, but for the best one of each layer.
TEST(Allocation, MethodsOfOneStorage) {
  const WeightFormat nearest{3, 32, {}, "rtn"}, feedback{3, 32, {}, "gptq"}, sparse{3, 32, {}, "gptq", true}, zeros{3, 32, false, "gptq"}, half{3, 32, {}, "hqq"};
  EXPECT_EQ(nearest.getStorage(), feedback.getStorage());
  EXPECT_FALSE(sparse.getStorage() == feedback.getStorage());
  EXPECT_FALSE(half.getStorage() == nearest.getStorage());
  EXPECT_EQ(sparse.str(), "w3 g32 2:4 gptq");
  auto keep = [](std::vector<LayerChoices::Option> options) {
    LayerChoices layer{"l", std::move(options)};
    keepBestMethods(layer);
    std::vector<WeightFormat> formats;
    for (const LayerChoices::Option &option : layer.options)
      formats.push_back(option.format);
    return formats;
  };
  EXPECT_EQ(keep({{nearest, 10, 2}, {feedback, 10, 1}, {sparse, 8, 4}}), std::vector<WeightFormat>({feedback, sparse}));
  EXPECT_EQ(keep({{nearest, 10, 1}, {feedback, 10, 1}}), std::vector<WeightFormat>({nearest}));
  EXPECT_EQ(keep({{nearest, 10, 1}, {feedback, 11, 0.5}}), std::vector<WeightFormat>({nearest, feedback}));
  // Zero points that are not whole take more bytes.
  EXPECT_EQ(keep({{zeros, 11, 1}, {half, 12, 1}}), std::vector<WeightFormat>({zeros}));
  EXPECT_EQ(keep({{zeros, 11, 1}, {half, 12, 0.9}}), std::vector<WeightFormat>({zeros, half}));
  EXPECT_EQ(keep({{feedback, 10, 1}, {half, 12, 2}}), std::vector<WeightFormat>({feedback, half}));

  // The path with one way to store all takes each layer's own method.
  std::vector<LayerChoices> layers{{"a", {{nearest, 10, 1}, {{4, 32}, 20, 0.5}}}, {"b", {{feedback, 10, 1}, {{4, 32}, 20, 0.5}}}};
  std::vector<Allocation> front = makeFront(layers, [&](const Allocation &allocation) {
    return sum(layers, allocation).price + (allocation[0] == allocation[1] ? 0 : 100);
  });
  EXPECT_EQ(front, std::vector<Allocation>({{0, 0}, {1, 1}}));
}

} // namespace
