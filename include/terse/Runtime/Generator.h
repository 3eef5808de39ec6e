//===- Generator.h - a text, token by token ---------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_GENERATOR_H
#define TERSE_RUNTIME_GENERATOR_H

#include "terse/Runtime/DraftLength.h"
#include "terse/Runtime/LanguageModel.h"
#include "terse/Runtime/PromptLookup.h"
#include "terse/Runtime/Sampler.h"

namespace terse::rt {

/// The largest GeneratorOptions::promptLookup.
constexpr int64_t mostPromptLookup = 256;

struct GeneratorOptions {
  SamplerOptions sampler;
  int64_t maxTokens = INT64_MAX; ///< no more will be asked for
  int promptLookup = 0; ///< tokens drafted at most, up to mostPromptLookup;
                        ///< 0: one step for each token
  bool adapt = true;    ///< draft as many as pay; false: as many as there may be
};

/// Continues a text with a language model. With prompt lookup what followed the
/// same tokens before is drafted and checked in one step. A draft only says what
/// is computed together: each token is drawn from the logits after those before
/// it, with one draw of the sampler as ever, and kept in the model only if it is
/// the one drafted. Tokens are therefore the same, greedy or sampled, wherever
/// logits are the same to the bit in steps of any size, as compiled models' are.
class Generator {
public:
  /// `prompt` comes behind what `model` holds and has at least one token.
  Generator(LanguageModel &model, std::vector<int32_t> prompt,
            const GeneratorOptions &options);
  Generator(const Generator &) = delete;

  /// The next token. The model then holds all before it. Code::ContextFull if
  /// they do not fit, Code::Internal if the logits are not numbers.
  Status next(int32_t &token);

  struct Counts {
    int64_t steps = 0; ///< after the prompt's
    int64_t drafted = 0, accepted = 0;
  };
  const Counts &counts() const { return counts_; }

private:
  struct Drawn {
    int32_t token; ///< -1: the logits are not numbers
    Sampler::State before;
  };
  Status step(int64_t drafted);
  int64_t chooseDraft();
  void draw(int64_t index, const float *logits);
  Status give(int32_t &token);

  LanguageModel &model_;
  GeneratorOptions options_;
  Sampler sampler_;
  PromptLookup lookup_;
  DraftLength lengths_;
  LanguageModel::LogitsFn draw_; ///< made once: it may allocate
  std::vector<int32_t> tokens_;  ///< to run: those not held, then the draft
  std::vector<Drawn> drawn_;     ///< by the last step
  size_t given_ = 0;             ///< of these
  int32_t last_ = -1;            ///< token given
  int64_t total_ = 0;            ///< tokens given
  uint64_t version_ = 0;         ///< of the model after the last step
  bool agrees_ = false;          ///< all drawn so far are as drafted
  double drawing_ = 0;           ///< seconds of the last step
  Counts counts_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_GENERATOR_H
