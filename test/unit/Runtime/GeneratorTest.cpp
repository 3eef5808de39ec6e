//===- GeneratorTest.cpp - a text, token by token ---------------*- C++ -*-===//
#include "Toy.h"

#include "terse/Runtime/Generator.h"

using namespace terse::rt;

namespace {

const char *const memories[] = {"state", "feedback", "feedback_total", "none"};
/// Of which greedy continuations repeat themselves after a while.
const std::vector<int32_t> prompt = {72, 105, 33, 7, 72, 105};

GeneratorOptions drafting(int tokens, float temperature = 0) {
  GeneratorOptions options;
  options.promptLookup = tokens;
  options.adapt = false;
  options.sampler.temperature = temperature;
  options.sampler.topK = 3; // so that drafts are right now and then
  options.sampler.seed = 5;
  return options;
}

struct Text {
  std::vector<int32_t> tokens;
  std::vector<int64_t> past; ///< after each
  Code end = Code::Ok;
  Generator::Counts counts;
};

Text generate(LanguageModel &model, const GeneratorOptions &options,
              int64_t count) {
  Generator generator(model, prompt, options);
  Text text;
  for (int32_t token; int64_t(text.tokens.size()) < count;) {
    text.end = generator.next(token).code();
    if (text.end != Code::Ok)
      break;
    text.tokens.push_back(token);
    text.past.push_back(model.past());
  }
  text.counts = generator.counts();
  return text;
}

TEST(Generator, DraftsDoNotChangeTheText) {
  for (float temperature : {0.0f, 1.0f}) {
    auto plain = toyLanguage("none", 1);
    Text want = generate(*plain, drafting(0, temperature), 90);
    ASSERT_EQ(want.tokens.size(), 90u);
    EXPECT_EQ(want.counts.steps, 89);
    for (const char *name : memories)
      for (int draft : {1, 2, 7, 15, 256}) {
        auto model = toyLanguage(name, 1);
        GeneratorOptions options = drafting(draft, temperature);
        Text got = generate(*model, options, 90);
        ASSERT_EQ(got.tokens, want.tokens) << name << ", " << draft;
        ASSERT_EQ(got.past, want.past) << name << ", " << draft;
        EXPECT_GT(got.counts.accepted, 0) << name << ", " << draft;
        EXPECT_GT(got.counts.drafted, got.counts.accepted) << "some are wrong";
        EXPECT_LE(got.counts.steps + got.counts.accepted, 89 + draft);
        EXPECT_GE(got.counts.steps + got.counts.accepted, 89);
        // And as many as pay, whatever that is.
        options.adapt = true;
        model->reset();
        ASSERT_EQ(generate(*model, options, 90).tokens, want.tokens);
      }
  }
}

TEST(Generator, NoMoreIsRunThanWanted) {
  auto model = toyLanguage("state", 1, int64_t(prompt.size()) + 89);
  GeneratorOptions options = drafting(15);
  options.maxTokens = 90;
  Text got = generate(*model, options, 90);
  EXPECT_EQ(got.end, Code::Ok);
  EXPECT_EQ(got.counts.steps + got.counts.accepted, 89);
}

TEST(Generator, TheContextIsUsedToItsEnd) {
  for (int64_t capacity = 40; capacity < 60; ++capacity) {
    auto plain = toyLanguage("state", 1, capacity), model = toyLanguage("state", 1, capacity);
    Text want = generate(*plain, drafting(0), 100), got = generate(*model, drafting(8), 100);
    EXPECT_EQ(want.end, Code::ContextFull);
    EXPECT_EQ(int64_t(want.tokens.size()), capacity - int64_t(prompt.size()) + 1);
    EXPECT_EQ(got.end, Code::ContextFull);
    EXPECT_EQ(got.tokens, want.tokens);
    EXPECT_EQ(got.past, want.past);
    EXPECT_GT(got.counts.accepted, 0);
  }
  // A limit that only the model knows.
  auto plain = toyLanguage("limited", 1), model = toyLanguage("limited", 1);
  Text want = generate(*plain, drafting(0), 100), got = generate(*model, drafting(8), 100);
  EXPECT_EQ(want.end, Code::ContextFull);
  EXPECT_EQ(want.tokens.size(), 50 - prompt.size() + 1);
  EXPECT_EQ(got.end, Code::ContextFull);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_GT(got.counts.accepted, 0);
}

TEST(Generator, OthersMayRunTheModelBetween) {
  for (const char *name : memories) {
    std::vector<std::vector<int32_t>> texts;
    for (int draft : {0, 7}) {
      auto model = toyLanguage(name, 1);
      Generator generator(*model, prompt, drafting(draft, 0.5f));
      std::vector<int32_t> &text = texts.emplace_back();
      for (int i = 0; i < 200; ++i) {
        int32_t token = -1, other = i % 256;
        ASSERT_TRUE(generator.next(token).ok());
        text.push_back(token);
        if (i % 31 == 30)
          ASSERT_TRUE(model->eval(&other, 1, true, [](int64_t, const float *) {}).ok());
        if (i == 120)
          model->reset();
        text.push_back(int32_t(model->past()));
      }
      if (draft)
        EXPECT_GT(generator.counts().accepted, 0);
    }
    EXPECT_EQ(texts[0], texts[1]) << name;
  }
}

TEST(Generator, ModelsThatDoNotAllowItGetPlainSteps) {
  for (const char *name : {"bidirectional", "coupled"}) {
    auto plain = toyLanguage(name, 1), model = toyLanguage(name, 1);
    Text want = generate(*plain, drafting(0, 1), 60), got = generate(*model, drafting(7, 1), 60);
    EXPECT_EQ(got.tokens, want.tokens) << name;
    EXPECT_EQ(got.past, want.past) << name;
    EXPECT_EQ(got.counts.drafted, 0) << name;
    EXPECT_NE(model->obstacleToDrafts().find("tokens behind"), std::string::npos);
  }
  EXPECT_TRUE(toyLanguage("feedback")->obstacleToDrafts().empty());
}

TEST(LanguageModel, RewindsAndTakesBack) {
  std::vector<int32_t> tokens = {5, 6, 7, 8, 9, 10, 11, 12};
  for (const char *name : memories) {
    auto model = toyLanguage(name, 1), fresh = toyLanguage(name, 1);
    auto want = rowsOf(*fresh, tokens, 8);
    std::vector<int32_t> others = {5, 6, 7, 99, 98, 97};
    rowsOf(*model, others, 3);
    EXPECT_FALSE(model->rewind(7)) << "not so many are held";
    EXPECT_FALSE(model->rewind(-1));
    ASSERT_TRUE(model->rewind(1));
    EXPECT_EQ(model->past(), 1);
    ASSERT_TRUE(model->rewind(3)) << "set aside, not gone";
    EXPECT_EQ(model->past(), 3);
    auto got = rowsOf(*model, {8, 9, 10, 11, 12}, 2);
    EXPECT_EQ(model->past(), 8);
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_EQ(got[i], want[3 + i]) << name << ", row " << i;
    EXPECT_FALSE(model->rewind(9)) << "gone: others came";
    ASSERT_TRUE(model->rewind(0));
    EXPECT_EQ(rowsOf(*model, tokens, 8), want) << name;
  }
}

} // namespace
