//===- ManifestTest.cpp -----------------------------------------*- C++ -*-===//
#include "Toy.h"

using namespace terse::rt;

namespace {

/// The toy's manifest with `from` replaced by `to`.
Result<Manifest> changed(const std::string &from, const std::string &to) {
  static const std::string text = openToy("state")->manifest().text;
  std::string copy = text;
  size_t at = copy.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return Manifest::parse(copy.replace(at, from.size(), to));
}

TEST(Manifest, Parses) {
  auto model = openToy("state");
  const Manifest &m = model->manifest();
  EXPECT_EQ(m.recipe, "keep");
  EXPECT_EQ(m.symbols.size(), 5u);
  EXPECT_EQ(m.symbols[m.past], "past");
  EXPECT_EQ(m.symbols[m.capacity], "capacity");
  ASSERT_EQ(m.states.size(), 2u);
  EXPECT_EQ(describe(m.states[0]), "f32 [batch, 1, capacity, 8]");
  EXPECT_EQ(m.inputs[0].role, "input_ids");
  ASSERT_EQ(m.entries.size(), 2u);
  EXPECT_EQ(m.entries[1].when.size(), 1u);
  ASSERT_EQ(m.weights.size(), 4u);
  EXPECT_EQ(m.weights[3].kind, "linear");
  EXPECT_EQ(m.weights[3].offset + m.weights[3].bytes, m.weightsBytes);
}

TEST(Manifest, NamesWhatIsWrong) {
  EXPECT_ERROR(changed("\"format\": 1", "\"format\": 2").status(),
               "expected format 1; got 2");
  EXPECT_ERROR(changed("\"format\": 1", "\"format\": \"1\"").status(),
               "'format' has the wrong type");
  EXPECT_ERROR(changed("\"i64\"", "\"i63\"").status(), "unknown dtype 'i63'");
  EXPECT_ERROR(changed("\"inputs\"", "\"outputs\"").status(), "'inputs'");
  EXPECT_ERROR(
      changed("[\"batch\", \"sequence\"]", "[\"batch\", \"sequel\"]").status(),
      "unknown symbol 'sequel'");
  EXPECT_ERROR(changed("[\"batch\", \"sequence\"]", "[\"batch\", -1]").status(),
               "negative");
  EXPECT_ERROR(
      changed("[\"batch\", \"sequence\"]", "[\"batch\", 1.5]").status(),
      "not an integer");
  EXPECT_ERROR(changed("\"past\": \"past\"", "\"past_\": \"past\"").status(),
               "no 'past' and 'capacity'");
  EXPECT_ERROR(changed("\"offset\": 0", "\"offset\": 30000").status(),
               "outside the weights section");
  EXPECT_ERROR(changed("\"offset\": 0", "\"offset\": -8").status(), "negative");
  EXPECT_ERROR(changed("\"name\": \"level\"", "\"name\": \"logits\"").status(),
               "'logits' is there twice");
  EXPECT_ERROR(
      changed("\"avx2\": \"terse_forward_avx2\"", "\"x\": \"y\"").status(),
      "no function for level 'avx2'");
  EXPECT_ERROR(changed("\"name\": \"forward\"",
                       "\"name\": \"forward\", \"when\": {\"past\": 1}")
                   .status(),
               "no entry fits every size");
}

TEST(Manifest, LogitsToKeep) {
  auto model = openToy("state_keep");
  const Manifest &m = model->manifest();
  ASSERT_GE(m.logitsToKeep, 0);
  EXPECT_EQ(m.symbols[m.logitsToKeep], "logits_to_keep");
  EXPECT_EQ(m.symbols[m.tokens], "sequence");
  EXPECT_LT(openToy("state")->manifest().logitsToKeep, 0);
  EXPECT_ERROR(changed("\"recipe\"", "\"logits_to_keep\": \"sequence\", "
                                     "\"recipe\"")
                   .status(),
               "unknown symbol 'logits_to_keep'");
}

TEST(Manifest, AnyTextIsSafe) {
  std::string text = openToy("state")->manifest().text;
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(Manifest::parse(text.substr(0, size)).ok()) << size;
  EXPECT_FALSE(Manifest::parse("[]").ok());
  EXPECT_FALSE(Manifest::parse("null").ok());
  EXPECT_FALSE(Manifest::parse(std::string(1 << 20, '[')).ok());
  // Random changes: whatever they make of it, nothing breaks.
  uint32_t random = 1;
  for (int round = 0; round < 3000; ++round) {
    std::string copy = text;
    for (int i = 0; i < 3; ++i) {
      random = random * 1664525 + 1013904223;
      copy[(random >> 8) % copy.size()] = "0-9\"{}[],:ax"[random % 12];
    }
    (void)Manifest::parse(copy).ok();
  }
}

} // namespace
