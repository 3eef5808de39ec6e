//===- PromptLookup.h - drafts from the text so far -------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_PROMPTLOOKUP_H
#define TERSE_RUNTIME_PROMPTLOOKUP_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace terse::rt {

/// Guesses how a text goes on by what followed its last tokens when they
/// occurred before (prompt lookup decoding, Saxena, 2023). The time per token
/// does not depend on the text's length.
class PromptLookup {
public:
  /// Tokens at the end of the text that are looked for, at most.
  static constexpr int kLongest = 3;

  /// Appends a token to the text.
  void push(int32_t token);

  /// The latest place before the end where the last n tokens stand, n the
  /// largest number up to kLongest for which there is one.
  struct Match {
    int64_t next = -1; ///< index of the token behind the place; -1: none
    int length = 0;    ///< tokens up to there that are as those up to the end,
                       ///< counted up to kLongestCounted; 0: none
  };
  static constexpr int kLongestCounted = 16;
  const Match &match() const { return match_; }

  /// The token that is expected `ahead` places behind the end (0: next) where
  /// there is a match. What follows it may reach the end and then goes on with
  /// the draft itself: a text with a period is continued.
  int32_t draft(int64_t ahead) const {
    return text_[size_t(match_.next + ahead % (size() - match_.next))];
  }

  int64_t size() const { return int64_t(text_.size()); }

private:
  struct Slot {
    int32_t end = 0; ///< the n-gram's, its last occurrence's; 0: free
    int32_t length = 0;
  };
  Slot &find(int32_t end, int32_t length);
  void grow();

  std::vector<int32_t> text_;
  std::vector<Slot> slots_; ///< a hash table, its size a power of two
  size_t used_ = 0;
  Match match_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_PROMPTLOOKUP_H
