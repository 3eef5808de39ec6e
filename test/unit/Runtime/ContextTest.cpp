//===- ContextTest.cpp - inputs, shapes, outputs ----------------*- C++ -*-===//
#include "Toy.h"

using namespace terse::rt;

namespace {

std::unique_ptr<Context> contextOf(const std::string &name, int threads = 1,
                                   int64_t capacity = 64) {
  ContextOptions options;
  options.threads = threads;
  options.capacity = capacity;
  auto made = Context::create(openToy(name), options);
  EXPECT_TRUE(made.ok()) << made.status().message();
  return made.ok() ? std::move(*made) : nullptr;
}

const std::vector<int64_t> tokens = {72, 101, 108, 108, 111, 32, 119, 111};

TensorView view(std::vector<int64_t> shape, const void *data,
                DType dtype = DType::I64) {
  return {dtype, std::move(shape), data};
}

int32_t level(const Context &context) {
  return *static_cast<const int32_t *>(context.output(1).data);
}

TEST(Context, RunsAndShapesOutputs) {
  auto context = contextOf("none");
  ASSERT_TRUE(context->run({view({1, 5}, tokens.data())}).ok());
  EXPECT_EQ(context->output(0).shape, (std::vector<int64_t>{1, 5, 256}));
  EXPECT_EQ(context->output(1).shape, (std::vector<int64_t>{1}));
  EXPECT_EQ(uintptr_t(context->output(0).data) % 64, 0u);
  EXPECT_EQ(level(*context), int(bestLevel()));
  ASSERT_TRUE(context->run({view({1, 8}, tokens.data())}).ok());
  EXPECT_EQ(context->output(0).shape, (std::vector<int64_t>{1, 8, 256}));
}

TEST(Context, TakesTheMostSpecialEntry) {
  auto context = contextOf("state");
  ASSERT_TRUE(context->run({view({1, 3}, tokens.data())}).ok());
  EXPECT_EQ(level(*context), int(bestLevel()));
  ASSERT_TRUE(context->run({view({1, 1}, tokens.data())}).ok());
  EXPECT_EQ(level(*context), 100 + int(bestLevel()));
}

TEST(Context, ForcedLevelRuns) {
  ContextOptions options;
  options.threads = 1;
  auto context = Context::create(openToy("state", CpuLevel::Baseline), options);
  ASSERT_TRUE(context.ok());
  ASSERT_TRUE((*context)->run({view({1, 3}, tokens.data())}).ok());
  EXPECT_EQ(level(**context), 0);
}

TEST(Context, RejectsWrongInputs) {
  auto context = contextOf("feedback");
  std::vector<int64_t> mask(16, 1), positions(16, 0);
  std::vector<float> cache(1024);
  auto run = [&](std::vector<int64_t> ids, std::vector<int64_t> maskShape,
                 std::vector<int64_t> key, std::vector<int64_t> value) {
    return context->run({view(ids, tokens.data()), view(maskShape, mask.data()),
                         view(ids, positions.data()),
                         view(key, cache.data(), DType::F32),
                         view(value, cache.data(), DType::F32)});
  };
  EXPECT_TRUE(run({1, 2}, {1, 5}, {1, 1, 3, 8}, {1, 1, 3, 8}).ok());
  EXPECT_EQ(context->output(2).shape, (std::vector<int64_t>{1, 1, 5, 8}));
  // Equal names must have equal sizes.
  EXPECT_ERROR(run({1, 2}, {1, 6}, {1, 1, 3, 8}, {1, 1, 3, 8}),
               "input 'attention_mask'");
  EXPECT_ERROR(
      run({1, 2}, {1, 5}, {1, 1, 3, 8}, {1, 1, 4, 8}),
      "input 'past_key_values.0.value': expected past = 3 in dimension "
      "2; got 4");
  EXPECT_ERROR(run({2, 2}, {1, 5}, {1, 1, 3, 8}, {1, 1, 3, 8}), "batch = 2");
  EXPECT_ERROR(run({1, 2}, {1, 5}, {1, 1, 3, 9}, {1, 1, 3, 8}),
               "expected 8 in dimension 3; got 9");
  EXPECT_ERROR(run({1, 2}, {5}, {1, 1, 3, 8}, {1, 1, 3, 8}),
               "expected i64 [batch, past + sequence]; got shape [5]");
  EXPECT_ERROR(run({1, 9}, {1, 5}, {1, 1, 3, 8}, {1, 1, 3, 8}),
               "input 'attention_mask'");
  // A size may be solved for: past is 5 - 2 with no cache given beforehand.
  EXPECT_TRUE(run({1, 2}, {1, 2}, {1, 1, 0, 8}, {1, 1, 0, 8}).ok());

  EXPECT_ERROR(context->run({}), "expected 5 inputs; got 0");
  auto plain = contextOf("none");
  EXPECT_ERROR(plain->run({view({1, 2}, tokens.data(), DType::I32)}),
               "expected i64 [batch, sequence]; got i32");
  EXPECT_ERROR(plain->run({view({1, 2}, nullptr)}), "has no data");
  EXPECT_ERROR(plain->run({view(
                   {1, 2}, reinterpret_cast<const char *>(tokens.data()) + 1)}),
               "not aligned");
}

TEST(Context, SolvesAcrossInputs) {
  auto model = openToy("feedback");
  std::vector<int64_t> ids = {1, 4}, mask = {1, 10}, cache = {1, 1, 6, 8};
  std::vector<int64_t> values(model->manifest().symbols.size(), -1);
  // The mask comes before the cache that it can only be checked with.
  EXPECT_TRUE(bindSymbols(model->manifest(),
                          {&ids, &mask, &ids, &cache, &cache}, values)
                  .ok());
  EXPECT_EQ(values, (std::vector<int64_t>{1, 4, 6, -1, -1}));
}

TEST(Context, KeepsStateUpToItsCapacity) {
  auto context = contextOf("state", 1, 10);
  ASSERT_TRUE(context->run({view({1, 8}, tokens.data())}).ok());
  EXPECT_EQ(context->past(), 8);
  EXPECT_EQ(level(*context), int(bestLevel())) << "room for 64, all told";
  Status full = context->run({view({1, 3}, tokens.data())});
  EXPECT_EQ(full.code(), Code::ContextFull);
  EXPECT_ERROR(full, "exceed its capacity of 10");
  EXPECT_EQ(context->past(), 8);
  EXPECT_TRUE(context->run({view({1, 2}, tokens.data())}).ok());
  EXPECT_FALSE(context->rewind(11));
  EXPECT_TRUE(context->rewind(4));
  EXPECT_TRUE(context->run({view({1, 6}, tokens.data())}).ok());
}

TEST(Context, StatesHoldTheBatchTheyWereMadeFor) {
  auto context = contextOf("state");
  EXPECT_ERROR(context->run({view({2, 4}, tokens.data())}),
               "expected batch = 1 in dimension 0; got 2");
}

TEST(Context, RejectsBadOptions) {
  auto create = [](int threads, int64_t capacity, int64_t batch) {
    return Context::create(openToy("state"), {threads, capacity, batch})
        .status();
  };
  EXPECT_ERROR(create(-1, 1, 1), "threads; got -1");
  EXPECT_ERROR(create(1, -1, 1), "at least 1");
  EXPECT_ERROR(create(1, 1, 0), "at least 1");
  EXPECT_ERROR(create(1, INT64_MAX / 2, 1), "no memory for state");
}

TEST(Context, OutputsAreReleased) {
  auto context = contextOf("none");
  ASSERT_TRUE(context->run({view({1, 8}, tokens.data())}).ok());
  context->trimOutputs(4096);
  EXPECT_EQ(context->output(0).data, nullptr);
  EXPECT_NE(context->output(1).data, nullptr);
  EXPECT_TRUE(context->run({view({1, 8}, tokens.data())}).ok());
  EXPECT_NE(context->output(0).data, nullptr);
}

} // namespace
