//===- PromiseTest.cpp ----------------------------------------------------===//
#include "terse/Quality/Promise.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace terse;

namespace {

MeasuredLoss measured() {
  terse_perplexity from = TERSE_PERPLEXITY_INIT;
  from.perplexity_ratio = 1.02;
  from.bands[0].tokens = 5;
  from.bands[0].perplexity_ratio = 1.25;
  from.bands[2].tokens = 100;
  from.bands[2].perplexity_ratio = 0.99;
  return MeasuredLoss(from);
}

TEST(Promise, EachOfItsTokens) {
  MeasuredLoss loss = measured();
  EXPECT_NEAR(*loss.find({"", 0}), 0.02, 1e-12);
  EXPECT_NEAR(*loss.find({"rarest_1", 0}), 0.25, 1e-12);
  EXPECT_FALSE(loss.find({"rarest_10", 0}));
  EXPECT_NEAR(*loss.find({"rest", 0}), -0.01, 1e-12);
}

TEST(Promise, TheWorstDecides) {
  MeasuredLoss loss = measured();
  EXPECT_TRUE(areKept({}, loss));
  EXPECT_TRUE(areKept({LossPromise{"", 0.03}, LossPromise{"rest", 0}}, loss));
  std::vector<LossPromise> promises{{"", 0.03}, {"rarest_1", 0.05}};
  EXPECT_FALSE(areKept(promises, loss));
  EXPECT_NEAR(getExcess(promises, loss), 0.2, 1e-12);
  EXPECT_EQ(describeBroken(promises, loss), "the loss of perplexity is 25.00 % in the band rarest_1; expected at most 5.00 %");
  EXPECT_EQ(describeBroken(LossPromise{"", 0.03}, loss), "");
}

TEST(Promise, OfNothingMeasuredIsNotKept) {
  MeasuredLoss loss = measured();
  LossPromise absent{"rarest_10", 1};
  EXPECT_FALSE(areKept(absent, loss));
  EXPECT_EQ(llvm::toString(checkMeasured(absent, loss)),
            "the loss of the band 'rarest_10' is promised (--max-loss), but what is evaluated of the text has no token of it: expected a longer text or "
            "more windows");
  loss.all = NAN;
  EXPECT_FALSE(areKept(LossPromise{"", 1}, loss));
  EXPECT_FALSE(areKept({LossPromise{"", 1}, LossPromise{"rest", 1}}, loss));
}

} // namespace
