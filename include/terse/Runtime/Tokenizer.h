//===- Tokenizer.h - text to tokens and back --------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_TOKENIZER_H
#define TERSE_RUNTIME_TOKENIZER_H

#include "terse/Runtime/Status.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace terse::rt {

/// Text to tokens and back. Immutable once made; threads may share it.
class Tokenizer {
public:
  virtual ~Tokenizer();

  /// Makes a tokenizer from the bytes of its file. `kind` is "sentencepiece",
  /// "sentencepiece-bpe" (the same without the library, for its common form),
  /// "llama2c" (the .bin files of llama2.c) or "bytes" (a token is a byte; no
  /// file; "bytes+3": after 3 other tokens); empty: told from the bytes.
  /// `bytes` are copied where needed.
  static Result<std::unique_ptr<Tokenizer>> create(std::string_view kind,
                                                   std::string_view bytes);
  /// Reads a file; the names "bytes" and "bytes+N" stand for byte tokenizers.
  static Result<std::unique_ptr<Tokenizer>> open(const std::string &path);
  /// The kind of tokenizer that a file's bytes hold; "" if unknown.
  static const char *detect(std::string_view bytes);

  /// Tokens of a text, without any that mark its begin or end.
  virtual Result<std::vector<int32_t>> encode(std::string_view text) const = 0;
  /// The bytes that a token adds to a text, perhaps a part of a character.
  /// `first`: nothing precedes it, so that a space made up by encode() is left
  /// out. Empty for tokens that stand for no text.
  virtual std::string piece(int32_t token, bool first) const = 0;

  virtual const char *kind() const = 0;
  virtual int64_t size() const = 0;          ///< tokens in the vocabulary
  virtual int32_t bos() const { return -1; } ///< begin of a text, -1 if none
  virtual int32_t eos() const { return -1; } ///< end of a text, -1 if none
  /// True if a text is over when a model gives this token.
  virtual bool ends(int32_t token) const {
    return token >= 0 && token == eos();
  }
  /// True if models with this tokenizer expect bos() before a prompt.
  virtual bool promptsBeginWithBos() const { return false; }
};

/// Cuts a stream of bytes at ends of UTF-8 characters, so that what is printed
/// token by token never holds half of one. Bytes that can be no part of a
/// character become U+FFFD.
class Utf8Stream {
public:
  /// Adds bytes; returns the characters complete so far.
  std::string push(std::string_view bytes);
  /// Ends the stream; returns what an incomplete character is shown as.
  std::string finish();

private:
  std::string pending_;
};

// Implementations, one file each.
Result<std::unique_ptr<Tokenizer>> openSentencePiece(std::string_view bytes);
Result<std::unique_ptr<Tokenizer>> openSentencePieceBpe(std::string_view bytes);
Result<std::unique_ptr<Tokenizer>> openLlama2c(std::string_view bytes);
bool isLlama2c(std::string_view bytes);

} // namespace terse::rt

#endif // TERSE_RUNTIME_TOKENIZER_H
