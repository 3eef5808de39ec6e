//===- Perplexity.cpp - how well a model predicts a text --------*- C++ -*-===//
#include "terse/Runtime/Perplexity.h"

#include "terse/Runtime/Sampler.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace terse::rt {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

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

} // namespace

double PerplexityResult::perplexity() const { return std::exp(nll); }

Status measurePerplexity(LanguageModel &model, LanguageModel *other,
                         const std::vector<int32_t> &tokens,
                         const PerplexityOptions &options,
                         PerplexityResult &result) {
  int64_t window = options.window;
  if (window < 1 || options.maxWindows < 0)
    return fail(Code::InvalidArgument,
                "expected a window of at least 1 token and 0 windows or more; "
                "got %lld and %lld",
                (long long)window, (long long)options.maxWindows);
  // A window needs one token more, which its last token predicts.
  int64_t windows = (int64_t(tokens.size()) - 1) / window;
  if (options.maxWindows)
    windows = std::min(windows, options.maxWindows);
  if (windows < 1)
    return fail(Code::InvalidArgument,
                "the text is too short: expected at least %lld tokens for a "
                "window of %lld; got %zu",
                (long long)window + 1, (long long)window, tokens.size());
  int64_t vocabulary = model.vocabulary();
  if (other && other->vocabulary() != vocabulary)
    return fail(Code::InvalidArgument,
                "the model compared with has %lld tokens in its vocabulary; "
                "expected %lld",
                (long long)other->vocabulary(), (long long)vocabulary);

  // To compare two models their logits are needed at once: a part of the window
  // at a time bounds the memory.
  int64_t part = other ? std::clamp<int64_t>((16 << 20) / (vocabulary * 4), 16,
                                             window < 16 ? 16 : window)
                       : window;
  std::vector<float> kept;
  double nll = 0, kl = 0, elapsed = 0, excluded = 0;
  int64_t count = 0, agree = 0;
  for (int64_t w = 0; w < windows; ++w) {
    const int32_t *ids = tokens.data() + w * window;
    model.reset();
    if (other)
      other->reset();
    for (int64_t at = 0; at < window; at += part) {
      int64_t size = std::min(part, window - at);
      kept.resize(other ? size_t(size * vocabulary) : 0);
      Clock::time_point begin = Clock::now();
      Status status =
          model.eval(ids + at, size, false, [&](int64_t i, const float *row) {
            Clock::time_point scoring = Clock::now();
            nll += logSumExp(row, vocabulary) - row[ids[at + i + 1]];
            ++count;
            if (other)
              std::copy(row, row + vocabulary, kept.data() + i * vocabulary);
            excluded += secondsSince(scoring);
          });
      elapsed += secondsSince(begin);
      if (status.ok() && other)
        status = other->eval(
            ids + at, size, false, [&](int64_t i, const float *row) {
              const float *mine = kept.data() + i * vocabulary;
              kl += divergence(row, mine, vocabulary);
              agree += argmax(row, vocabulary) == argmax(mine, vocabulary);
            });
      if (!status.ok())
        return status;
    }
    result = {nll / double(count),
              kl / double(count),
              double(agree) / double(count),
              count,
              w + 1,
              elapsed - excluded};
    if (options.onWindow && !options.onWindow(result, windows))
      return Status(Code::Cancelled, "cancelled");
  }
  return Status();
}

} // namespace terse::rt
