//===- Generator.cpp - a text, token by token -------------------*- C++ -*-===//
#include "terse/Runtime/Generator.h"

#include <algorithm>
#include <ctime>

namespace terse::rt {

namespace {
/// Seconds that this thread has run for, spinning at barriers included. Not the
/// time of day: where other programs take turns on the processor, a step's time
/// would say more of them than of its tokens.
double now() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}
} // namespace

Generator::Generator(LanguageModel &model, std::vector<int32_t> prompt,
                     const GeneratorOptions &options)
    : model_(model), options_(options), sampler_(options.sampler),
      lengths_(options.promptLookup), tokens_(std::move(prompt)) {
  draw_ = [this](int64_t index, const float *logits) { draw(index, logits); };
  size_t most = size_t(options.promptLookup) + 1;
  tokens_.reserve(most);
  drawn_.reserve(most);
  if (options_.promptLookup)
    for (int32_t token : tokens_)
      lookup_.push(token);
}

/// Draws what follows token `index` of those run, if it can be the next: if all
/// drafted before are the ones drawn.
void Generator::draw(int64_t index, const float *logits) {
  if (!agrees_)
    return;
  double begin = options_.promptLookup ? now() : 0;
  Sampler::State before = sampler_.state();
  int64_t token = sampler_.next(logits, model_.vocabulary());
  drawn_.push_back({int32_t(token), before});
  agrees_ = index + 1 < int64_t(tokens_.size()) &&
            token == tokens_[size_t(index) + 1];
  if (options_.promptLookup)
    drawing_ += now() - begin;
}

/// Runs tokens_, the last `drafted` of which are a draft, and draws.
Status Generator::step(int64_t drafted) {
  drawn_.clear();
  given_ = 0;
  agrees_ = true;
  drawing_ = 0;
  double begin = options_.promptLookup ? now() : 0;
  Status status = model_.eval(tokens_.data(), int64_t(tokens_.size()),
                              /*lastOnly=*/drafted == 0, draw_);
  if (total_ && options_.promptLookup && status.ok())
    lengths_.took(int(drafted) + 1, now() - begin - drawing_);
  version_ = model_.version();
  return status;
}

int64_t Generator::chooseDraft() {
  const PromptLookup::Match &match = lookup_.match();
  if (!match.length || !model_.obstacleToDrafts().empty())
    return 0;
  // Each step gives a token besides those drafted.
  int64_t room = std::min(options_.maxTokens - total_ - 1, model_.room() - 1);
  int64_t count = options_.adapt
                      ? lengths_.choose(match.length, room)
                      : std::min<int64_t>(options_.promptLookup, room);
  for (int64_t i = 0; i < count; ++i)
    tokens_.push_back(lookup_.draft(i));
  return count;
}

/// Gives out the next of the tokens drawn.
Status Generator::give(int32_t &token) {
  if (drawn_[given_].token < 0)
    return fail(Code::Internal,
                "the logits after %lld tokens are not numbers",
                (long long)model_.past());
  token = last_ = drawn_[given_++].token;
  ++total_;
  if (options_.promptLookup) {
    const PromptLookup::Match &match = lookup_.match();
    if (match.length)
      lengths_.saw(match.length, lookup_.draft(0) == token);
    lookup_.push(token);
  }
  return Status();
}

Status Generator::next(int32_t &token) {
  // What was drawn last is as drafted and held already, unless someone else has
  // run the model since.
  if (given_ < drawn_.size()) {
    if (version_ == model_.version() && model_.rewind(model_.past() + 1))
      return give(token);
    sampler_.restore(drawn_[given_].before);
  }
  if (!total_) {
    if (Status status = step(0); !status.ok())
      return status;
    return give(token);
  }

  tokens_.assign(1, last_);
  Sampler::State before = sampler_.state();
  int64_t past = model_.past(), drafted = chooseDraft();
  Status status = step(drafted);
  if (drafted && (!status.ok() || !model_.obstacleToDrafts().empty()) &&
      (model_.past() == past || model_.rewind(past))) {
    // One token may fit yet, and does not depend on others.
    sampler_.restore(before);
    tokens_.resize(1);
    drafted = 0;
    status = step(0);
  }
  if (!status.ok())
    return status;
  ++counts_.steps;
  counts_.drafted += drafted;
  counts_.accepted += int64_t(drawn_.size()) - 1;
  model_.rewind(past + 1);
  return give(token);
}

} // namespace terse::rt
