//===- CAPI.cpp - the C interface -------------------------------*- C++ -*-===//
#include "terse-c/terse.h"

#include "terse/Runtime/Describe.h"
#include "terse/Runtime/Generator.h"
#include "terse/Runtime/Perplexity.h"
#include "terse/Runtime/Sampler.h"
#include "terse/Runtime/Tokenizer.h"
#include "terse/Runtime/Version.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>

using namespace terse::rt;

struct terse_model {
  std::shared_ptr<const Model> model;
};

struct terse_context {
  std::shared_ptr<const Model> model;
  ContextOptions options;
  // Made when first needed: which of the two depends on what is called.
  std::unique_ptr<Context> context;
  std::unique_ptr<LanguageModel> language;
  std::vector<TensorView> inputs;
  std::vector<void *> places; ///< of outputs
  std::function<bool()> goOn;
};

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

thread_local std::string lastError;

terse_status report(const Status &status) {
  if (status.ok())
    return TERSE_OK;
  lastError = status.message();
  return terse_status(status.code());
}

terse_status invalid(const char *message) {
  return report(Status(Code::InvalidArgument, message));
}

/// Runs `body`, which returns a Status; no exception gets out.
template <typename F> terse_status guarded(F body) noexcept {
  try {
    return report(body());
  } catch (const std::bad_alloc &) {
    lastError.assign("out of memory");
    return TERSE_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    lastError.assign(error.what());
    return TERSE_INTERNAL;
  }
}

/// Copies a caller's structure, which may be null: fields that an older caller
/// does not have keep their defaults, and those of a newer one that this
/// library does not know must be zero.
template <typename T> Status readOptions(const T *given, T &options) {
  if (!given)
    return Status();
  size_t size = given->size;
  // Larger than any structure of this interface is ever going to be.
  if (size < sizeof(size_t) || size > 4096)
    return fail(Code::InvalidArgument,
                "expected the size of the structure in its field 'size'; got "
                "%zu",
                size);
  auto *bytes = reinterpret_cast<const char *>(given);
  for (size_t i = sizeof(T); i < size; ++i)
    if (bytes[i])
      return fail(Code::Unsupported,
                  "the caller sets options that this library, version %s, does "
                  "not know: expected a structure of %zu bytes; got %zu",
                  TERSE_VERSION, sizeof(T), size);
  std::memcpy(&options, given, std::min(size, sizeof(T)));
  return Status();
}

Status parseLevel(const terse_model_options *given,
                  std::optional<CpuLevel> &level) {
  terse_model_options options = TERSE_MODEL_OPTIONS_INIT;
  if (Status status = readOptions(given, options); !status.ok())
    return status;
  CpuLevel value;
  if (!options.cpu_level)
    return Status();
  if (!parseCpuLevel(options.cpu_level, value))
    return fail(Code::InvalidArgument,
                "expected CPU level baseline, avx2 or avx512vnni; got '%s'",
                options.cpu_level);
  level = value;
  return Status();
}

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

Status missing(const char *what) {
  return fail(Code::InvalidArgument, "expected %s; got null", what);
}

terse_status tensorInfo(const std::vector<TensorSpec> &specs, size_t index,
                        terse_tensor_info *info) {
  if (index >= specs.size())
    return invalid("no tensor of this index");
  const TensorSpec &spec = specs[index];
  *info = {spec.name.c_str(), spec.role.c_str(), terse_dtype(spec.dtype),
           spec.shape.size()};
  return TERSE_OK;
}

const char *dimension(const std::vector<TensorSpec> &specs, size_t index,
                      size_t at) {
  if (index >= specs.size() || at >= specs[index].shapeText.size())
    return nullptr;
  return specs[index].shapeText[at].c_str();
}

Status needContext(terse_context &self) {
  if (self.language)
    return Status(Code::InvalidArgument,
                  "this context is used for terse_eval; expected another one "
                  "for terse_context_run");
  if (self.context)
    return Status();
  auto created = Context::create(self.model, self.options);
  if (created.ok())
    self.context = std::move(*created);
  return created.status();
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

/// Puts the inputs in the order of the manifest.
Status readInputs(terse_context &self, const terse_tensor *inputs,
                  size_t count) {
  if (Status status = needContext(self); !status.ok())
    return status;
  if (count && !inputs)
    return missing("inputs");
  const Manifest &manifest = self.model->manifest();
  self.inputs.resize(manifest.inputs.size());
  std::vector<bool> given(manifest.inputs.size());
  for (size_t i = 0; i < count; ++i) {
    const terse_tensor &tensor = inputs[i];
    int index = tensor.name ? Manifest::find(manifest.inputs, tensor.name) : -1;
    if (index < 0)
      return fail(Code::InvalidArgument, "the model has no input '%s'",
                  tensor.name ? tensor.name : "(null)");
    if (given[index])
      return fail(Code::InvalidArgument, "input '%s' is given twice",
                  tensor.name);
    if (!terse_dtype_size(tensor.dtype) || (tensor.rank && !tensor.shape))
      return fail(Code::InvalidArgument, "input '%s' is not a tensor",
                  tensor.name);
    given[index] = true;
    self.inputs[index].dtype = DType(tensor.dtype);
    self.inputs[index].shape.assign(tensor.shape, tensor.shape + tensor.rank);
    self.inputs[index].data = tensor.data;
  }
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i])
      continue;
    std::optional<TensorView> otherwise = defaultOf(manifest.inputs[i]);
    if (!otherwise)
      return fail(Code::InvalidArgument, "input '%s' is missing",
                  manifest.inputs[i].name.c_str());
    self.inputs[i] = std::move(*otherwise);
  }
  return Status();
}

/// Checks that outputs of the sizes that the context knows fit the buffers.
Status placeOutputs(terse_context &self, const terse_buffer *buffers,
                    size_t count) {
  const std::vector<TensorSpec> &specs = self.model->manifest().outputs;
  if (count != specs.size() || (count && !buffers))
    return fail(Code::InvalidArgument,
                "expected %zu buffers, one for each output; got %zu",
                specs.size(), count);
  self.places.assign(count, nullptr);
  for (size_t i = 0; i < count; ++i) {
    if (!buffers[i].data)
      continue;
    size_t element = sizeOf(specs[i].dtype);
    uint64_t bytes = uint64_t(self.context->output(i).elements()) * element;
    if (buffers[i].bytes < bytes)
      return fail(Code::InvalidArgument,
                  "output '%s': expected a buffer of %llu bytes; got %zu",
                  specs[i].name.c_str(), (unsigned long long)bytes,
                  buffers[i].bytes);
    if (uintptr_t(buffers[i].data) % element != 0)
      return fail(Code::InvalidArgument,
                  "output '%s': the buffer is not aligned to its elements",
                  specs[i].name.c_str());
    self.places[i] = buffers[i].data;
  }
  return Status();
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

uint32_t terse_api_version(void) {
  return TERSE_API_VERSION_MAJOR << 16 | TERSE_API_VERSION_MINOR;
}
terse_status terse_check_version(uint32_t version) {
  uint32_t own = terse_api_version();
  if (version >> 16 == own >> 16 && version <= own)
    return TERSE_OK;
  return report(fail(Code::Unsupported,
                     "the program was compiled for version %u.%u of Terse's C "
                     "interface; this library has %u.%u",
                     version >> 16, version & 0xffff, own >> 16, own & 0xffff));
}
const char *terse_version(void) { return TERSE_VERSION; }
const char *terse_last_error(void) { return lastError.c_str(); }

terse_status terse_model_open(const char *path,
                              const terse_model_options *options,
                              terse_model **model) {
  return guarded([&]() -> Status {
    std::optional<CpuLevel> level;
    if (Status status = parseLevel(options, level); !status.ok())
      return status;
    if (!path || !model)
      return Status(Code::InvalidArgument, "expected a path and a result");
    auto opened = Model::open(path, level);
    if (opened.ok())
      *model = new terse_model{*opened};
    return opened.status();
  });
}

terse_status terse_model_open_self(const terse_model_options *options,
                                   terse_model **model) {
  return guarded([&]() -> Status {
    std::optional<CpuLevel> level;
    if (Status status = parseLevel(options, level); !status.ok())
      return status;
    if (!model)
      return missing("a result");
    auto opened = Model::openSelf(level);
    if (opened.ok())
      *model = new terse_model{*opened};
    return opened.status();
  });
}

void terse_model_close(terse_model *model) { delete model; }

const char *terse_model_manifest(const terse_model *model) {
  return model->model->manifest().text.c_str();
}
const char *terse_model_cpu_level(const terse_model *model) {
  return nameOf(model->model->level());
}
terse_status terse_describe(const char *path, int verify, terse_text_fn emit,
                            void *user) {
  return guarded([&]() -> Status {
    if (!path || !emit)
      return missing("a path and a function that receives the text");
    auto artifact = openChecked(path, verify != 0);
    if (!artifact.ok())
      return artifact.status();
    std::string text = describeArtifact(*artifact, verify != 0);
    emit(user, text.c_str(), text.size());
    return Status();
  });
}
terse_status terse_model_verify(const terse_model *model) {
  return guarded([&] { return model->model->verify(); });
}

size_t terse_dtype_size(terse_dtype dtype) {
  return int(dtype) >= 0 && int(dtype) <= int(DType::Bool)
             ? sizeOf(DType(dtype))
             : 0;
}

size_t terse_model_input_count(const terse_model *model) {
  return model->model->manifest().inputs.size();
}
size_t terse_model_output_count(const terse_model *model) {
  return model->model->manifest().outputs.size();
}
terse_status terse_model_input(const terse_model *model, size_t index,
                               terse_tensor_info *info) {
  return tensorInfo(model->model->manifest().inputs, index, info);
}
terse_status terse_model_output(const terse_model *model, size_t index,
                                terse_tensor_info *info) {
  return tensorInfo(model->model->manifest().outputs, index, info);
}
const char *terse_model_input_dim(const terse_model *model, size_t index,
                                  size_t at) {
  return dimension(model->model->manifest().inputs, index, at);
}
const char *terse_model_output_dim(const terse_model *model, size_t index,
                                   size_t at) {
  return dimension(model->model->manifest().outputs, index, at);
}

terse_status terse_context_create(const terse_model *model,
                                  const terse_context_options *given,
                                  terse_context **context) {
  return guarded([&]() -> Status {
    if (!model || !context)
      return missing("a model and a result");
    terse_context_options options = TERSE_CONTEXT_OPTIONS_INIT;
    if (Status status = readOptions(given, options); !status.ok())
      return status;
    std::unique_ptr<terse_context> self(new terse_context);
    self->model = model->model;
    self->options.threads = options.threads;
    self->options.capacity = options.capacity;
    if (options.batch)
      self->options.batch = options.batch;
    *context = self.release();
    return Status();
  });
}

void terse_context_destroy(terse_context *context) { delete context; }

terse_status terse_context_run(terse_context *context,
                               const terse_tensor *inputs, size_t count) {
  return terse_context_run_into(context, inputs, count, nullptr, 0);
}

terse_status terse_context_run_into(terse_context *context,
                                    const terse_tensor *inputs, size_t count,
                                    const terse_buffer *buffers,
                                    size_t bufferCount) {
  return guarded([&]() -> Status {
    if (!context)
      return missing("a context");
    if (Status status = readInputs(*context, inputs, count); !status.ok())
      return status;
    if (!buffers && !bufferCount)
      return context->context->run(context->inputs);
    if (Status status = context->context->shapeOutputs(context->inputs);
        !status.ok())
      return status;
    if (Status status = placeOutputs(*context, buffers, bufferCount);
        !status.ok())
      return status;
    return context->context->run(context->inputs, &context->places);
  });
}

terse_status terse_context_output_sizes(terse_context *context,
                                        const terse_tensor *inputs,
                                        size_t count, int64_t *sizes) {
  return guarded([&]() -> Status {
    if (!context || !sizes)
      return missing("a context and a result");
    if (Status status = readInputs(*context, inputs, count); !status.ok())
      return status;
    if (Status status = context->context->shapeOutputs(context->inputs);
        !status.ok())
      return status;
    for (size_t i = 0; i < context->model->manifest().outputs.size(); ++i)
      for (int64_t size : context->context->output(i).shape)
        *sizes++ = size;
    return Status();
  });
}

terse_status terse_context_output(const terse_context *context, size_t index,
                                  terse_tensor *output) {
  const std::vector<TensorSpec> &specs = context->model->manifest().outputs;
  if (index >= specs.size() || !context->context ||
      !context->context->output(index).data)
    return invalid("no output of this index, or the model has not run");
  const TensorView &view = context->context->output(index);
  *output = {specs[index].name.c_str(), terse_dtype(view.dtype),
             view.shape.size(), view.shape.data(), view.data};
  return TERSE_OK;
}

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

terse_status terse_context_on_part(terse_context *context, terse_go_on_fn goOn,
                                   void *user) {
  return guarded([&]() -> Status {
    if (!context)
      return missing("a context");
    context->goOn = nullptr;
    if (goOn)
      context->goOn = [=] { return goOn(user) == 0; };
    if (context->language)
      context->language->setGoOn(context->goOn);
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
