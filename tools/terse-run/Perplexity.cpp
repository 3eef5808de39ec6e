//===- Perplexity.cpp - how well a model predicts a text --------*- C++ -*-===//
#include "Run.h"

#include "terse/Runtime/LanguageModel.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <malloc.h>

namespace terse::run {

using namespace rt;

namespace {

/// log(sum(exp(logits))), in double precision.
double logSumExp(const float *logits, int64_t count) {
  float largest = logits[0];
  for (int64_t i = 1; i < count; ++i)
    largest = std::max(largest, logits[i]);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i)
    sum += std::exp(double(logits[i]) - largest);
  return largest + std::log(sum);
}

struct Sums {
  double nll = 0, kl = 0;
  int64_t tokens = 0, agree = 0;
};

/// KL(P || Q) in nats, P and Q the distributions that two rows of logits stand
/// for.
double divergence(const float *p, const float *q, int64_t count) {
  double logP = logSumExp(p, count), logQ = logSumExp(q, count), sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    double lp = double(p[i]) - logP;
    double probability = std::exp(lp);
    if (probability > 0)
      sum += probability * (lp - (double(q[i]) - logQ));
  }
  return sum;
}

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
  // A window needs one token more, which its last token predicts.
  int64_t window = options.window;
  int64_t windows = (int64_t(tokens.size()) - 1) / window;
  if (options.maxWindows)
    windows = std::min(windows, options.maxWindows);
  if (windows < 1)
    return fail(Code::InvalidArgument,
                "'%s' is too short: expected at least %lld tokens for a window "
                "of %lld; got %zu",
                options.perplexity.c_str(), (long long)window + 1,
                (long long)window, tokens.size());

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
    if (other->vocabulary() != (*mine)->vocabulary())
      return fail(Code::InvalidArgument,
                  "'%s' has %lld tokens in its vocabulary; expected %lld",
                  options.against.c_str(), (long long)other->vocabulary(),
                  (long long)(*mine)->vocabulary());
  }

  // To compare two models their logits are needed at once: a part of the window
  // at a time bounds the memory.
  int64_t vocabulary = (*mine)->vocabulary();
  int64_t part = other ? std::clamp<int64_t>((16 << 20) / (vocabulary * 4), 16,
                                             window < 16 ? 16 : window)
                       : window;
  std::vector<float> kept;
  Sums sums;
  double excluded = 0, elapsed = 0;
  for (int64_t w = 0; w < windows; ++w) {
    const int32_t *ids = tokens.data() + w * window;
    (*mine)->reset();
    if (other)
      other->reset();
    for (int64_t at = 0; at < window; at += part) {
      int64_t count = std::min(part, window - at);
      kept.resize(other ? size_t(count * vocabulary) : 0);
      Clock clock;
      Status status = (*mine)->eval(
          ids + at, count, false, [&](int64_t i, const float *logits) {
            Clock scoring;
            sums.nll += logSumExp(logits, vocabulary) - logits[ids[at + i + 1]];
            ++sums.tokens;
            if (other)
              std::copy(logits, logits + vocabulary,
                        kept.data() + i * vocabulary);
            excluded += scoring.seconds();
          });
      elapsed += clock.seconds();
      if (status.ok() && other)
        status = other->eval(ids + at, count, false,
                             [&](int64_t i, const float *logits) {
                               const float *row = kept.data() + i * vocabulary;
                               sums.kl += divergence(logits, row, vocabulary);
                               sums.agree += argmax(logits, vocabulary) ==
                                             argmax(row, vocabulary);
                             });
      if (!status.ok())
        return status;
    }
    if (session.progress())
      std::fprintf(stderr, "\rwindow %lld of %lld, perplexity %.4f ",
                   (long long)w + 1, (long long)windows,
                   std::exp(sums.nll / double(sums.tokens)));
  }
  if (session.progress())
    std::fprintf(stderr, "\n");

  double count = double(sums.tokens), nll = sums.nll / count;
  double speed = count / (elapsed - excluded);
  session.report.add("perplexity", std::exp(nll));
  session.report.add("nll", nll);
  session.report.add("tokens", sums.tokens);
  session.report.add("windows", windows);
  session.report.add("prefill_tokens_per_s", speed);
  session.timing("prefill", speed, "tokens/s");
  if (!options.json)
    std::printf("perplexity %.6g\nnll %.6g\ntokens %lld\nwindows %lld\n",
                std::exp(nll), nll, (long long)sums.tokens, (long long)windows);
  if (other) {
    session.report.add("kl", sums.kl / count);
    session.report.add("top1_agreement", double(sums.agree) / count);
    if (!options.json)
      std::printf("kl %.6g\ntop1_agreement %.6g\n", sums.kl / count,
                  double(sums.agree) / count);
  }
  return Status();
}

} // namespace terse::run
