//===- SentencePieceBpe.cpp - without the library ---------------*- C++ -*-===//
//
// SentencePiece models of the form that Llama's family uses: byte-pair
// encoding, text as it is (no normalization but of spaces). A program with such
// a model in it needs no SentencePiece where it runs. Any other form is refused
// here and left to the library. Formats: sentencepiece_model.proto of
// SentencePiece 0.1.97.
//
//===----------------------------------------------------------------------===//
#include "Bpe.h"
#include "Utf8.h"
#include "terse/Runtime/Tokenizer.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <unordered_map>

namespace terse::rt {

namespace {

/// Reads fields of a protobuf message; `ok` turns false at the first bad byte.
class Message {
public:
  explicit Message(std::string_view bytes) : bytes_(bytes) {}

  bool next() {
    if (!ok || bytes_.empty())
      return false;
    uint64_t tag = varint(), size = 0;
    field = tag >> 3;
    number = 0;
    text = {};
    switch (tag & 7) {
    case 0:
      number = varint();
      return ok;
    case 1:
      size = 8;
      break;
    case 2:
      size = varint();
      break;
    case 5:
      size = 4;
      break;
    default:
      ok = false;
    }
    if (size > bytes_.size())
      ok = false;
    if (!ok)
      return false;
    text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }

  bool ok = true;
  uint64_t field = 0, number = 0;
  std::string_view text; ///< of fields that are no number

private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      unsigned char byte = (unsigned char)bytes_[0];
      bytes_.remove_prefix(1);
      value |= uint64_t(byte & 127) << shift;
      if (byte < 128)
        return value;
    }
    ok = false;
    return 0;
  }
  std::string_view bytes_;
};

enum PieceType { Normal = 1, Unknown, Control, UserDefined, Unused, Byte };

constexpr std::string_view spaceMark = "\xe2\x96\x81"; // U+2581

bool startsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

class SentencePieceBpe final : public Tokenizer {
public:
  Status parse(std::string_view bytes);

  Result<std::vector<int32_t>> encode(std::string_view text) const override;
  std::string piece(int32_t token, bool first) const override;
  const char *kind() const override { return "sentencepiece-bpe"; }
  int64_t size() const override { return int64_t(pieces_.size()); }
  int32_t bos() const override { return bos_; }
  int32_t eos() const override { return eos_; }

private:
  struct Piece {
    std::string text;
    float score = 0;
    int type = Normal;
    int byte = -1;
  };
  Status index();
  std::string normalize(std::string_view text) const;
  /// Bytes of the longest user-defined symbol that `text` begins with, or 0.
  size_t userDefined(std::string_view text) const;

  std::vector<Piece> pieces_;
  std::unordered_map<std::string_view, Bpe::Piece> ids_;
  std::vector<std::string_view> symbols_; ///< user-defined, longest first
  int32_t bytes_[256];
  int32_t unknown_ = 0, bos_ = -1, eos_ = -1;
  std::string bosPiece_ = "<s>", eosPiece_ = "</s>",
              unknownSurface_ = " \xe2\x81\x87 ";
  bool byteFallback_ = false, dummyPrefix_ = true, removeExtraSpaces_ = true;
};

/// Length of the character that `text` begins with; 0 if it begins with none.
size_t characterAt(std::string_view text) {
  Utf8Prefix prefix = utf8Prefix(text);
  return prefix.complete ? prefix.size : 0;
}

Status SentencePieceBpe::parse(std::string_view bytes) {
  bool good = true, other = false, bpe = false;
  Message model(bytes);
  while (model.next()) {
    Message part(model.text);
    if (model.field == 1) {
      Piece piece;
      while (part.next()) {
        if (part.field == 1)
          piece.text = part.text;
        else if (part.field == 2 && part.text.size() == 4)
          std::memcpy(&piece.score, part.text.data(), 4);
        else if (part.field == 3)
          piece.type = int(part.number);
      }
      pieces_.push_back(std::move(piece));
    } else if (model.field == 2) { // TrainerSpec
      while (part.next())
        switch (part.field) {
        case 3:
          bpe = part.number == 2;
          break;
        case 24: // treat_whitespace_as_suffix
          other |= part.number != 0;
          break;
        case 35:
          byteFallback_ = part.number != 0;
          break;
        case 44:
          unknownSurface_ = part.text;
          break;
        case 46:
          bosPiece_ = part.text;
          break;
        case 47:
          eosPiece_ = part.text;
          break;
        }
    } else if (model.field == 3 || model.field == 5) { // (De)NormalizerSpec
      while (part.next())
        switch (part.field) {
        case 2: // precompiled_charsmap
          other |= !part.text.empty();
          break;
        case 3:
          if (model.field == 3)
            dummyPrefix_ = part.number != 0;
          break;
        case 4:
          if (model.field == 3)
            removeExtraSpaces_ = part.number != 0;
          break;
        case 5: // escape_whitespaces
          other |= model.field == 3 && part.number == 0;
          break;
        }
    }
    good &= part.ok;
  }
  if (!model.ok || !good || pieces_.empty() || pieces_.size() > (1u << 24))
    return fail(Code::BadArtifact, "damaged SentencePiece model");
  if (!bpe || other)
    return fail(Code::Unsupported, "this form of SentencePiece model needs its "
                                   "library");
  return index();
}

Status SentencePieceBpe::index() {
  std::fill(std::begin(bytes_), std::end(bytes_), -1);
  for (size_t i = 0; i < pieces_.size(); ++i) {
    Piece &piece = pieces_[i];
    if (piece.type == Normal || piece.type == UserDefined)
      ids_.emplace(piece.text, Bpe::Piece{int32_t(i), piece.score});
    unsigned byte;
    if (piece.type == UserDefined && !piece.text.empty())
      symbols_.push_back(piece.text);
    else if (piece.type == Unknown)
      unknown_ = int32_t(i);
    else if (piece.type == Control && piece.text == bosPiece_)
      bos_ = int32_t(i);
    else if (piece.type == Control && piece.text == eosPiece_)
      eos_ = int32_t(i);
    else if (piece.type == Byte &&
             std::sscanf(piece.text.c_str(), "<0x%2X>", &byte) == 1)
      bytes_[piece.byte = int(byte & 255)] = int32_t(i);
    else if (piece.type == Unused)
      // Merges may pass through them and are undone at the end.
      return fail(Code::Unsupported, "this form of SentencePiece model needs "
                                     "its library");
  }
  std::sort(symbols_.begin(), symbols_.end(),
            [](auto a, auto b) { return a.size() > b.size(); });
  return Status();
}

size_t SentencePieceBpe::userDefined(std::string_view text) const {
  for (std::string_view symbol : symbols_)
    if (startsWith(text, symbol))
      return symbol.size();
  return 0;
}

std::string SentencePieceBpe::normalize(std::string_view text) const {
  std::string out;
  if (removeExtraSpaces_)
    while (startsWith(text, " "))
      text.remove_prefix(1);
  if (text.empty())
    return out;
  if (dummyPrefix_)
    out += spaceMark;
  bool afterSpace = removeExtraSpaces_;
  while (!text.empty()) {
    size_t size = userDefined(text), taken = size;
    std::string_view part = text.substr(0, size);
    if (!size) {
      size = characterAt(text);
      taken = size ? size : 1;
      part = size ? text.substr(0, size) : utf8Replacement;
    }
    text.remove_prefix(taken);
    while (afterSpace && startsWith(part, " "))
      part.remove_prefix(1);
    for (char c : part)
      if (c == ' ')
        out += spaceMark;
      else
        out += c;
    if (!part.empty())
      afterSpace = part.back() == ' ';
    if (!removeExtraSpaces_)
      afterSpace = false;
  }
  if (removeExtraSpaces_)
    while (out.size() >= spaceMark.size() &&
           std::string_view(out).substr(out.size() - spaceMark.size()) ==
               spaceMark)
      out.resize(out.size() - spaceMark.size());
  return out;
}

Result<std::vector<int32_t>>
SentencePieceBpe::encode(std::string_view text) const {
  const std::string whole = normalize(text);
  Bpe bpe;
  for (std::string_view rest = whole; !rest.empty();) {
    size_t size = userDefined(rest);
    bool frozen = size != 0;
    if (!frozen)
      size = std::max<size_t>(1, characterAt(rest));
    bpe.append(rest.substr(0, size), frozen);
    rest.remove_prefix(size);
  }
  auto find = [&](std::string_view symbol) -> const Bpe::Piece * {
    auto found = ids_.find(symbol);
    return found == ids_.end() ? nullptr : &found->second;
  };
  bpe.merge(find);
  std::vector<int32_t> tokens;
  bool afterUnknown = false;
  bpe.forEach([&](std::string_view symbol, bool) {
    const Bpe::Piece *piece = find(symbol);
    if (piece) {
      tokens.push_back(piece->token);
    } else if (byteFallback_) {
      for (unsigned char byte : symbol)
        tokens.push_back(bytes_[byte] < 0 ? unknown_ : bytes_[byte]);
    } else if (!afterUnknown) { // neighbours become one
      tokens.push_back(unknown_);
    }
    afterUnknown = !piece;
  });
  return tokens;
}

std::string SentencePieceBpe::piece(int32_t token, bool first) const {
  if (token < 0 || token >= size())
    return "";
  const Piece &piece = pieces_[token];
  if (piece.type == Control)
    return "";
  if (piece.type == Unknown)
    return unknownSurface_;
  if (piece.byte >= 0)
    return std::string(1, char(piece.byte));
  std::string_view left = piece.text;
  if (first && (dummyPrefix_ || removeExtraSpaces_) &&
      startsWith(left, spaceMark))
    left.remove_prefix(spaceMark.size());
  std::string text;
  while (!left.empty()) {
    bool mark = startsWith(left, spaceMark);
    text += mark ? ' ' : left[0];
    left.remove_prefix(mark ? spaceMark.size() : 1);
  }
  return text;
}

} // namespace

Result<std::unique_ptr<Tokenizer>>
openSentencePieceBpe(std::string_view bytes) {
  std::unique_ptr<SentencePieceBpe> tokenizer(new SentencePieceBpe);
  if (Status status = tokenizer->parse(bytes); !status.ok())
    return status;
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

} // namespace terse::rt
