//===- Tokenizer.cpp - text to tokens and back ------------------*- C++ -*-===//
#include "terse/Runtime/Tokenizer.h"

#include "Utf8.h"
#include "terse/Runtime/MappedFile.h"

namespace terse::rt {

Tokenizer::~Tokenizer() = default;

namespace {

class ByteTokenizer final : public Tokenizer {
public:
  explicit ByteTokenizer(int32_t first) : first_(first) {}
  Result<std::vector<int32_t>> encode(std::string_view text) const override {
    std::vector<int32_t> tokens;
    for (unsigned char byte : text)
      tokens.push_back(first_ + byte);
    return tokens;
  }
  std::string piece(int32_t token, bool) const override {
    bool isByte = token >= first_ && token - first_ < 256;
    return isByte ? std::string(1, char(token - first_)) : "";
  }
  const char *kind() const override { return "bytes"; }
  int64_t size() const override { return first_ + 256; }

private:
  int32_t first_; ///< token of byte 0
};

/// True for "bytes" and "bytes+N"; sets N.
bool isByteKind(std::string_view kind, int32_t &first) {
  first = 0;
  if (kind.substr(0, 5) != "bytes")
    return false;
  kind.remove_prefix(5);
  if (kind.empty())
    return true;
  if (kind[0] != '+' || kind.size() < 2 || kind.size() > 7)
    return false;
  for (char digit : kind.substr(1)) {
    if (digit < '0' || digit > '9')
      return false;
    first = first * 10 + (digit - '0');
  }
  return true;
}

} // namespace

const char *Tokenizer::detect(std::string_view bytes) {
  if (isLlama2c(bytes))
    return "llama2c";
  // A SentencePiece model begins with its first piece: field 1, a message.
  if (!bytes.empty() && bytes[0] == '\x0a')
    return "sentencepiece";
  return "";
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::create(std::string_view kind,
                                                     std::string_view bytes) {
  if (kind.empty())
    kind = detect(bytes);
  int32_t first;
  if (isByteKind(kind, first))
    return std::unique_ptr<Tokenizer>(new ByteTokenizer(first));
  if (kind == "sentencepiece") {
    auto library = openSentencePiece(bytes);
    if (library.ok())
      return library;
    // Beside the compiler's libraries SentencePiece's may not work: another
    // Protocol Buffer runtime. The common form needs neither.
    auto plain = openSentencePieceBpe(bytes);
    return plain.ok() ? std::move(plain) : std::move(library);
  }
  if (kind == "sentencepiece-bpe")
    return openSentencePieceBpe(bytes);
  if (kind == "llama2c")
    return openLlama2c(bytes);
  if (kind.empty() && !bytes.empty() && bytes[0] == '{')
    return fail(Code::Unsupported,
                "JSON tokenizers are not supported; expected a SentencePiece "
                "model (tokenizer.model) or a .bin file of llama2.c");
  if (kind.empty())
    return fail(Code::Unsupported,
                "not a tokenizer; expected a SentencePiece model or a .bin "
                "file of llama2.c");
  return fail(Code::Unsupported, "unknown kind of tokenizer '%.*s'",
              int(kind.size()), kind.data());
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::open(const std::string &path) {
  if (int32_t first; isByteKind(path, first))
    return create(path, {});
  Result<Mapping> bytes = mapFile(path);
  if (!bytes.ok())
    return bytes.status();
  Result<std::unique_ptr<Tokenizer>> tokenizer = create("", bytes->text());
  if (!tokenizer.ok())
    return fail(tokenizer.status().code(), "'%s': %s", path.c_str(),
                tokenizer.status().message().c_str());
  return tokenizer;
}

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  std::string ready;
  std::string_view left = pending_;
  while (!left.empty()) {
    Utf8Prefix prefix = utf8Prefix(left);
    if (prefix.size && !prefix.complete)
      break; // the rest may follow
    ready += prefix.size ? left.substr(0, prefix.size) : utf8Replacement;
    left.remove_prefix(prefix.size ? prefix.size : 1);
  }
  pending_ = std::string(left);
  return ready;
}

std::string Utf8Stream::finish() {
  std::string rest(pending_.empty() ? "" : utf8Replacement);
  pending_.clear();
  return rest;
}

} // namespace terse::rt
