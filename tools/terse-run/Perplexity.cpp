//===- Perplexity.cpp - how well a model predicts a text --------*- C++ -*-===//
#include "Run.h"

#include "terse/Runtime/Perplexity.h"

#include <cstdio>
#include <malloc.h>

namespace terse::run {

using namespace rt;

namespace {

Status tokenize(Session &session, std::vector<int32_t> &tokens) {
  Result<std::unique_ptr<Tokenizer>> tokenizer = session.tokenizer();
  if (!tokenizer.ok())
    return tokenizer.status();
  Result<File> file = File::open(session.options.perplexity);
  if (!file.ok())
    return file.status();
  Result<Mapping> text = file->map(0, file->size());
  if (!text.ok())
    return text.status();
  Result<std::vector<int32_t>> ids = (*tokenizer)->encode(text->text());
  if (!ids.ok())
    return ids.status();
  tokens = std::move(*ids);
  tokenizer->reset();
#ifdef __GLIBC__
  ::malloc_trim(0); // a long text takes a hundred times its size for a moment
#endif
  return Status();
}

} // namespace

Status measurePerplexity(Session &session) {
  const Options &options = session.options;
  std::vector<int32_t> tokens;
  if (Status status = tokenize(session, tokens); !status.ok())
    return status;
  int64_t window = options.window;
  ContextOptions contextOptions = session.contextOptions(window);
  Result<std::unique_ptr<LanguageModel>> mine =
      LanguageModel::create(session.model, contextOptions);
  if (!mine.ok())
    return mine.status();
  std::unique_ptr<LanguageModel> other;
  if (!options.against.empty()) {
    Result<std::shared_ptr<const Model>> opened =
        Model::open(options.against, options.level);
    if (!opened.ok())
      return opened.status();
    Result<std::unique_ptr<LanguageModel>> created =
        LanguageModel::create(*opened, contextOptions);
    if (!created.ok())
      return created.status();
    other = std::move(*created);
  }

  PerplexityOptions how;
  how.window = window;
  how.maxWindows = options.maxWindows;
  bool progress = session.progress();
  how.onWindow = [&](const PerplexityResult &so, int64_t windows) {
    if (progress)
      std::fprintf(stderr, "\rwindow %lld of %lld, perplexity %.4f ",
                   (long long)so.windows, (long long)windows, so.perplexity());
    return true;
  };
  PerplexityResult result;
  Status status = measurePerplexity(**mine, other.get(), tokens, how, result);
  if (progress && result.windows)
    std::fprintf(stderr, "\n");
  if (!status.ok())
    return fail(status.code(), "'%s': %s", options.perplexity.c_str(),
                status.message().c_str());

  double speed = double(result.tokens) / result.seconds;
  session.report.add("perplexity", result.perplexity());
  session.report.add("nll", result.nll);
  session.report.add("tokens", result.tokens);
  session.report.add("windows", result.windows);
  session.report.add("prefill_tokens_per_s", speed);
  session.timing("prefill", speed, "tokens/s");
  if (!options.json)
    std::printf("perplexity %.6g\nnll %.6g\ntokens %lld\nwindows %lld\n",
                result.perplexity(), result.nll, (long long)result.tokens,
                (long long)result.windows);
  if (other) {
    session.report.add("kl", result.kl);
    session.report.add("top1_agreement", result.top1Agreement);
    if (!options.json)
      std::printf("kl %.6g\ntop1_agreement %.6g\n", result.kl,
                  result.top1Agreement);
  }
  return Status();
}

} // namespace terse::run
