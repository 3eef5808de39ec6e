//===- Bpe.h - merging pairs of symbols -------------------------*- C++ -*-===//
#ifndef TERSE_LIB_RUNTIME_BPE_H
#define TERSE_LIB_RUNTIME_BPE_H

#include <cstdint>
#include <queue>
#include <string_view>
#include <vector>

namespace terse::rt {

/// Byte-pair encoding (Sennrich et al., 2016) as SentencePiece does it: of all
/// neighbours whose texts together are a piece, those that make the piece of
/// the best score, the leftmost of equals, are merged, until there are none.
class Bpe {
public:
  /// A piece of the vocabulary.
  struct Piece {
    int32_t token;
    float score;
  };

  /// Appends a symbol; its text must follow the last one's in memory. A frozen
  /// symbol is never merged.
  void append(std::string_view text, bool frozen = false) {
    int32_t at = int32_t(symbols_.size());
    symbols_.push_back({text, at - 1, at + 1, frozen});
  }

  /// Merges. `find(text)` returns the `const Piece *` of a text, null if it is
  /// none.
  template <typename FindFn> void merge(FindFn find) {
    struct Candidate {
      float score;
      int32_t left, right;
      uint32_t size; ///< bytes of both; differs once either was merged
      bool operator<(const Candidate &other) const {
        return score != other.score ? score < other.score : left > other.left;
      }
    };
    std::priority_queue<Candidate> candidates;
    int32_t count = int32_t(symbols_.size());
    auto consider = [&](int32_t left, int32_t right) {
      if (left < 0 || right >= count || symbols_[left].frozen ||
          symbols_[right].frozen)
        return;
      std::string_view text = both(left, right);
      if (const Piece *piece = find(text))
        candidates.push({piece->score, left, right, uint32_t(text.size())});
    };
    for (int32_t i = 0; i + 1 < count; ++i)
      consider(i, i + 1);
    while (!candidates.empty()) {
      Candidate top = candidates.top();
      candidates.pop();
      Symbol &left = symbols_[top.left], &right = symbols_[top.right];
      if (left.text.empty() || right.text.empty() ||
          left.text.size() + right.text.size() != top.size)
        continue;
      left.text = both(top.left, top.right);
      left.next = right.next;
      right.text = {};
      if (left.next < count)
        symbols_[left.next].previous = top.left;
      consider(left.previous, top.left);
      consider(top.left, left.next);
    }
  }

  /// Calls `visit(text, frozen)` for each symbol that is left.
  template <typename VisitFn> void forEach(VisitFn visit) const {
    for (size_t i = 0; i < symbols_.size(); i = size_t(symbols_[i].next))
      visit(symbols_[i].text, symbols_[i].frozen);
  }

private:
  struct Symbol {
    std::string_view text;
    int32_t previous, next;
    bool frozen;
  };
  std::string_view both(int32_t left, int32_t right) const {
    return {symbols_[left].text.data(),
            symbols_[left].text.size() + symbols_[right].text.size()};
  }

  std::vector<Symbol> symbols_;
};

} // namespace terse::rt

#endif // TERSE_LIB_RUNTIME_BPE_H
