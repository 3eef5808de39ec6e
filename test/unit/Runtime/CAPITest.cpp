//===- CAPITest.cpp - the C interface ---------------------------*- C++ -*-===//
#include "Toy.h"
#include "terse-c/terse.h"

#include <cmath>
#include <cstring>

namespace {

using terse::rt::toyPath;

struct CAPI : testing::Test {
  terse_model *model = nullptr;
  terse_context *context = nullptr;

  void open(const char *name, int threads = 1) {
    ASSERT_EQ(terse_model_open(toyPath(name).c_str(), nullptr, &model),
              TERSE_OK)
        << terse_last_error();
    terse_context_options options = TERSE_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    options.capacity = 128;
    ASSERT_EQ(terse_context_create(model, &options, &context), TERSE_OK)
        << terse_last_error();
  }
  void TearDown() override {
    terse_context_destroy(context);
    terse_model_close(model);
  }
};

TEST_F(CAPI, Describes) {
  open("feedback");
  EXPECT_EQ(terse_api_version() >> 16, uint32_t(TERSE_API_VERSION_MAJOR));
  ASSERT_EQ(terse_model_input_count(model), 5u);
  ASSERT_EQ(terse_model_output_count(model), 4u);
  terse_tensor_info info;
  ASSERT_EQ(terse_model_input(model, 1, &info), TERSE_OK);
  EXPECT_STREQ(info.name, "attention_mask");
  EXPECT_EQ(info.dtype, TERSE_I64);
  ASSERT_EQ(info.rank, 2u);
  EXPECT_STREQ(terse_model_input_dim(model, 1, 1), "past + sequence");
  EXPECT_EQ(terse_model_input_dim(model, 1, 2), nullptr);
  EXPECT_EQ(terse_model_input_dim(model, 5, 0), nullptr);
  EXPECT_STREQ(terse_model_output_dim(model, 0, 2), "256");
  EXPECT_EQ(terse_model_output(model, 4, &info), TERSE_INVALID_ARGUMENT);
  EXPECT_EQ(std::strncmp(terse_model_manifest(model), "{\"format\": 1", 12), 0);
  EXPECT_EQ(terse_model_verify(model), TERSE_OK);
  EXPECT_EQ(terse_dtype_size(TERSE_BF16), 2u);
  EXPECT_EQ(terse_dtype_size(terse_dtype(99)), 0u);
}

TEST_F(CAPI, RunsByName) {
  open("none");
  int64_t ids[] = {1, 2, 3}, shape[] = {1, 3};
  terse_tensor input = {"input_ids", TERSE_I64, 2, shape, ids}, output;
  EXPECT_EQ(terse_context_output(context, 0, &output), TERSE_INVALID_ARGUMENT);
  ASSERT_EQ(terse_context_run(context, &input, 1), TERSE_OK)
      << terse_last_error();
  ASSERT_EQ(terse_context_output(context, 0, &output), TERSE_OK);
  EXPECT_STREQ(output.name, "logits");
  ASSERT_EQ(output.rank, 3u);
  EXPECT_EQ(output.shape[1], 3);

  // The same through terse_eval, in a context of its own.
  EXPECT_EQ(terse_vocabulary(context), 0u);
  terse_context *second;
  ASSERT_EQ(terse_context_create(model, nullptr, &second), TERSE_OK);
  ASSERT_EQ(terse_vocabulary(second), 256u);
  int32_t tokens[] = {1, 2, 3};
  std::vector<float> logits(256);
  ASSERT_EQ(terse_eval(second, tokens, 3, logits.data()), TERSE_OK);
  EXPECT_EQ(std::memcmp(logits.data(),
                        static_cast<const float *>(output.data) + 512, 1024),
            0);
  EXPECT_EQ(terse_past(second), 3);
  terse_reset(second);
  EXPECT_EQ(terse_past(second), 0);
  terse_context_destroy(second);

  input.name = "ids";
  EXPECT_EQ(terse_context_run(context, &input, 1), TERSE_INVALID_ARGUMENT);
  EXPECT_STREQ(terse_last_error(), "the model has no input 'ids'");
  EXPECT_EQ(terse_context_run(context, nullptr, 0), TERSE_INVALID_ARGUMENT);
  EXPECT_STREQ(terse_last_error(), "input 'input_ids' is missing");
  terse_tensor twice[2] = {input, input};
  twice[0].name = twice[1].name = "input_ids";
  EXPECT_EQ(terse_context_run(context, twice, 2), TERSE_INVALID_ARGUMENT);
  twice[0].dtype = terse_dtype(77);
  EXPECT_EQ(terse_context_run(context, twice, 1), TERSE_INVALID_ARGUMENT);
}

TEST_F(CAPI, Generates) {
  open("state", 2);
  std::vector<int32_t> got;
  auto collect = [](void *user, int32_t token) {
    auto &tokens = *static_cast<std::vector<int32_t> *>(user);
    tokens.push_back(token);
    return int(tokens.size() == 5);
  };
  int32_t prompt[] = {1, 2, 3};
  ASSERT_EQ(terse_generate(context, prompt, 3, nullptr, collect, &got),
            TERSE_OK)
      << terse_last_error();
  ASSERT_EQ(got.size(), 5u) << "the callback ends it";

  std::vector<int32_t> again;
  terse_generate_options options = TERSE_GENERATE_OPTIONS_INIT;
  options.max_tokens = 4;
  terse_reset(context);
  ASSERT_EQ(terse_generate(context, prompt, 3, &options, collect, &again),
            TERSE_OK);
  EXPECT_EQ(again, std::vector<int32_t>(got.begin(), got.begin() + 4));
  again.clear();
  options.stop_token = got[2];
  terse_reset(context);
  ASSERT_EQ(terse_generate(context, prompt, 3, &options, collect, &again),
            TERSE_OK);
  EXPECT_EQ(again, std::vector<int32_t>(
                       got.begin(), std::find(got.begin(), got.end(), got[2])));
  EXPECT_EQ(terse_generate(context, prompt, 0, &options, collect, &again),
            TERSE_INVALID_ARGUMENT);

  options.max_tokens = 1000; // the context holds 128
  options.stop_token = -1;
  auto ignore = [](void *, int32_t) { return 0; };
  terse_reset(context);
  EXPECT_EQ(terse_generate(context, prompt, 3, &options, ignore, nullptr),
            TERSE_CONTEXT_FULL);
}

TEST_F(CAPI, GivesTokensOneByOne) {
  open("state");
  int32_t prompt[] = {1, 2, 3};
  auto collect = [](void *user, int32_t token) {
    static_cast<std::vector<int32_t> *>(user)->push_back(token);
    return 0;
  };
  terse_generate_options options = TERSE_GENERATE_OPTIONS_INIT;
  options.max_tokens = 100;
  std::vector<int32_t> want, got;
  ASSERT_EQ(terse_generate(context, prompt, 3, &options, collect, &want),
            TERSE_OK);
  ASSERT_EQ(want.size(), 100u);
  options.prompt_lookup = 8;
  terse_reset(context);
  terse_generator *generator;
  ASSERT_EQ(terse_generator_create(context, prompt, 3, &options, &generator),
            TERSE_OK)
      << terse_last_error();
  for (int32_t token = 0;;) {
    ASSERT_EQ(terse_generator_next(generator, &token), TERSE_OK);
    if (token < 0)
      break;
    got.push_back(token);
    EXPECT_EQ(terse_past(context), 3 + int64_t(got.size()) - 1);
  }
  EXPECT_EQ(got, want);
  terse_generator_counts counts = TERSE_GENERATOR_COUNTS_INIT;
  ASSERT_EQ(terse_generator_count(generator, &counts), TERSE_OK);
  EXPECT_EQ(counts.steps + counts.accepted, 99);
  EXPECT_LE(counts.accepted, counts.drafted);
  counts.size = 8;
  EXPECT_EQ(terse_generator_count(generator, &counts), TERSE_INVALID_ARGUMENT);
  terse_generator_destroy(generator);
  // What a caller of version 0.3 does not have is not read.
  options.prompt_lookup = -1;
  EXPECT_EQ(terse_generate(context, prompt, 3, &options, collect, &got),
            TERSE_INVALID_ARGUMENT);
  options.size = offsetof(terse_generate_options, prompt_lookup);
  options.max_tokens = 1;
  EXPECT_EQ(terse_generate(context, prompt, 3, &options, collect, &got),
            TERSE_OK);
}

TEST_F(CAPI, ContextsOutliveTheModel) {
  open("state");
  terse_model_close(model);
  model = nullptr;
  int32_t token = 1;
  std::vector<float> logits(256);
  EXPECT_EQ(terse_eval(context, &token, 1, logits.data()), TERSE_OK);
}

TEST_F(CAPI, OldCallersStructuresAreUnderstood) {
  open("state");
  terse_context *second;
  terse_context_options options = TERSE_CONTEXT_OPTIONS_INIT;
  options.threads = 1;
  options.capacity = -5; // beyond what the caller says it has
  options.size = offsetof(terse_context_options, capacity);
  ASSERT_EQ(terse_context_create(model, &options, &second), TERSE_OK);
  EXPECT_EQ(terse_vocabulary(second), 256u) << terse_last_error();
  terse_context_destroy(second);
}

TEST_F(CAPI, Tokenizes) {
  open("state");
  terse_tokenizer *tokenizer;
  ASSERT_EQ(terse_tokenizer_of_model(model, &tokenizer), TERSE_OK);
  int32_t tokens[2];
  size_t count = 0;
  ASSERT_EQ(terse_tokenizer_encode(tokenizer, "abc", 3, tokens, 2, &count),
            TERSE_OK);
  EXPECT_EQ(count, 3u);
  EXPECT_EQ(tokens[1], 'b');
  char text[4];
  size_t size = 0;
  ASSERT_EQ(terse_tokenizer_piece(tokenizer, 'x', 1, text, 4, &size), TERSE_OK);
  EXPECT_EQ(std::string(text, size), "x");
  EXPECT_EQ(terse_tokenizer_bos(tokenizer), -1);
  terse_tokenizer_close(tokenizer);
}

TEST_F(CAPI, ErrorsHaveReasons) {
  EXPECT_EQ(terse_model_open("/nonexistent", nullptr, &model), TERSE_IO);
  EXPECT_NE(std::strstr(terse_last_error(), "/nonexistent"), nullptr);
  terse_model_options options = TERSE_MODEL_OPTIONS_INIT;
  options.cpu_level = "avx3";
  EXPECT_EQ(terse_model_open(toyPath("state").c_str(), &options, &model),
            TERSE_INVALID_ARGUMENT);
  EXPECT_EQ(terse_model_open_self(nullptr, &model), TERSE_INVALID_ARGUMENT);
  EXPECT_EQ(model, nullptr);
}

TEST_F(CAPI, VersionsThatDoNotFitAreRefused) {
  EXPECT_EQ(terse_check_version(TERSE_API_VERSION), TERSE_OK);
  EXPECT_EQ(terse_check_version(TERSE_API_VERSION + 1), TERSE_UNSUPPORTED);
  EXPECT_NE(std::strstr(terse_last_error(), "compiled for version 0."), nullptr);
  EXPECT_EQ(terse_check_version(TERSE_API_VERSION + (1 << 16)),
            TERSE_UNSUPPORTED);
  open("state");
  // A newer caller's structure: refused only if it sets what is not known here.
  struct {
    terse_context_options known;
    int64_t added;
  } newer = {TERSE_CONTEXT_OPTIONS_INIT, 0};
  newer.known.size = sizeof newer;
  terse_context *second;
  ASSERT_EQ(terse_context_create(model, &newer.known, &second), TERSE_OK);
  terse_context_destroy(second);
  newer.added = 1;
  EXPECT_EQ(terse_context_create(model, &newer.known, &second),
            TERSE_UNSUPPORTED);
  EXPECT_NE(std::strstr(terse_last_error(), "does not know"), nullptr);
  newer.known.size = 0;
  EXPECT_EQ(terse_context_create(model, &newer.known, &second),
            TERSE_INVALID_ARGUMENT);
  EXPECT_NE(std::strstr(terse_last_error(), "in its field 'size'"), nullptr);
}

TEST_F(CAPI, OutputsGoIntoTheCallersMemory) {
  open("none");
  int64_t ids[] = {1, 2, 3}, shape[] = {1, 3}, sizes[4] = {};
  terse_tensor input = {"input_ids", TERSE_I64, 2, shape, ids}, output;
  ASSERT_EQ(terse_context_output_sizes(context, &input, 1, sizes), TERSE_OK)
      << terse_last_error();
  EXPECT_EQ(sizes[1], 3);
  EXPECT_EQ(sizes[2], 256);
  EXPECT_EQ(sizes[3], 1) << "of the second output, 'level'";
  std::vector<float> logits(3 * 256);
  // The second output stays in the context.
  terse_buffer buffers[2] = {{logits.data(), logits.size() * 4}, {nullptr, 0}};
  ASSERT_EQ(terse_context_run_into(context, &input, 1, buffers, 2), TERSE_OK)
      << terse_last_error();
  std::vector<float> copy = logits;
  ASSERT_EQ(terse_context_run(context, &input, 1), TERSE_OK);
  ASSERT_EQ(terse_context_output(context, 0, &output), TERSE_OK);
  EXPECT_NE(output.data, logits.data());
  EXPECT_EQ(std::memcmp(output.data, copy.data(), copy.size() * 4), 0);
  buffers[0].bytes -= 1;
  EXPECT_EQ(terse_context_run_into(context, &input, 1, buffers, 2),
            TERSE_INVALID_ARGUMENT);
  EXPECT_STREQ(terse_last_error(),
               "output 'logits': expected a buffer of 3072 bytes; got 3071");
  buffers[0] = {reinterpret_cast<char *>(logits.data()) + 1, 4096};
  EXPECT_EQ(terse_context_run_into(context, &input, 1, buffers, 2),
            TERSE_INVALID_ARGUMENT);
  EXPECT_EQ(terse_context_run_into(context, &input, 1, buffers, 1),
            TERSE_INVALID_ARGUMENT);
}

TEST_F(CAPI, CallbacksEndLongWork) {
  open("state");
  auto stop = [](void *) { return 1; };
  ASSERT_EQ(terse_context_on_part(context, stop, nullptr), TERSE_OK);
  std::vector<int32_t> tokens(100, 1);
  std::vector<float> logits(256);
  terse_context *large;
  terse_context_options options = TERSE_CONTEXT_OPTIONS_INIT;
  options.capacity = 4096;
  ASSERT_EQ(terse_context_create(model, &options, &large), TERSE_OK);
  ASSERT_EQ(terse_context_on_part(large, stop, nullptr), TERSE_OK);
  EXPECT_EQ(terse_eval(large, tokens.data(), 100, logits.data()), TERSE_OK)
      << "one part is not asked about";
  tokens.resize(3000, 1);
  terse_reset(large);
  EXPECT_EQ(terse_eval(large, tokens.data(), 3000, logits.data()),
            TERSE_CANCELLED);
  terse_context_destroy(large);

  terse_perplexity result = TERSE_PERPLEXITY_INIT;
  auto second = [](void *, const terse_perplexity *soFar, int64_t) {
    return int(soFar->windows == 2);
  };
  EXPECT_EQ(terse_measure_perplexity(model, nullptr, 1, tokens.data(), 3000, 16,
                                     0, second, nullptr, &result),
            TERSE_CANCELLED);
  ASSERT_EQ(terse_measure_perplexity(model, model, 1, tokens.data(), 3000, 16,
                                     3, nullptr, nullptr, &result),
            TERSE_OK);
  EXPECT_EQ(result.windows, 3);
  EXPECT_EQ(result.tokens, 48);
  EXPECT_EQ(result.top1_agreement, 1);
  EXPECT_EQ(result.perplexity_ratio, 1);
  // All tokens are the same one: the rarest are all.
  EXPECT_EQ(result.bands[TERSE_BAND_RAREST_1].tokens, 48);
  EXPECT_EQ(result.bands[TERSE_BAND_RAREST_1].mass, 1);
  EXPECT_EQ(result.bands[TERSE_BAND_RAREST_1].most_count, 3000);
  EXPECT_EQ(result.bands[TERSE_BAND_RAREST_1].kl, result.kl);
  EXPECT_EQ(result.bands[TERSE_BAND_REST].tokens, 0);
  EXPECT_TRUE(std::isnan(result.bands[TERSE_BAND_REST].nll));
}

TEST_F(CAPI, BandsAreCountedInAnotherText) {
  open("state");
  std::vector<int32_t> tokens, counted;
  for (int i = 0; i < 400; ++i) {
    tokens.push_back(i % 4);
    counted.insert(counted.end(), i % 3 == 0 ? 2 : 40, i % 3);
  }
  terse_quality_options options = TERSE_QUALITY_OPTIONS_INIT;
  options.threads = 1;
  options.window = 16;
  options.band_tokens = counted.data();
  options.band_token_count = counted.size();
  terse_perplexity result = TERSE_PERPLEXITY_INIT;
  ASSERT_EQ(terse_measure_quality(model, nullptr, &options, tokens.data(),
                                  tokens.size(), nullptr, nullptr, &result),
            TERSE_OK)
      << terse_last_error();
  // 0 makes up 2.4 % of it, 1 and 2 the same share each, 3 none.
  EXPECT_EQ(result.bands[TERSE_BAND_RAREST_1].tokens, result.tokens / 2);
  EXPECT_EQ(result.bands[TERSE_BAND_RAREST_10].tokens, result.tokens / 2);
  EXPECT_EQ(result.bands[TERSE_BAND_REST].tokens, 0);
  EXPECT_TRUE(std::isnan(result.perplexity_ratio));
  EXPECT_TRUE(std::isnan(result.bands[TERSE_BAND_RAREST_1].kl));
  double sum = 0;
  for (const terse_frequency_band &band : result.bands)
    if (band.tokens)
      sum += band.nll * double(band.tokens);
  EXPECT_NEAR(sum / double(result.tokens), result.nll, 1e-12);
  options.band_tokens = nullptr;
  EXPECT_EQ(terse_measure_quality(model, nullptr, &options, tokens.data(),
                                  tokens.size(), nullptr, nullptr, &result),
            TERSE_INVALID_ARGUMENT);
}

TEST_F(CAPI, ResultsOfOlderCallersStayInTheirBounds) {
  open("state");
  // As it was in version 0.2.
  struct {
    size_t size;
    double perplexity, nll, kl, top1_agreement;
    int64_t tokens, windows;
    int64_t behind;
  } older = {sizeof older - sizeof(int64_t), 0, 0, 0, 0, 0, 0, 42};
  std::vector<int32_t> tokens(40, 1);
  auto *result = reinterpret_cast<terse_perplexity *>(&older);
  ASSERT_EQ(terse_measure_perplexity(model, nullptr, 1, tokens.data(), 40, 16, 0,
                                     nullptr, nullptr, result),
            TERSE_OK);
  EXPECT_EQ(older.windows, 2);
  EXPECT_GT(older.perplexity, 1);
  EXPECT_EQ(older.size, 56u);
  EXPECT_EQ(older.behind, 42);
  older.size = 48;
  EXPECT_EQ(terse_measure_perplexity(model, nullptr, 1, tokens.data(), 40, 16, 0,
                                     nullptr, nullptr, result),
            TERSE_INVALID_ARGUMENT);
}

} // namespace
