//===- LanguageModel.h - token by token -------------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_LANGUAGEMODEL_H
#define TERSE_RUNTIME_LANGUAGEMODEL_H

#include "terse/Runtime/Context.h"

#include <functional>
#include <memory>
#include <vector>

namespace terse::rt {

/// Sees a model as a function from tokens to the logits of the next one,
/// whatever it keeps its past in: states of the artifact, `past` inputs that
/// `present` outputs are fed back to, or nothing (the whole prefix is run
/// again). Tensors without a role are recognised by the names that exporters
/// give them.
class LanguageModel {
public:
  static Result<std::unique_ptr<LanguageModel>>
  create(std::shared_ptr<const Model> model, const ContextOptions &options);

  /// Receives the logits after token `index` of those given to eval. The data
  /// is the callee's only during the call.
  using LogitsFn = std::function<void(int64_t index, const float *logits)>;

  /// Appends tokens and passes on the logits after each of them, or after the
  /// last one only. On failure the past is undefined, unless past() is as it
  /// was: reset.
  Status eval(const int32_t *tokens, int64_t count, bool lastOnly,
              const LogitsFn &logits);
  /// Forgets all tokens.
  void reset();
  /// Forgets the tokens from `past` on. Until the next eval they are only set
  /// aside: a larger `past` takes them back. False, and nothing is done, if so
  /// many are not held or the model's past cannot be cut.
  bool rewind(int64_t past);
  /// Why logits after several tokens at once are not to be had or are not what
  /// they would be one token at a time, or the past cannot be cut: then drafts
  /// cannot be checked. Empty if they can, as far as is known so far.
  const std::string &obstacleToDrafts() const { return obstacle_; }
  /// Asked between the parts that a long text is run in; false ends eval with
  /// Code::Cancelled.
  void setGoOn(std::function<bool()> goOn) { goOn_ = std::move(goOn); }

  int64_t vocabulary() const { return vocabulary_; }
  int64_t past() const { return past_; }
  /// Tokens that fit yet, at most.
  int64_t room() const;
  /// Changes with each eval and reset.
  uint64_t version() const { return version_; }
  Context &context() { return *context_; }

private:
  enum class Memory { State, Feedback, None };
  enum class Role { Ids, Mask, Positions, Past, Default };
  explicit LanguageModel(std::unique_ptr<Context> context)
      : context_(std::move(context)) {}
  Status prepare();
  bool findPastAxes();
  std::string findObstacle();
  void checkLastRow(const char *data, size_t stride, int64_t rows,
                    int64_t known);
  void dropSetAside();
  Status step(const int32_t *tokens, int64_t count, int64_t first,
              bool lastOnly, const LogitsFn &logits);
  Status fillInput(size_t index, const int32_t *tokens, int64_t count);
  void feedBack();

  std::unique_ptr<Context> context_;
  Memory memory_ = Memory::None;
  std::function<bool()> goOn_;
  int ids_ = -1, logits_ = -1;
  int64_t vocabulary_ = 0, chunk_ = 0, past_ = 0;
  int64_t held_ = 0; ///< past_ and what is set aside
  uint64_t version_ = 0;
  bool rewinds_ = false;
  std::string obstacle_;
  std::vector<Role> roles_; ///< of the inputs
  std::vector<int> pastInputs_, presentOutputs_;
  std::vector<int> pastAxes_; ///< the dimension that counts positions
  std::vector<Buffer> pastBuffers_; ///< data of the past inputs
  std::vector<TensorView> inputs_;
  std::vector<std::vector<uint64_t>> inputData_;
  std::vector<int64_t> symbols_;
  std::vector<int32_t> prefix_; ///< all tokens, for Memory::None
  std::vector<char> lastRow_;   ///< logits after its last token, as they are
  std::vector<float> row_;      ///< a row of logits as float
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_LANGUAGEMODEL_H
