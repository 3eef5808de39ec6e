//===- Llama2cTokenizer.cpp - the .bin tokenizers of llama2.c ---*- C++ -*-===//
//
// Format: int32 length of the longest piece, then for each token a float score,
// an int32 length and that many bytes. Tokens 1 and 2 mark begin and end.
//
//===----------------------------------------------------------------------===//
#include "terse/Runtime/Tokenizer.h"

#include <algorithm>
#include <cstring>
#include <queue>
#include <unordered_map>

namespace terse::rt {

namespace {

struct Piece {
  std::string text;
  float score;
};

bool parse(std::string_view bytes, std::vector<Piece> *pieces) {
  auto take = [&](void *to, size_t size) {
    if (bytes.size() < size)
      return false;
    std::memcpy(to, bytes.data(), size);
    bytes.remove_prefix(size);
    return true;
  };
  int32_t longest;
  if (!take(&longest, 4) || longest < 1 || longest > (1 << 16))
    return false;
  size_t count = 0;
  for (; !bytes.empty(); ++count) {
    float score;
    int32_t length;
    if (!take(&score, 4) || !take(&length, 4) || length < 0 ||
        size_t(length) > bytes.size() || count > (1u << 24))
      return false;
    if (pieces)
      pieces->push_back({std::string(bytes.substr(0, length)), score});
    bytes.remove_prefix(length);
  }
  return count >= 3;
}

/// The byte that a piece "<0xHH>" stands for, or -1.
int byteOf(const std::string &text) {
  unsigned value;
  char end;
  if (text.size() == 6 && text[5] == '>' &&
      std::sscanf(text.c_str(), "<0x%2X%c", &value, &end) == 2)
    return int(value);
  return -1;
}

class Llama2cTokenizer final : public Tokenizer {
public:
  explicit Llama2cTokenizer(std::vector<Piece> pieces)
      : pieces_(std::move(pieces)) {
    std::fill(std::begin(bytes_), std::end(bytes_), 0);
    for (size_t i = 0; i < pieces_.size(); ++i) {
      ids_.emplace(pieces_[i].text, int32_t(i));
      if (int byte = byteOf(pieces_[i].text); byte >= 0)
        bytes_[byte] = int32_t(i);
    }
  }

  Result<std::vector<int32_t>> encode(std::string_view text) const override;

  std::string piece(int32_t token, bool first) const override {
    if (token < 0 || token >= size() || token == bos() || token == eos())
      return "";
    const std::string &text = pieces_[token].text;
    if (int byte = byteOf(text); byte >= 0)
      return std::string(1, char(byte));
    return first && !text.empty() && text[0] == ' ' ? text.substr(1) : text;
  }

  const char *kind() const override { return "llama2c"; }
  int64_t size() const override { return int64_t(pieces_.size()); }
  int32_t bos() const override { return 1; }
  int32_t eos() const override { return 2; }
  // Models trained there put a begin between two texts and no end.
  bool ends(int32_t token) const override {
    return token == bos() || token == eos();
  }
  bool promptsBeginWithBos() const override { return true; }

private:
  int32_t find(const std::string &text) const {
    auto found = ids_.find(text);
    return found == ids_.end() ? -1 : found->second;
  }

  std::vector<Piece> pieces_;
  std::unordered_map<std::string, int32_t> ids_;
  int32_t bytes_[256]; ///< token of each byte, 0 (unknown) if it has none
};

/// Byte-pair encoding: the pair of neighbours that makes the piece of the best
/// score, the leftmost of equals, is merged first.
Result<std::vector<int32_t>>
Llama2cTokenizer::encode(std::string_view text) const {
  struct Node {
    int32_t token, previous, next;
  };
  std::vector<Node> nodes;
  auto append = [&](int32_t token) {
    int32_t at = int32_t(nodes.size());
    nodes.push_back({token, at - 1, at + 1});
  };
  // Sentences begin with a space in these vocabularies.
  if (int32_t space = find(" "); space >= 0 && !text.empty())
    append(space);
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    while (end < text.size() && end - at < 4 &&
           ((unsigned char)text[end] & 0xc0) == 0x80)
      ++end;
    int32_t token = find(std::string(text.substr(at, end - at)));
    if (token >= 0)
      append(token);
    else
      for (size_t i = at; i < end; ++i)
        append(bytes_[(unsigned char)text[i]]);
    at = end;
  }

  struct Merge {
    float score;
    int32_t left, right, leftToken, rightToken, token;
    bool operator<(const Merge &other) const {
      return score != other.score ? score < other.score : left > other.left;
    }
  };
  std::priority_queue<Merge> merges;
  int32_t count = int32_t(nodes.size());
  auto consider = [&](int32_t left, int32_t right) {
    if (left < 0 || right >= count)
      return;
    int32_t a = nodes[left].token, b = nodes[right].token;
    int32_t token = find(pieces_[a].text + pieces_[b].text);
    if (token >= 0)
      merges.push({pieces_[token].score, left, right, a, b, token});
  };
  for (int32_t i = 0; i + 1 < count; ++i)
    consider(i, i + 1);
  while (!merges.empty()) {
    Merge merge = merges.top();
    merges.pop();
    Node &left = nodes[merge.left], &right = nodes[merge.right];
    if (left.token != merge.leftToken || right.token != merge.rightToken ||
        left.next != merge.right)
      continue; // one of them was merged already
    left.token = merge.token;
    left.next = right.next;
    right.token = -1;
    if (left.next < count)
      nodes[left.next].previous = merge.left;
    consider(left.previous, merge.left);
    consider(merge.left, left.next);
  }
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < count; i = nodes[i].next)
    tokens.push_back(nodes[i].token);
  return tokens;
}

} // namespace

bool isLlama2c(std::string_view bytes) { return parse(bytes, nullptr); }

Result<std::unique_ptr<Tokenizer>> openLlama2c(std::string_view bytes) {
  std::vector<Piece> pieces;
  if (!parse(bytes, &pieces))
    return fail(Code::BadArtifact,
                "damaged tokenizer: not in the format of llama2.c");
  return std::unique_ptr<Tokenizer>(new Llama2cTokenizer(std::move(pieces)));
}

} // namespace terse::rt
