//===- Tokenizer.cpp - text to tokens and back ------------------*- C++ -*-===//
#include "terse/Runtime/Tokenizer.h"

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

/// Length of the character that begins with `lead`, 0 if none does.
int lengthOf(unsigned char lead) {
  return lead < 0x80                   ? 1
         : lead >= 0xc2 && lead < 0xe0 ? 2
         : lead >= 0xe0 && lead < 0xf0 ? 3
         : lead >= 0xf0 && lead < 0xf5 ? 4
                                       : 0;
}

/// True if `text`, of at least two bytes, may begin a character: Unicode 15,
/// table 3-7 (no overlong forms, no surrogates, nothing above U+10FFFF).
bool goodSecond(std::string_view text) {
  unsigned char lead = text[0], second = text[1];
  unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high;
}

constexpr char replacement[] = "\xef\xbf\xbd";

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
    int length = lengthOf((unsigned char)left[0]);
    size_t good = length == 0 ? 0 : 1;
    while (good && int(good) < length && good < left.size() &&
           ((unsigned char)left[good] & 0xc0) == 0x80 &&
           (good > 1 || goodSecond(left)))
      ++good;
    if (length && int(good) == length) {
      ready += left.substr(0, good);
      left.remove_prefix(good);
    } else if (length && good == left.size()) {
      break; // the rest may follow
    } else {
      ready += replacement;
      left.remove_prefix(good ? good : 1);
    }
  }
  pending_ = std::string(left);
  return ready;
}

std::string Utf8Stream::finish() {
  std::string rest = pending_.empty() ? "" : replacement;
  pending_.clear();
  return rest;
}

} // namespace terse::rt
