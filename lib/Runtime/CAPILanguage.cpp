//===- CAPILanguage.cpp - the C interface of language models ----*- C++ -*-===//
#include "CAPI.h"

#include "terse/Runtime/Generator.h"
#include "terse/Runtime/Perplexity.h"
#include "terse/Runtime/Sampler.h"
#include "terse/Runtime/Tokenizer.h"

using namespace terse::rt;

struct terse_sampler {
  Sampler sampler;
};

struct terse_generator {
  terse_generator(LanguageModel &model, std::vector<int32_t> prompt,
                  const GeneratorOptions &options, int32_t stopToken)
      : generator(model, std::move(prompt), options), left(options.maxTokens),
        stopToken(stopToken) {}

  Generator generator;
  int64_t left; ///< tokens; 0: the text has ended
  int32_t stopToken;
};

struct terse_tokenizer {
  std::unique_ptr<Tokenizer> tokenizer;
};

namespace {

Status readSampling(const terse_sampler_options &options,
                    SamplerOptions &sampling) {
  if (!(options.temperature >= 0 && options.temperature < 1e30f))
    return Status(Code::InvalidArgument,
                  "expected a temperature of at least 0");
  if (!(options.top_p > 0 && options.top_p <= 1))
    return Status(Code::InvalidArgument, "expected top_p above 0 and up to 1");
  if (options.top_k < 0)
    return Status(Code::InvalidArgument, "expected top_k of at least 0");
  sampling.temperature = options.temperature;
  sampling.topK = options.top_k;
  sampling.topP = options.top_p;
  sampling.seed = options.seed;
  return Status();
}

Status needLanguage(terse_context &self) {
  if (self.context)
    return Status(Code::InvalidArgument,
                  "this context is used for terse_context_run; expected "
                  "another one for terse_eval");
  if (self.language)
    return Status();
  auto created = LanguageModel::create(self.model, self.options);
  if (created.ok()) {
    self.language = std::move(*created);
    self.language->setGoOn(self.goOn);
  }
  return created.status();
}

Status createGenerator(terse_context &self, const int32_t *prompt, size_t count,
                       const terse_generate_options *given,
                       std::unique_ptr<terse_generator> &generator) {
  terse_generate_options options = TERSE_GENERATE_OPTIONS_INIT;
  if (Status status = readOptions(given, options); !status.ok())
    return status;
  if (Status status = needLanguage(self); !status.ok())
    return status;
  if (!count || !prompt)
    return Status(Code::InvalidArgument,
                  "the prompt is empty; expected at least one token");
  if (options.prompt_lookup < 0 || options.prompt_lookup > mostPromptLookup)
    return fail(Code::InvalidArgument,
                "expected prompt_lookup of 0 to %lld; got %lld",
                (long long)mostPromptLookup, (long long)options.prompt_lookup);
  GeneratorOptions how;
  if (Status status = readSampling(
          {0, options.temperature, options.top_k, options.top_p, options.seed},
          how.sampler);
      !status.ok())
    return status;
  how.maxTokens = std::max<int64_t>(options.max_tokens, 0);
  how.promptLookup = int(options.prompt_lookup);
  generator = std::make_unique<terse_generator>(
      *self.language, std::vector<int32_t>(prompt, prompt + count), how,
      options.stop_token);
  return Status();
}

/// The next token, or -1.
Status nextToken(terse_generator &self, int32_t &token) {
  int32_t next = -1;
  if (self.left > 0) {
    if (Status status = self.generator.next(next); !status.ok())
      return status;
    --self.left;
    if (next == self.stopToken) {
      self.left = 0;
      next = -1;
    }
  }
  token = next;
  return Status();
}

void convertQuality(const PerplexityResult &from, bool compared,
                    terse_perplexity &to) {
  to.perplexity = from.perplexity();
  to.nll = from.nll;
  // Without another model these two were 0 before there were NaNs.
  to.kl = compared ? from.kl : 0;
  to.top1_agreement = compared ? from.top1Agreement : 0;
  to.tokens = from.tokens;
  to.windows = from.windows;
  to.perplexity_ratio = from.perplexityRatio();
  to.seconds = from.seconds;
  to.against_seconds = from.otherSeconds;
  static_assert(FrequencyBands::kCount == TERSE_BAND_COUNT);
  for (int i = 0; i < TERSE_BAND_COUNT; ++i) {
    const PerplexityResult::Band &band = from.bands[i];
    to.bands[i] = {band.band.mass, band.band.mostCount, band.tokens,
                   band.nll,       band.perplexityRatio(), band.kl,
                   band.top1Agreement};
  }
}

} // namespace

terse_status terse_eval(terse_context *context, const int32_t *tokens,
                        size_t count, float *logits) {
  return guarded([&]() -> Status {
    if (!context || (count && !tokens) || !logits)
      return missing("a context, tokens and a place for logits");
    if (Status status = needLanguage(*context); !status.ok())
      return status;
    LanguageModel &model = *context->language;
    return model.eval(tokens, int64_t(count), true,
                      [&](int64_t, const float *row) {
                        std::copy(row, row + model.vocabulary(), logits);
                      });
  });
}

size_t terse_vocabulary(terse_context *context) {
  terse_status status = guarded([&] { return needLanguage(*context); });
  return status == TERSE_OK ? size_t(context->language->vocabulary()) : 0;
}

int64_t terse_past(const terse_context *context) {
  return context->language  ? context->language->past()
         : context->context ? context->context->past()
                            : 0;
}

void terse_reset(terse_context *context) {
  if (context->language)
    context->language->reset();
  if (context->context)
    (void)context->context->rewind(0);
}

terse_status terse_generate(terse_context *context, const int32_t *prompt,
                            size_t count, const terse_generate_options *options,
                            terse_token_fn onToken, void *user) {
  return guarded([&]() -> Status {
    if (!context || !onToken)
      return missing("a context and a function that receives tokens");
    std::unique_ptr<terse_generator> generator;
    if (Status status =
            createGenerator(*context, prompt, count, options, generator);
        !status.ok())
      return status;
    if (!generator->left) // the prompt is run all the same
      return context->language->eval(prompt, int64_t(count), true,
                                     [](int64_t, const float *) {});
    while (true) {
      int32_t token;
      if (Status status = nextToken(*generator, token); !status.ok())
        return status;
      if (token < 0 || onToken(user, token) != 0)
        return Status();
    }
  });
}

terse_status terse_generator_create(terse_context *context,
                                    const int32_t *prompt, size_t count,
                                    const terse_generate_options *options,
                                    terse_generator **generator) {
  return guarded([&]() -> Status {
    if (!context || !generator)
      return missing("a context and a result");
    std::unique_ptr<terse_generator> self;
    Status status = createGenerator(*context, prompt, count, options, self);
    if (status.ok())
      *generator = self.release();
    return status;
  });
}

void terse_generator_destroy(terse_generator *generator) { delete generator; }

terse_status terse_generator_next(terse_generator *generator, int32_t *token) {
  return guarded([&]() -> Status {
    if (!generator || !token)
      return missing("a generator and a result");
    return nextToken(*generator, *token);
  });
}

terse_status terse_generator_count(const terse_generator *generator,
                                   terse_generator_counts *given) {
  return guarded([&]() -> Status {
    if (!generator || !given)
      return missing("a generator and a result");
    const Generator::Counts &counts = generator->generator.counts();
    terse_generator_counts result = {given->size, counts.steps, counts.drafted,
                                     counts.accepted};
    if (given->size < sizeof result)
      return fail(Code::InvalidArgument,
                  "expected a result of %zu bytes in its field 'size'; got %zu",
                  sizeof result, given->size);
    *given = result;
    return Status();
  });
}

terse_status terse_sampler_create(const terse_sampler_options *given,
                                  terse_sampler **sampler) {
  return guarded([&]() -> Status {
    if (!sampler)
      return missing("a result");
    terse_sampler_options options = TERSE_SAMPLER_OPTIONS_INIT;
    SamplerOptions sampling;
    if (Status status = readOptions(given, options); !status.ok())
      return status;
    if (Status status = readSampling(options, sampling); !status.ok())
      return status;
    *sampler = new terse_sampler{Sampler(sampling)};
    return Status();
  });
}

void terse_sampler_destroy(terse_sampler *sampler) { delete sampler; }

terse_status terse_sampler_next(terse_sampler *sampler, const float *logits,
                                size_t count, int32_t *token) {
  return guarded([&]() -> Status {
    if (!sampler || !logits || !token)
      return missing("a sampler, logits and a result");
    int64_t next = sampler->sampler.next(logits, int64_t(count));
    if (next < 0)
      return Status(Code::Internal, "the logits are not numbers");
    *token = int32_t(next);
    return Status();
  });
}

terse_status terse_measure_perplexity(
    const terse_model *model, const terse_model *against, int32_t threads,
    const int32_t *tokens, size_t count, int64_t window, int64_t maxWindows,
    terse_window_fn onWindow, void *user, terse_perplexity *given) {
  terse_quality_options options = TERSE_QUALITY_OPTIONS_INIT;
  options.threads = threads;
  options.window = window;
  options.max_windows = maxWindows;
  return terse_measure_quality(model, against, &options, tokens, count,
                               onWindow, user, given);
}

terse_status terse_measure_quality(const terse_model *model,
                                   const terse_model *against,
                                   const terse_quality_options *givenOptions,
                                   const int32_t *tokens, size_t count,
                                   terse_window_fn onWindow, void *user,
                                   terse_perplexity *given) {
  return guarded([&]() -> Status {
    if (!model || (count && !tokens) || !given)
      return missing("a model, tokens and a result");
    terse_quality_options how = TERSE_QUALITY_OPTIONS_INIT;
    if (Status status = readOptions(givenOptions, how); !status.ok())
      return status;
    if (how.band_token_count && !how.band_tokens)
      return missing("tokens to count for the bands");
    terse_perplexity result = TERSE_PERPLEXITY_INIT;
    // What version 0.2 had.
    size_t least = offsetof(terse_perplexity, perplexity_ratio);
    if (given->size < least)
      return fail(Code::InvalidArgument,
                  "expected a result of %zu bytes in its field 'size'; got %zu",
                  least, given->size);
    result.size = given->size;
    ContextOptions context;
    context.threads = how.threads;
    context.capacity = how.window;
    auto mine = LanguageModel::create(model->model, context);
    if (!mine.ok())
      return mine.status();
    std::unique_ptr<LanguageModel> other;
    if (against) {
      auto created = LanguageModel::create(against->model, context);
      if (!created.ok())
        return created.status();
      other = std::move(*created);
    }
    PerplexityOptions options;
    options.window = how.window;
    options.maxWindows = how.max_windows;
    std::optional<FrequencyBands> bands;
    if (how.band_tokens)
      options.bands = &bands.emplace(std::vector<int32_t>(
          how.band_tokens, how.band_tokens + how.band_token_count));
    if (onWindow)
      options.onWindow = [&](const PerplexityResult &soFar, int64_t windows) {
        convertQuality(soFar, against != nullptr, result);
        return onWindow(user, &result, windows) == 0;
      };
    PerplexityResult measured;
    Status status = measurePerplexity(
        **mine, other.get(), {tokens, tokens + count}, options, measured);
    if (!status.ok())
      return status;
    convertQuality(measured, against != nullptr, result);
    std::memcpy(given, &result, std::min(given->size, sizeof result));
    return Status();
  });
}

terse_status terse_tokenizer_of_model(const terse_model *model,
                                      terse_tokenizer **tokenizer) {
  return guarded([&]() -> Status {
    if (!model || !tokenizer)
      return missing("a model and a result");
    const std::string &kind = model->model->manifest().tokenizerKind;
    if (kind.empty() && model->model->tokenizer().empty())
      return Status(Code::InvalidArgument, "the artifact has no tokenizer");
    auto made = Tokenizer::create(kind, model->model->tokenizer());
    if (made.ok())
      *tokenizer = new terse_tokenizer{std::move(*made)};
    return made.status();
  });
}

terse_status terse_tokenizer_open(const char *path,
                                  terse_tokenizer **tokenizer) {
  return guarded([&]() -> Status {
    if (!path || !tokenizer)
      return missing("a path and a result");
    auto made = Tokenizer::open(path);
    if (made.ok())
      *tokenizer = new terse_tokenizer{std::move(*made)};
    return made.status();
  });
}

void terse_tokenizer_close(terse_tokenizer *tokenizer) { delete tokenizer; }

int terse_tokenizer_ends(const terse_tokenizer *tokenizer, int32_t token) {
  return tokenizer->tokenizer->ends(token);
}

int terse_tokenizer_prompts_begin_with_bos(const terse_tokenizer *tokenizer) {
  return tokenizer->tokenizer->promptsBeginWithBos();
}

int64_t terse_tokenizer_size(const terse_tokenizer *tokenizer) {
  return tokenizer->tokenizer->size();
}

int32_t terse_tokenizer_bos(const terse_tokenizer *tokenizer) {
  return tokenizer->tokenizer->bos();
}

int32_t terse_tokenizer_eos(const terse_tokenizer *tokenizer) {
  return tokenizer->tokenizer->eos();
}

terse_status terse_tokenizer_encode(const terse_tokenizer *tokenizer,
                                    const char *text, size_t size,
                                    int32_t *tokens, size_t capacity,
                                    size_t *count) {
  return guarded([&]() -> Status {
    auto ids = tokenizer->tokenizer->encode({text, size});
    if (!ids.ok())
      return ids.status();
    std::copy_n(ids->begin(), std::min(capacity, ids->size()), tokens);
    *count = ids->size();
    return Status();
  });
}

terse_status terse_tokenizer_piece(const terse_tokenizer *tokenizer,
                                   int32_t token, int first, char *text,
                                   size_t capacity, size_t *size) {
  return guarded([&]() -> Status {
    std::string piece = tokenizer->tokenizer->piece(token, first != 0);
    std::copy_n(piece.begin(), std::min(capacity, piece.size()), text);
    *size = piece.size();
    return Status();
  });
}
