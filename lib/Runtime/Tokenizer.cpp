//===- Tokenizer.cpp - text to tokens and back ------------------*- C++ -*-===//
#include "terse/Runtime/Tokenizer.h"

#include "Utf8.h"
#include "terse/Runtime/MappedFile.h"

namespace terse::rt {

Tokenizer::~Tokenizer() = default;

namespace {

class ByteTokenizer final : public Tokenizer {
public:
  Result<std::vector<int32_t>> encode(std::string_view text) const override {
    std::vector<int32_t> tokens;
    for (unsigned char byte : text)
      tokens.push_back(byte);
    return tokens;
  }
  std::string piece(int32_t token, bool) const override {
    return token >= 0 && token < 256 ? std::string(1, char(token)) : "";
  }
  const char *kind() const override { return "bytes"; }
  int64_t size() const override { return 256; }
};

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
  if (kind == "bytes")
    return std::unique_ptr<Tokenizer>(new ByteTokenizer);
  if (kind == "sentencepiece")
    return openSentencePiece(bytes);
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
  if (path == "bytes")
    return create("bytes", {});
  Result<File> file = File::open(path);
  if (!file.ok())
    return file.status();
  Result<Mapping> bytes = file->map(0, file->size());
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
