//===- Measure.cpp - running artifacts to know their quality --------------===//
#include "terse/Quality/Measure.h"

#include "llvm/Support/MemoryBuffer.h"

#include <algorithm>
#include <chrono>

using namespace terse;
using llvm::Error;
using llvm::Expected;

static Error check(terse_status status) {
  return status == TERSE_OK ? Error::success() : llvm::createStringError(terse_last_error());
}

Expected<ModelHandle> terse::openArtifact(const std::string &path) {
  terse_model *model = nullptr;
  if (Error error = check(terse_model_open(path.c_str(), nullptr, &model)))
    return std::move(error);
  return ModelHandle(model, terse_model_close);
}

Expected<std::vector<int32_t>> terse::tokenizeFile(const terse_model *model, const std::string &path) {
  auto text = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!text)
    return llvm::createStringError("cannot read '" + path + "': " + text.getError().message());
  terse_tokenizer *made = nullptr;
  if (Error error = check(terse_tokenizer_of_model(model, &made)))
    return std::move(error);
  std::unique_ptr<terse_tokenizer, decltype(&terse_tokenizer_close)> tokenizer(made, terse_tokenizer_close);
  // Hardly a tokenizer makes more tokens than bytes; where one does, once more.
  std::vector<int32_t> tokens((*text)->getBufferSize() + 16);
  while (true) {
    size_t count = 0;
    if (Error error = check(terse_tokenizer_encode(made, (*text)->getBufferStart(), (*text)->getBufferSize(),
                                                   tokens.data(), tokens.size(), &count)))
      return std::move(error);
    bool fits = count <= tokens.size();
    tokens.resize(count);
    if (fits)
      return tokens;
  }
}

terse_quality_options terse::getQualityOptions(const CompileOptions &options) {
  terse_quality_options how = TERSE_QUALITY_OPTIONS_INIT;
  how.threads = int32_t(options.threads);
  how.window = options.evalWindow;
  how.max_windows = options.evalWindows;
  return how;
}

Expected<terse_perplexity> terse::measureQuality(const terse_model *model, const terse_model *original,
                                                 const terse_quality_options &options,
                                                 const std::vector<int32_t> &tokens,
                                                 const std::atomic<bool> &cancelled) {
  terse_perplexity result = TERSE_PERPLEXITY_INIT;
  auto onWindow = [](void *user, const terse_perplexity *, int64_t) {
    return int(static_cast<const std::atomic<bool> *>(user)->load());
  };
  if (Error error = check(terse_measure_quality(model, original, &options, tokens.data(), tokens.size(), onWindow,
                                                const_cast<std::atomic<bool> *>(&cancelled), &result)))
    return std::move(error);
  return result;
}

Expected<double> terse::measureDecodeSpeed(const terse_model *model, int32_t threads,
                                           const std::vector<int32_t> &tokens) {
  constexpr int64_t kPrompt = 32, kGenerated = 64;
  size_t prompt = std::min<size_t>(tokens.size(), kPrompt);
  terse_context_options contextOptions = TERSE_CONTEXT_OPTIONS_INIT;
  contextOptions.threads = threads;
  contextOptions.capacity = int64_t(prompt) + kGenerated;
  terse_context *made = nullptr;
  if (Error error = check(terse_context_create(model, &contextOptions, &made)))
    return std::move(error);
  std::unique_ptr<terse_context, decltype(&terse_context_destroy)> context(made, terse_context_destroy);
  terse_generate_options generation = TERSE_GENERATE_OPTIONS_INIT;
  generation.max_tokens = kGenerated;
  // From the first token, which the prompt's run gives.
  struct Times {
    std::chrono::steady_clock::time_point first, last;
    int64_t count = 0;
  } times;
  auto onToken = [](void *user, int32_t) {
    auto &times = *static_cast<Times *>(user);
    times.last = std::chrono::steady_clock::now();
    if (times.count++ == 0)
      times.first = times.last;
    return 0;
  };
  if (Error error = check(terse_generate(made, tokens.data(), prompt, &generation, onToken, &times)))
    return std::move(error);
  double seconds = std::chrono::duration<double>(times.last - times.first).count();
  if (times.count < 2 || !(seconds > 0))
    return llvm::createStringError("no tokens were generated");
  return double(times.count - 1) / seconds;
}

Expected<llvm::json::Value> terse::describeArtifact(const std::string &path) {
  std::string text;
  auto emit = [](void *user, const char *bytes, size_t size) {
    static_cast<std::string *>(user)->assign(bytes, size);
  };
  if (Error error = check(terse_describe(path.c_str(), 0, emit, &text)))
    return std::move(error);
  return llvm::json::parse(text);
}
