//===- Perplexity.h - how well a model predicts a text ----------*- C++ -*-===//
#ifndef TERSE_RUNTIME_PERPLEXITY_H
#define TERSE_RUNTIME_PERPLEXITY_H

#include "terse/Runtime/LanguageModel.h"

namespace terse::rt {

struct PerplexityResult {
  double nll = 0;           ///< mean negative log-likelihood of a token, nats
  double kl = 0;            ///< mean KL(other || model) of a token, nats
  double top1Agreement = 0; ///< share of tokens with the same likeliest one
  int64_t tokens = 0;       ///< predicted
  int64_t windows = 0;
  double seconds = 0; ///< that the model ran for

  double perplexity() const;
};

struct PerplexityOptions {
  int64_t window = 256;
  int64_t maxWindows = 0; ///< 0: all
  /// Called after each window with what is known so far and the number of
  /// windows; false ends the measurement with Code::Cancelled.
  std::function<bool(const PerplexityResult &, int64_t)> onWindow;
};

/// Cuts a text into windows, each run alone to predict every next token, the
/// one after the window included. `other`, if not null, has the same vocabulary
/// and is what `model` is compared with.
Status measurePerplexity(LanguageModel &model, LanguageModel *other,
                         const std::vector<int32_t> &tokens,
                         const PerplexityOptions &options,
                         PerplexityResult &result);

} // namespace terse::rt

#endif // TERSE_RUNTIME_PERPLEXITY_H
