//===- DraftLength.h - how many tokens to draft -----------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_DRAFTLENGTH_H
#define TERSE_RUNTIME_DRAFTLENGTH_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace terse::rt {

/// Chooses how many drafted tokens to check in the next step: those that are
/// expected to give the most tokens a second. A draft of k tokens, each right
/// with probability p given that those before it are, yields 1 + p + ... + p^k
/// tokens (Leviathan et al., 2023) for the time of a step of 1 + k. Both are
/// learned as the text goes on: probabilities by the length of the match that a
/// draft comes from, also where nothing was drafted; times by the tokens of a
/// step, since they depend on model, machine and what else it does.
class DraftLength {
public:
  /// `most`: tokens of a draft.
  explicit DraftLength(int most);

  /// Tokens to draft after a match of `length` tokens, 0 to `most`.
  int choose(int length, int64_t most) const;
  /// Whether the token that a match of this length promises has come.
  void saw(int length, bool right);
  /// A step of so many tokens, one of them not drafted, took so long.
  void took(int tokens, double seconds);

private:
  struct Share {
    double value;
    int seen = 0;
  };
  static size_t classOf(int length);

  int most_;
  std::array<Share, 6> right_;
  std::vector<double> seconds_; ///< by tokens of a step; 0: not known
  std::vector<int64_t> seen_;   ///< the last step of so many tokens
  int64_t steps_ = 0, plainSteps_ = 0;
  int64_t forgetAfter_, forgetAt_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_DRAFTLENGTH_H
