//===- PromptLookupTest.cpp - drafts from the text so far -------*- C++ -*-===//
#include "terse/Runtime/PromptLookup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace terse::rt;

namespace {

/// By its definition: all places are compared.
PromptLookup::Match search(const std::vector<int32_t> &text) {
  int64_t size = int64_t(text.size());
  for (int64_t length = std::min<int64_t>(PromptLookup::kLongest, size);
       length > 0; --length)
    for (int64_t next = size - 1; next >= length; --next)
      if (std::equal(text.end() - length, text.end(),
                     text.begin() + next - length)) {
        while (length < std::min<int64_t>(next, PromptLookup::kLongestCounted) &&
               text[size_t(next - length - 1)] ==
                   text[size_t(size - length - 1)])
          ++length;
        return {next, int(length)};
      }
  return {};
}

TEST(PromptLookup, FindsWhatASearchFinds) {
  std::mt19937 random(1);
  // From texts that repeat all the time to such as hardly do; among the tokens
  // the extremes of their type.
  for (int32_t vocabulary : {1, 2, 3, 10, 100, 30000}) {
    PromptLookup lookup;
    std::vector<int32_t> text;
    int matches = 0;
    for (int i = 0; i < 700; ++i) {
      int32_t token = int32_t(random() % uint32_t(vocabulary));
      if (token == vocabulary - 1)
        token = INT32_MAX;
      // Now and then a piece of the text again, so that long matches occur.
      if (i > 40 && random() % 50 == 0)
        for (int64_t from = int64_t(random() % 20), end = from + 20; from < end; ++from) {
          text.push_back(text[size_t(from)]);
          lookup.push(text.back());
        }
      text.push_back(token);
      lookup.push(token);
      PromptLookup::Match want = search(text), got = lookup.match();
      ASSERT_EQ(got.length, want.length) << "after " << text.size();
      ASSERT_EQ(got.next, want.next) << "after " << text.size();
      if (!got.length)
        continue;
      ++matches;
      // The draft is the text from there on, and then itself.
      std::vector<int32_t> whole = text;
      for (int64_t ahead = 0; ahead < 20; ++ahead) {
        ASSERT_EQ(lookup.draft(ahead), whole[size_t(got.next + ahead)]);
        whole.push_back(lookup.draft(ahead));
      }
    }
    EXPECT_EQ(lookup.size(), int64_t(text.size()));
    EXPECT_GT(matches, 10) << vocabulary;
  }
}

TEST(PromptLookup, PrefersLongAndThenLateMatches) {
  PromptLookup lookup;
  for (int32_t token : {1, 2, 3, 10, 9, 2, 3, 11, 3, 12, 1, 2})
    lookup.push(token);
  EXPECT_EQ(lookup.draft(0), 3); // 1 2 (3)
  lookup.push(3);
  EXPECT_EQ(lookup.match().length, 3);
  EXPECT_EQ(lookup.draft(0), 10); // 1 2 3, not the later 2 3 or 3
  PromptLookup late;
  for (int32_t token : {5, 1, 5, 2, 5})
    late.push(token);
  EXPECT_EQ(late.draft(0), 2);
  late.push(7);
  EXPECT_EQ(late.match().length, 0);
}

} // namespace
