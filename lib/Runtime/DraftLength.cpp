//===- DraftLength.cpp - how many tokens to draft ---------------*- C++ -*-===//
#include "terse/Runtime/DraftLength.h"

#include <algorithm>

namespace terse::rt {

namespace {
/// Steps of one token that are timed before anything is drafted: the first may
/// be slow for other reasons.
constexpr int firstSteps = 2;
/// A draft must promise so many times the tokens a second.
constexpr double leastGain = 1.05;
/// What a token more costs, in steps, until it is known. Low, to be tried.
constexpr double hopedCost = 0.1;
/// A slow step is not believed for ever: after so many steps, then twice as many,
/// ..., the time that was not seen for longest is forgotten.
constexpr int64_t firstForgetting = 64, lastForgetting = 1024;
} // namespace

DraftLength::DraftLength(int most)
    : most_(most), right_{{{0.1}, {0.3}, {0.5}, {0.7}, {0.8}, {0.9}}},
      seconds_(size_t(most) + 2), seen_(seconds_.size()),
      forgetAfter_(firstForgetting), forgetAt_(firstForgetting) {}

/// 1, 2, 3, 4 to 7, 8 to 15, 16 and more.
size_t DraftLength::classOf(int length) {
  return size_t(length < 4 ? length - 1
                           : 3 + int(length >= 8) + int(length >= 16));
}

int DraftLength::choose(int length, int64_t most) const {
  if (length < 1 || plainSteps_ < firstSteps)
    return 0;
  int best = 0, below = 1, above = 1;
  double tokens = 1, probability = 1, bestRate = leastGain / seconds_[1];
  for (int draft = 1; draft <= std::min<int64_t>(most_, most); ++draft) {
    probability *= right_[classOf(length + draft - 1)].value;
    tokens += probability;
    // Steps of other sizes tell what is not known: those around it, or else
    // the line through one token and the largest.
    int step = draft + 1;
    double time = seconds_[size_t(step)];
    if (time > 0) {
      below = step;
    } else {
      while (above <= most_ + 1 && (above <= step || !(seconds_[size_t(above)] > 0)))
        ++above;
      double slope = hopedCost * seconds_[1];
      if (above <= most_ + 1)
        slope = (seconds_[size_t(above)] - seconds_[size_t(below)]) /
                (above - below);
      else if (below > 1)
        slope = (seconds_[size_t(below)] - seconds_[1]) / (below - 1);
      time = seconds_[size_t(below)] + std::max(slope, 0.0) * (step - below);
    }
    if (tokens / time > bestRate) {
      bestRate = tokens / time;
      best = draft;
    }
  }
  return best;
}

void DraftLength::saw(int length, bool right) {
  if (length < 1)
    return;
  Share &share = right_[classOf(length)];
  // As the mean of so many more at first, later of the last few dozen.
  share.seen = std::min(share.seen + 1, 28);
  share.value += (double(right) - share.value) / (share.seen + 4);
}

void DraftLength::took(int tokens, double seconds) {
  // A step is slower than it need be when others use the machine, never faster:
  // lower times count more.
  double &known = seconds_[size_t(tokens)];
  if (!(known > 0))
    known = seconds;
  else
    known += (seconds - known) * (seconds < known ? 0.5 : 0.05);
  plainSteps_ += tokens == 1;
  seen_[size_t(tokens)] = ++steps_;
  if (steps_ < forgetAt_)
    return;
  forgetAt_ += forgetAfter_ = std::min(forgetAfter_ * 2, lastForgetting);
  size_t oldest = 0;
  for (size_t other = 2; other < seconds_.size(); ++other)
    if (seconds_[other] > 0 && (!oldest || seen_[other] < seen_[oldest]))
      oldest = other;
  if (oldest)
    seconds_[oldest] = 0;
}

} // namespace terse::rt
