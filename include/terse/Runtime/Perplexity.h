//===- Perplexity.h - how well a model predicts a text ----------*- C++ -*-===//
#ifndef TERSE_RUNTIME_PERPLEXITY_H
#define TERSE_RUNTIME_PERPLEXITY_H

#include "terse/Runtime/FrequencyBands.h"
#include "terse/Runtime/LanguageModel.h"

namespace terse::rt {

/// Means over some predicted tokens. NaN where there are none, and what
/// compares two models also where there was one.
struct PredictionQuality {
  int64_t tokens = 0;   ///< predicted
  double nll = 0;       ///< negative log-likelihood of a token, nats
  double otherNll = 0;  ///< the same of the other model
  double kl = 0;        ///< KL(other || model) of a token, nats
  double top1Agreement = 0; ///< share of tokens with the same likeliest one

  double perplexity() const;
  /// Perplexity over that of the other model: 1.01 is a loss of 1 %.
  double perplexityRatio() const;
};

struct PerplexityResult : PredictionQuality {
  int64_t windows = 0;
  double seconds = 0;      ///< that the model ran for
  double otherSeconds = 0; ///< that the other one ran for
  /// By how often the predicted token occurs in a text (FrequencyBands.h).
  struct Band : PredictionQuality {
    FrequencyBands::Band band;
  };
  std::array<Band, FrequencyBands::kCount> bands;
};

struct PerplexityOptions {
  int64_t window = 256;
  int64_t maxWindows = 0; ///< 0: all
  /// Bands of the predicted tokens; null: counted in all of the text that is
  /// measured on, also in what maxWindows leaves out.
  const FrequencyBands *bands = nullptr;
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
