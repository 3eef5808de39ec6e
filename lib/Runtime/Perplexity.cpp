//===- Perplexity.cpp - how well a model predicts a text --------*- C++ -*-===//
#include "terse/Runtime/Perplexity.h"

#include "terse/Runtime/Sampler.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

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
/// for; `logP` and `logQ` are the logSumExp of each.
double divergence(const float *p, double logP, const float *q, double logQ,
                  int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    double lp = double(p[i]) - logP;
    double probability = std::exp(lp);
    if (probability > 0)
      sum += probability * (lp - (double(q[i]) - logQ));
  }
  return sum;
}

/// Sums over predicted tokens.
struct Sums {
  double nll = 0, otherNll = 0, kl = 0;
  int64_t tokens = 0, agree = 0;

  void means(bool compared, PredictionQuality &result) const {
    double none = std::numeric_limits<double>::quiet_NaN();
    auto mean = [&](double sum, bool known) {
      return known && tokens ? sum / double(tokens) : none;
    };
    result.tokens = tokens;
    result.nll = mean(nll, true);
    result.otherNll = mean(otherNll, compared);
    result.kl = mean(kl, compared);
    result.top1Agreement = mean(double(agree), compared);
  }
};

} // namespace

double PredictionQuality::perplexity() const { return std::exp(nll); }
double PredictionQuality::perplexityRatio() const {
  return std::exp(nll - otherNll);
}

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
  std::optional<FrequencyBands> counted;
  const FrequencyBands *bands = options.bands;
  if (!bands)
    bands = &counted.emplace(tokens);
  // Of the whole and of each band.
  Sums all;
  std::array<Sums, FrequencyBands::kCount> byBand;
  // Of the part: logits, their logSumExp.
  std::vector<float> kept;
  std::vector<double> logs(static_cast<size_t>(part));
  double elapsed = 0, otherElapsed = 0, excluded = 0;
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
            int32_t next = ids[at + i + 1];
            logs[i] = logSumExp(row, vocabulary);
            double nll = logs[i] - row[next];
            for (Sums *sums : {&all, &byBand[bands->bandOf(next)]}) {
              sums->nll += nll;
              ++sums->tokens;
            }
            if (other)
              std::copy(row, row + vocabulary, kept.data() + i * vocabulary);
            excluded += secondsSince(scoring);
          });
      elapsed += secondsSince(begin) - excluded;
      excluded = 0;
      if (status.ok() && other) {
        begin = Clock::now();
        status = other->eval(
            ids + at, size, false, [&](int64_t i, const float *row) {
              Clock::time_point scoring = Clock::now();
              int32_t next = ids[at + i + 1];
              const float *mine = kept.data() + i * vocabulary;
              double log = logSumExp(row, vocabulary);
              double kl = divergence(row, log, mine, logs[i], vocabulary);
              bool agree = argmax(row, vocabulary) == argmax(mine, vocabulary);
              for (Sums *sums : {&all, &byBand[bands->bandOf(next)]}) {
                sums->otherNll += log - row[next];
                sums->kl += kl;
                sums->agree += agree;
              }
              excluded += secondsSince(scoring);
            });
        otherElapsed += secondsSince(begin) - excluded;
        excluded = 0;
      }
      if (!status.ok())
        return status;
    }
    result = {};
    all.means(other != nullptr, result);
    for (int band = 0; band < FrequencyBands::kCount; ++band) {
      byBand[band].means(other != nullptr, result.bands[band]);
      result.bands[band].band = bands->bands()[band];
    }
    result.windows = w + 1;
    result.seconds = elapsed;
    result.otherSeconds = otherElapsed;
    if (options.onWindow && !options.onWindow(result, windows))
      return Status(Code::Cancelled, "cancelled");
  }
  return Status();
}

} // namespace terse::rt
