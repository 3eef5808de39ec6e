//===- DraftLengthTest.cpp - how many tokens to draft -----------*- C++ -*-===//
#include "terse/Runtime/DraftLength.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

using namespace terse::rt;

namespace {

struct Outcome {
  double seconds = 0, drafted = 0;
  int64_t tokens = 0, steps = 0;
};

/// `steps` steps in which a drafted token is right with `probability` and a step
/// of m tokens takes cost(m).
Outcome simulate(int most, int length, double probability,
             const std::function<double(int)> &cost, int64_t steps) {
  DraftLength lengths(most);
  std::mt19937 random(7);
  std::uniform_real_distribution<double> uniform;
  Outcome run;
  for (; run.steps < steps; ++run.steps) {
    int draft = lengths.choose(length, INT64_MAX);
    EXPECT_LE(draft, most);
    lengths.took(draft + 1, cost(draft + 1));
    run.seconds += cost(draft + 1);
    run.drafted += draft;
    // Each token that comes, drafted or not, was promised or not.
    for (int i = 0; i <= draft; ++i) {
      bool right = uniform(random) < probability;
      lengths.saw(length, right);
      ++run.tokens;
      if (!right)
        break;
    }
  }
  return run;
}

double flat(int) { return 1; }
double steep(int tokens) { return tokens; }
double line(int tokens) { return 1 + 0.25 * (tokens - 1); }

TEST(DraftLength, WhereTokensCostNothingMoreAllAreDrafted) {
  Outcome run = simulate(8, 16, 1, flat, 200);
  EXPECT_GE(run.tokens, 9 * 195);
}

TEST(DraftLength, WhereNothingIsRightHardlyAnyIsDrafted) {
  for (auto cost : {steep, line}) {
    for (int length : {1, 3, 16}) {
      Outcome run = simulate(15, length, 0, cost, 2000);
      EXPECT_LT(run.seconds, 1.02 * 2000) << length;
    }
  }
}

TEST(DraftLength, WhereATokenMoreCostsAStepNothingIsLost) {
  for (double probability : {0.1, 0.5, 0.8, 0.95, 1.0}) {
    Outcome run = simulate(15, 4, probability, steep, 3000);
    EXPECT_LT(run.seconds, 1.03 * double(run.tokens)) << probability;
  }
}

TEST(DraftLength, IsNearTheBestOfAllFixedLengths) {
  // A step in the cost, as blocks of rows make.
  auto blocks = [](int tokens) { return tokens <= 4 ? 1.2 : tokens <= 8 ? 2.2 : 4.0; };
  for (std::function<double(int)> cost : {std::function<double(int)>(line), std::function<double(int)>(blocks)})
    for (double probability : {0.2, 0.5, 0.7, 0.9, 0.97}) {
      double best = 0, power = 1, tokens = 1;
      for (int draft = 0; draft <= 15; ++draft) {
        best = std::max(best, tokens / (draft ? cost(draft + 1) : 1.0));
        tokens += power *= probability;
      }
      Outcome run = simulate(15, 8, probability, [&](int m) { return m == 1 ? 1.0 : cost(m); }, 5000);
      EXPECT_GT(double(run.tokens) / run.seconds, 0.93 * best) << probability;
    }
}

TEST(DraftLength, SlowStepsAreForgotten) {
  // The first draft meets another program's turn.
  int drafts = 0;
  Outcome run = simulate(7, 8, 0.95, [&](int tokens) {
    return tokens > 1 && drafts++ < 2 ? 40.0 : line(tokens);
  }, 4000);
  EXPECT_GT(run.drafted, 2000);
}

TEST(DraftLength, NoMoreThanThereIsRoomFor) {
  DraftLength lengths(8);
  EXPECT_EQ(lengths.choose(16, 8), 0) << "what a step takes is not known";
  for (int i = 0; i < 5; ++i) {
    lengths.took(1, 1);
    lengths.saw(16, true);
  }
  EXPECT_GT(lengths.choose(16, 8), 3);
  EXPECT_EQ(lengths.choose(16, 3), 3);
  EXPECT_EQ(lengths.choose(16, 0), 0);
  EXPECT_EQ(lengths.choose(16, -1), 0);
  EXPECT_EQ(lengths.choose(0, 8), 0) << "no match";
}

} // namespace
