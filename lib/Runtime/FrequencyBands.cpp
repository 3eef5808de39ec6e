//===- FrequencyBands.cpp - tokens by how often they occur ------*- C++ -*-===//
#include "terse/Runtime/FrequencyBands.h"

#include <map>

namespace terse::rt {

FrequencyBands::FrequencyBands(const std::vector<int32_t> &text) {
  std::vector<int64_t> counts;
  int64_t length = 0;
  for (int32_t token : text) {
    if (token < 0)
      continue;
    if (size_t(token) >= counts.size())
      counts.resize(size_t(token) + 1);
    ++counts[token];
    ++length;
  }
  // Occurrences by how often their token occurs, rarest first.
  std::map<int64_t, int64_t> occurrences;
  for (int64_t count : counts)
    if (count)
      occurrences[count] += count;
  std::map<int64_t, int> bandOfCount = {{0, 0}};
  int64_t below = 0;
  for (auto [count, sum] : occurrences) {
    int band = 0;
    while (band + 1 < kCount && double(below) >= kLimits[band] * double(length))
      ++band;
    bandOfCount[count] = band;
    bands_[band].mass += double(sum) / double(length);
    bands_[band].mostCount = count;
    below += sum;
  }
  bandOf_.resize(counts.size());
  for (size_t token = 0; token < counts.size(); ++token)
    bandOf_[token] = uint8_t(bandOfCount[counts[token]]);
}

} // namespace terse::rt
