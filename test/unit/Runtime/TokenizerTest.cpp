//===- TokenizerTest.cpp ----------------------------------------*- C++ -*-===//
#include "terse/Runtime/Tokenizer.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace terse::rt;

namespace {

void appendPiece(std::string &bytes, const std::string &text, float score) {
  int32_t length = int32_t(text.size());
  bytes.append(reinterpret_cast<char *>(&score), 4);
  bytes.append(reinterpret_cast<char *>(&length), 4);
  bytes += text;
}

/// A vocabulary in llama2.c's format: specials, bytes if wanted, then pieces.
std::string llama2c(bool withBytes) {
  std::string bytes("\x07\0\0\0", 4);
  for (const char *special : {"<unk>", "\n<s>\n", "\n</s>\n"})
    appendPiece(bytes, special, 0);
  for (int i = 0; withBytes && i < 256; ++i) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", i);
    appendPiece(bytes, name, 0);
  }
  float score = 0;
  for (const char *piece : {"ab", "bc", "abc", " a", "aa"})
    appendPiece(bytes, piece, --score);
  for (const char *piece : {" ", "a", "b", "c"})
    appendPiece(bytes, piece, --score);
  return bytes;
}

std::vector<std::string> pieces(const Tokenizer &tokenizer,
                                std::string_view text) {
  auto tokens = tokenizer.encode(text);
  EXPECT_TRUE(tokens.ok());
  std::vector<std::string> result;
  for (int32_t token : *tokens)
    result.push_back(tokenizer.piece(token, false));
  return result;
}

using Strings = std::vector<std::string>;

TEST(Tokenizer, Bytes) {
  auto made = Tokenizer::create("bytes", {});
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(*(*made)->encode("A\xff"), (std::vector<int32_t>{65, 255}));
  EXPECT_EQ((*made)->piece(255, true), "\xff");
  EXPECT_EQ((*made)->piece(256, true), "");
  EXPECT_EQ((*made)->piece(-1, true), "");
  EXPECT_FALSE((*made)->ends(-1));
}

TEST(Tokenizer, BytesAfterOthers) {
  auto made = Tokenizer::open("bytes+3");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(*(*made)->encode("A\xff"), (std::vector<int32_t>{68, 258}));
  EXPECT_EQ((*made)->piece(68, true), "A");
  EXPECT_EQ((*made)->piece(2, true), "");
  EXPECT_EQ((*made)->piece(259, true), "");
  EXPECT_EQ((*made)->size(), 259);
  for (const char *bad : {"bytes+", "bytes3", "bytes+x", "bytes+1234567"})
    EXPECT_FALSE(Tokenizer::open(bad).ok()) << bad;
}

TEST(Tokenizer, Llama2cMergesBestFirst) {
  auto made = Tokenizer::create("", llama2c(true));
  ASSERT_TRUE(made.ok()) << made.status().message();
  const Tokenizer &tokenizer = **made;
  EXPECT_STREQ(tokenizer.kind(), "llama2c");
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_TRUE(tokenizer.promptsBeginWithBos());
  EXPECT_TRUE(tokenizer.ends(1));
  EXPECT_TRUE(tokenizer.ends(2));
  EXPECT_FALSE(tokenizer.ends(3));
  // A space is put before; "ab" (-1) beats " a" (-4).
  EXPECT_EQ(pieces(tokenizer, "abc"), (Strings{" ", "abc"}));
  EXPECT_EQ(pieces(tokenizer, "a"), (Strings{" a"}));
  // The leftmost of equals: of a, a, a the first two.
  EXPECT_EQ(pieces(tokenizer, "caaa"), (Strings{" ", "c", "aa", "a"}));
  // Bytes stand in for what has no piece.
  EXPECT_EQ(pieces(tokenizer, "c\xc3\xa9"),
            (Strings{" ", "c", "\xc3", "\xa9"}));
  EXPECT_EQ((*tokenizer.encode("\xc3\xa9"))[1], 3 + 0xc3);
  EXPECT_TRUE(tokenizer.encode("")->empty());
  // Only the made-up space at the very beginning is left out.
  EXPECT_EQ(tokenizer.piece((*tokenizer.encode("a"))[0], true), "a");
  EXPECT_EQ(tokenizer.piece(1, true), "");
  EXPECT_EQ(tokenizer.piece(1 << 20, true), "");
}

TEST(Tokenizer, Llama2cWithoutBytes) {
  auto made = Tokenizer::create("", llama2c(false));
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(*(*made)->encode("\xc3"), (std::vector<int32_t>{8, 0}));
}

TEST(Tokenizer, RejectsDamage) {
  std::string good = llama2c(true);
  for (size_t size = 0; size < good.size(); ++size) {
    auto made =
        Tokenizer::create("llama2c", std::string_view(good).substr(0, size));
    // A cut between two pieces leaves a smaller vocabulary; any other is seen.
    if (made.ok())
      EXPECT_GE((*made)->size(), 3);
    else
      EXPECT_NE(made.status().message().find("damaged"), std::string::npos);
  }
  EXPECT_FALSE(Tokenizer::create("", "").ok());
  EXPECT_FALSE(Tokenizer::create("", "{\"version\": 1}").ok());
  EXPECT_FALSE(Tokenizer::create("wordpiece", "x").ok());
  EXPECT_FALSE(Tokenizer::open("/nonexistent/file").ok());
}

TEST(Tokenizer, SentencePieceRejectsDamage) {
  auto made = Tokenizer::create("sentencepiece", "\x0a\x05hello");
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.status().message().find("SentencePiece"), std::string::npos)
      << made.status().message();
}

/// A small SentencePiece model: pieces, byte-pair encoding, no normalization.
std::string sentencePiece() {
  auto field = [](int number, const std::string &text) {
    return std::string{char(number << 3 | 2), char(text.size())} + text;
  };
  auto piece = [&](const std::string &text, float score, int type) {
    std::string message = field(1, text) + "\x15";
    message.append(reinterpret_cast<char *>(&score), 4);
    return field(1, message + std::string{0x18, char(type)});
  };
  std::string model = piece("<unk>", 0, 2) + piece("<s>", 0, 3) +
                      piece("</s>", 0, 3) + piece("<0x41>", 0, 6) +
                      piece("ab", -1, 1) + piece("\xe2\x96\x81", -2, 1) +
                      piece("a", -3, 1) + piece("b", -4, 1) + piece("\n", 0, 4);
  model += field(2, "\x18\x02");     // TrainerSpec: model_type BPE
  model += field(3, field(1, "id")); // NormalizerSpec
  return model;
}

TEST(SentencePieceBpe, EncodesAndDecodes) {
  auto made = Tokenizer::create("sentencepiece-bpe", sentencePiece());
  ASSERT_TRUE(made.ok()) << made.status().message();
  const Tokenizer &tokenizer = **made;
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_EQ(*tokenizer.encode("abb\na"), (std::vector<int32_t>{5, 4, 7, 8, 6}));
  // Neighbours without a piece are one unknown token.
  EXPECT_EQ(*tokenizer.encode("xyza"), (std::vector<int32_t>{5, 0, 6}));
  EXPECT_EQ(tokenizer.piece(5, true), "");
  EXPECT_EQ(tokenizer.piece(5, false), " ");
  EXPECT_EQ(tokenizer.piece(3, false), "A");
  EXPECT_EQ(tokenizer.piece(1, false), "");
}

TEST(SentencePieceBpe, AnyBytesAreSafe) {
  const std::string good = sentencePiece();
  auto tryBytes = [](std::string_view bytes) {
    auto made = Tokenizer::create("sentencepiece-bpe", bytes);
    if (!made.ok())
      return;
    (void)(*made)->encode("ab \xff\n<xyz");
    for (int32_t token = -1; token < 12; ++token)
      (void)(*made)->piece(token, token % 2);
  };
  for (size_t size = 0; size < good.size(); ++size)
    tryBytes(std::string_view(good).substr(0, size));
  uint32_t random = 3;
  for (int round = 0; round < 20000; ++round) {
    std::string bad = good;
    for (int i = 0; i < 2; ++i) {
      random = random * 1664525 + 1013904223;
      bad[(random >> 8) % bad.size()] = char(random >> 3);
    }
    tryBytes(bad);
  }
}

TEST(Utf8Stream, CutsAtCharacters) {
  const std::string text = "aé漢😀z";
  for (size_t step = 1; step <= text.size(); ++step) {
    Utf8Stream stream;
    std::string all;
    for (size_t at = 0; at < text.size(); at += step) {
      std::string out = stream.push(text.substr(at, step));
      // What comes out never ends within a character.
      if (!out.empty())
        EXPECT_EQ(text.compare(0, (all + out).size(), all + out), 0);
      all += out;
      EXPECT_TRUE(all.size() == text.size() ||
                  (static_cast<unsigned char>(text[all.size()]) & 0xc0) !=
                      0x80);
    }
    EXPECT_EQ(all + stream.finish(), text);
  }
}

TEST(Utf8Stream, ReplacesWhatIsNone) {
  const std::string bad = "\xef\xbf\xbd";
  auto all = [](std::string_view bytes) {
    Utf8Stream stream;
    std::string out;
    for (char byte : bytes)
      out += stream.push(std::string_view(&byte, 1));
    return out + stream.finish();
  };
  EXPECT_EQ(all("a\xff"), "a" + bad);
  EXPECT_EQ(all("\xc3z"), bad + "z");
  EXPECT_EQ(all("\xe6\xbc"), bad);                           // ends too early
  EXPECT_EQ(all("\xc0\xaf"), bad + bad);                     // overlong
  EXPECT_EQ(all("\xed\xa0\x80"), bad + bad + bad);           // a surrogate
  EXPECT_EQ(all("\xf4\x90\x80\x80"), bad + bad + bad + bad); // above U+10FFFF
  EXPECT_EQ(all("\x80"), bad);
}

} // namespace
