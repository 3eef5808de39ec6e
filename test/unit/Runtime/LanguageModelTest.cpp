//===- LanguageModelTest.cpp - tokens in, logits out ------------*- C++ -*-===//
#include "Toy.h"

#include "terse/Runtime/Sampler.h"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>

static std::atomic<int64_t> allocations{0};

void *operator new(size_t size) {
  ++allocations;
  if (void *memory = std::malloc(size ? size : 1))
    return memory;
  std::abort();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }

using namespace terse::rt;

namespace {

std::vector<int32_t> text(size_t count) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i)
    tokens.push_back(int32_t(i * i * 7 + 3 * i) % 256);
  return tokens;
}

/// Bit for bit.
void expectSame(const std::vector<std::vector<float>> &a,
                const std::vector<std::vector<float>> &b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_EQ(a[i], b[i]) << "row " << i;
}

TEST(LanguageModel, ThreadsDoNotChangeResults) {
  std::vector<int32_t> tokens = text(50);
  for (const char *name : {"state", "feedback", "none"}) {
    auto one = toyLanguage(name, 1);
    auto expected = rowsOf(*one, tokens, 13);
    for (int threads : {2, 3, 7}) {
      auto many = toyLanguage(name, threads);
      expectSame(rowsOf(*many, tokens, 13), expected);
    }
  }
}

TEST(LanguageModel, PrefillAndDecodeAgree) {
  std::vector<int32_t> tokens = text(40);
  for (const char *name : {"state", "feedback", "none"}) {
    auto whole = toyLanguage(name), single = toyLanguage(name);
    expectSame(rowsOf(*whole, tokens, 40), rowsOf(*single, tokens, 1));
  }
}

TEST(LanguageModel, MemoryKindsAgree) {
  std::vector<int32_t> tokens = text(40);
  auto state = toyLanguage("state"), feedback = toyLanguage("feedback"),
       none = toyLanguage("none"), total = toyLanguage("feedback_total");
  auto expected = rowsOf(*none, tokens, 9);
  expectSame(rowsOf(*state, tokens, 9), expected);
  expectSame(rowsOf(*feedback, tokens, 9), expected);
  expectSame(rowsOf(*total, tokens, 9), expected);
}

TEST(LanguageModel, LongPromptsRunInParts) {
  std::vector<int32_t> tokens = text(700); // more than are run at once
  auto state = toyLanguage("state"), none = toyLanguage("none");
  auto expected = rowsOf(*none, tokens, 700);
  expectSame(rowsOf(*state, tokens, 700), expected);
  state->reset();
  int calls = 0;
  ASSERT_TRUE(state
                  ->eval(tokens.data(), 700, true,
                         [&](int64_t index, const float *row) {
                           EXPECT_EQ(index, 699);
                           EXPECT_EQ(std::vector<float>(row, row + 256),
                                     expected[699]);
                           ++calls;
                         })
                  .ok());
  EXPECT_EQ(calls, 1);
}

/// Logits after the last of `tokens`, given in pieces of `step` whose last
/// logits alone are asked for.
std::vector<float> lastRowOf(LanguageModel &model,
                             const std::vector<int32_t> &tokens, size_t step) {
  std::vector<float> last;
  for (size_t at = 0; at < tokens.size(); at += step) {
    auto count = int64_t(std::min(step, tokens.size() - at));
    Status status = model.eval(tokens.data() + at, count, true,
                               [&](int64_t index, const float *row) {
                                 EXPECT_EQ(index, count - 1);
                                 last.assign(row, row + model.vocabulary());
                               });
    EXPECT_TRUE(status.ok()) << status.message();
  }
  return last;
}

TEST(LanguageModel, FewerLogitsAreTheSame) {
  std::vector<int32_t> tokens = text(700); // more than are run at once
  auto expected = rowsOf(*toyLanguage("state"), tokens, 700);
  for (const char *name : {"state_keep", "none_keep"}) {
    expectSame(rowsOf(*toyLanguage(name), tokens, 111), expected);
    for (size_t step : {1, 19, 700})
      EXPECT_EQ(lastRowOf(*toyLanguage(name), tokens, step), expected.back());
    EXPECT_EQ(toyLanguage(name)->obstacleToDrafts(), "");
  }
  // Only what is asked for is computed.
  auto model = toyLanguage("state_keep");
  lastRowOf(*model, tokens, 50);
  EXPECT_EQ(model->context().output(0).elements(), 256);
  // With the token before: it must come out as it did.
  auto none = toyLanguage("none_keep");
  lastRowOf(*none, tokens, 50);
  EXPECT_EQ(none->context().output(0).elements(), 51 * 256);
  EXPECT_EQ(none->obstacleToDrafts(), "");
  auto bidirectional = toyLanguage("bidirectional_keep");
  lastRowOf(*bidirectional, tokens, 350);
  EXPECT_NE(bidirectional->obstacleToDrafts(), "");
}

TEST(LanguageModel, ResetForgets) {
  std::vector<int32_t> tokens = text(20);
  for (const char *name : {"state", "feedback", "none"}) {
    auto model = toyLanguage(name);
    auto expected = rowsOf(*model, tokens, 7);
    EXPECT_EQ(model->past(), 20);
    model->reset();
    EXPECT_EQ(model->past(), 0);
    expectSame(rowsOf(*model, tokens, 7), expected);
  }
}

TEST(LanguageModel, NarrowLogits) {
  std::vector<int32_t> tokens = text(10);
  auto exact = toyLanguage("state");
  auto expected = rowsOf(*exact, tokens, 10);
  for (auto [name, precision] :
       {std::pair{"f16", 0x1p-11f}, {"bf16", 0x1p-8f}}) {
    auto narrow = toyLanguage(name);
    auto rows = rowsOf(*narrow, tokens, 4);
    for (size_t i = 0; i < rows.size(); ++i)
      for (size_t v = 0; v < 256; ++v)
        ASSERT_NEAR(rows[i][v], expected[i][v],
                    std::fabs(expected[i][v]) * precision + 1e-6)
            << name;
  }
}

TEST(LanguageModel, RejectsTokensOutsideTheVocabulary) {
  auto model = toyLanguage("state");
  auto ignore = [](int64_t, const float *) {};
  for (int32_t bad : {-1, 256}) {
    int32_t tokens[] = {1, bad};
    EXPECT_ERROR(model->eval(tokens, 2, true, ignore),
                 "expected tokens of 0 to 255; got " + std::to_string(bad));
    EXPECT_EQ(model->past(), 0);
  }
}

TEST(LanguageModel, DecodingAllocatesNothing) {
  auto model = toyLanguage("state", 2);
  for (float temperature : {0.0f, 1.0f}) {
    SamplerOptions options;
    options.temperature = temperature;
    options.topP = 0.9f;
    Sampler sampler(options);
    int32_t token = 1;
    LanguageModel::LogitsFn choose = [&](int64_t, const float *row) {
      token = int32_t(sampler.next(row, 256));
    };
    int64_t before = 0;
    for (int i = 0; i < 100; ++i) {
      if (i == 2)
        before = allocations;
      ASSERT_TRUE(model->eval(&token, 1, true, choose).ok());
    }
    EXPECT_EQ(allocations, before);
  }
}

TEST(LanguageModel, SaysWhenFull) {
  auto model = toyLanguage("state", 1, 8);
  std::vector<int32_t> tokens = text(9);
  EXPECT_EQ(
      model->eval(tokens.data(), 9, true, [](int64_t, const float *) {}).code(),
      Code::ContextFull);
}

} // namespace
