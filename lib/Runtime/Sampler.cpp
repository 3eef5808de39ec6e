//===- Sampler.cpp - choosing the next token --------------------*- C++ -*-===//
#include "terse/Runtime/Sampler.h"

#include <algorithm>
#include <cmath>

namespace terse::rt {

int64_t argmax(const float *logits, int64_t count) {
  // The largest by lanes, which compilers make vectors of (a comparison with
  // NaN is false and keeps the lane), then the first that equals it.
  constexpr int width = 16;
  float lanes[width];
  std::fill(lanes, lanes + width, -INFINITY);
  int64_t i = 0;
  for (; i + width <= count; i += width)
    for (int lane = 0; lane < width; ++lane)
      lanes[lane] =
          logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
  for (; i < count; ++i)
    lanes[0] = logits[i] > lanes[0] ? logits[i] : lanes[0];
  float best = *std::max_element(lanes, lanes + width);
  for (i = 0; i < count; ++i)
    if (logits[i] == best)
      return i;
  return -1; // nothing but NaN
}

Sampler::Sampler(const SamplerOptions &options) : options_(options) {
  // splitmix64 spreads the seed, as the generator's authors advise.
  uint64_t seed = options.seed;
  for (uint64_t &word : state_) {
    uint64_t z = (seed += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

double Sampler::uniform() {
  auto rotate = [](uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
  uint64_t result = rotate(state_[1] * 5, 7) * 9, t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotate(state_[3], 45);
  return double(result >> 11) * 0x1p-53;
}

int64_t Sampler::next(const float *logits, int64_t count) {
  int64_t best = argmax(logits, count);
  if (best < 0 || !(options_.temperature > 0) || !std::isfinite(logits[best]))
    return best;

  double sum = 0, scale = 1.0 / options_.temperature;
  candidates_.clear();
  for (int64_t i = 0; i < count; ++i) {
    double weight = std::exp((double(logits[i]) - logits[best]) * scale);
    if (weight > 0) { // false for NaN
      candidates_.push_back({logits[i], int32_t(i), weight});
      sum += weight;
    }
  }
  auto likelier = [](const Candidate &a, const Candidate &b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  if (options_.topK > 0 && size_t(options_.topK) < candidates_.size()) {
    auto end = candidates_.begin() + options_.topK;
    std::nth_element(candidates_.begin(), end - 1, candidates_.end(), likelier);
    candidates_.erase(end, candidates_.end());
    sum = 0;
    std::sort(candidates_.begin(), candidates_.end(), likelier);
    for (const Candidate &candidate : candidates_)
      sum += candidate.weight;
  }
  if (options_.topP < 1) {
    // A token rarer than this cannot be needed to reach p: even all the others
    // like it together are less than what may be left out. Saves the sort.
    double rare = (1.0 - options_.topP) / double(candidates_.size()) * sum;
    candidates_.erase(std::remove_if(candidates_.begin(), candidates_.end(),
                                     [&](const Candidate &candidate) {
                                       return candidate.weight < rare &&
                                              candidate.token != best;
                                     }),
                      candidates_.end());
    std::sort(candidates_.begin(), candidates_.end(), likelier);
    double reached = 0, target = options_.topP * sum;
    size_t kept = 0;
    while (kept < candidates_.size() && (kept == 0 || reached < target))
      reached += candidates_[kept++].weight;
    candidates_.resize(kept);
    sum = reached;
  }
  double left = uniform() * sum;
  for (const Candidate &candidate : candidates_)
    if ((left -= candidate.weight) < 0)
      return candidate.token;
  return candidates_.back().token;
}

} // namespace terse::rt
