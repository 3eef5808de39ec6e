//===- Llama2cTokenizer.cpp - the .bin tokenizers of llama2.c ---*- C++ -*-===//
//
// Format: int32 length of the longest piece, then for each token a float score,
// an int32 length and that many bytes. Tokens 1 and 2 mark begin and end.
//
//===----------------------------------------------------------------------===//
#include "Bpe.h"
#include "terse/Runtime/Tokenizer.h"

#include <algorithm>
#include <cstring>
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
      ids_.emplace(pieces_[i].text, Bpe::Piece{int32_t(i), pieces_[i].score});
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
  const Bpe::Piece *find(std::string_view text) const {
    auto found = ids_.find(text);
    return found == ids_.end() ? nullptr : &found->second;
  }

  const std::vector<Piece> pieces_;
  std::unordered_map<std::string_view, Bpe::Piece> ids_; ///< of pieces_' texts
  int32_t bytes_[256]; ///< token of each byte, 0 (unknown) if it has none
};

Result<std::vector<int32_t>>
Llama2cTokenizer::encode(std::string_view text) const {
  std::vector<int32_t> tokens;
  if (text.empty())
    return tokens;
  // Sentences begin with a space in these vocabularies.
  std::string whole = find(" ") ? " " : "";
  whole += text;
  Bpe bpe;
  for (size_t at = 0; at < whole.size();) {
    size_t end = at + 1;
    while (end < whole.size() && end - at < 4 &&
           ((unsigned char)whole[end] & 0xc0) == 0x80)
      ++end;
    std::string_view character = std::string_view(whole).substr(at, end - at);
    if (find(character))
      bpe.append(character);
    else
      for (size_t i = 0; i < character.size(); ++i)
        bpe.append(character.substr(i, 1), /*frozen=*/true);
    at = end;
  }
  auto lookUp = [&](std::string_view pair) { return find(pair); };
  bpe.merge(lookUp);
  bpe.forEach([&](std::string_view symbol, bool isByte) {
    tokens.push_back(isByte ? bytes_[(unsigned char)symbol[0]]
                            : find(symbol)->token);
  });
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
