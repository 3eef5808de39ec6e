//===- TokenizerFuzzer.cpp - vocabularies and texts -------------*- C++ -*-===//
//
// Input: a byte that chooses the kind, a byte with the length of a text, the
// text, the tokenizer's file.
//
//===----------------------------------------------------------------------===//
#include "Fuzz.h"
#include "terse/Runtime/Tokenizer.h"

#include <algorithm>

using namespace terse;
using namespace terse::rt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const kinds[] = {"", "llama2c", "sentencepiece-bpe",
                                      "sentencepiece", "bytes+3"};
  if (size < 2)
    return 0;
  std::string_view bytes(reinterpret_cast<const char *>(data + 2), size - 2);
  const char *kind = kinds[data[0] % std::size(kinds)];
  std::string_view text = bytes.substr(0, data[1]);
  bytes.remove_prefix(text.size());
  Result<std::unique_ptr<Tokenizer>> made = Tokenizer::create(kind, bytes);
  if (!made.ok()) {
    TERSE_FUZZ_CHECK(!made.status().message().empty(), "no message");
    return 0;
  }
  const Tokenizer &tokenizer = **made;
  (void)tokenizer.bos();
  (void)tokenizer.eos();
  Result<std::vector<int32_t>> tokens = tokenizer.encode(text);
  Utf8Stream stream;
  if (tokens.ok())
    for (int32_t token : *tokens) {
      TERSE_FUZZ_CHECK(token >= 0 && token < tokenizer.size(),
                       "a token outside of the vocabulary");
      (void)stream.push(tokenizer.piece(token, false));
      (void)tokenizer.ends(token);
    }
  for (int64_t token :
       {int64_t(-1), int64_t(0), int64_t(1), tokenizer.size() - 1,
        tokenizer.size(), int64_t(INT32_MAX), int64_t(INT32_MIN)})
    (void)stream.push(tokenizer.piece(int32_t(token), true));
  (void)stream.finish();
  return 0;
}
