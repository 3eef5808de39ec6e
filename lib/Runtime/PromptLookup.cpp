//===- PromptLookup.cpp - drafts from the text so far -----------*- C++ -*-===//
#include "terse/Runtime/PromptLookup.h"

#include <algorithm>
#include <utility>

namespace terse::rt {

/// The slot of the tokens [end - length, end), or the free one for them.
PromptLookup::Slot &PromptLookup::find(int32_t end, int32_t length) {
  const int32_t *gram = text_.data() + end - length;
  uint64_t hash = uint64_t(length);
  for (int32_t i = 0; i < length; ++i)
    hash = (hash ^ uint32_t(gram[i])) * 0x9e3779b97f4a7c15;
  hash ^= hash >> 32;
  for (size_t at = hash;; ++at) {
    Slot &slot = slots_[at & (slots_.size() - 1)];
    if (!slot.end ||
        (slot.length == length &&
         std::equal(gram, gram + length, text_.data() + slot.end - length)))
      return slot;
  }
}

void PromptLookup::grow() {
  std::vector<Slot> old(std::max<size_t>(64, slots_.size() * 2));
  old.swap(slots_);
  for (const Slot &slot : old)
    if (slot.end)
      find(slot.end, slot.length) = slot;
}

void PromptLookup::push(int32_t token) {
  text_.push_back(token);
  // At most half full.
  if ((used_ + kLongest) * 2 > slots_.size())
    grow();
  match_ = Match();
  int32_t end = int32_t(text_.size());
  for (int32_t length = std::min(kLongest, end); length > 0; --length) {
    Slot &slot = find(end, length);
    if (!slot.end)
      ++used_;
    else if (!match_.length)
      match_ = {slot.end, length};
    slot = {end, length};
  }
  if (match_.length)
    while (match_.length < kLongestCounted && match_.length < match_.next &&
           text_[size_t(match_.next - match_.length - 1)] ==
               text_[size_t(end - match_.length - 1)])
      ++match_.length;
}

} // namespace terse::rt
