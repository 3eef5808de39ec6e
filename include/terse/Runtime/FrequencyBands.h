//===- FrequencyBands.h - tokens by how often they occur --------*- C++ -*-===//
#ifndef TERSE_RUNTIME_FREQUENCYBANDS_H
#define TERSE_RUNTIME_FREQUENCYBANDS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace terse::rt {

/// Tokens in bands by how often they occur in a text, so that what a mean over
/// all tokens hides is seen: low bits forget rare patterns first.
///
/// Let n(t) be the number of times that token t occurs in the text, N the
/// length of the text in tokens, and m(c) = (sum of n(t) over all t with
/// n(t) <= c) / N the mass of the tokens that occur c times or less. A limit
/// c(s) is the least c with m(c) >= s. The bands are
///   0  "rarest 1 %":   n(t) <= c(0.01)
///   1  "rarest 10 %":  c(0.01) < n(t) <= c(0.1)
///   2  "rest":         c(0.1) < n(t)
/// So a token is in one band, equally frequent tokens are in the same one, what
/// the text lacks (n = 0) is in the rarest, and bands 0 and 1 together have at
/// least 10 % of the text. A short text, most of whose rare tokens occur once,
/// cannot be cut at 1 %: `mass` says where it was, and band 1 may be empty.
class FrequencyBands {
public:
  static constexpr int kCount = 3;
  /// Shares of the text at which bands 0 and 1 end.
  static constexpr double kLimits[kCount - 1] = {0.01, 0.1};
  /// "rarest_1", "rarest_10", "rest".
  static const char *nameOf(int band) {
    static constexpr const char *kNames[kCount] = {"rarest_1", "rarest_10", "rest"};
    return kNames[band];
  }

  struct Band {
    double mass = 0;       ///< share of the text that its tokens make up
    int64_t mostCount = 0; ///< largest n(t) in it; of the last one, in the text
  };

  FrequencyBands() = default;
  /// Counts the tokens of `text`; those below 0 are no tokens.
  explicit FrequencyBands(const std::vector<int32_t> &text);

  int bandOf(int32_t token) const {
    return token >= 0 && std::size_t(token) < bandOf_.size() ? bandOf_[token] : 0;
  }
  const std::array<Band, kCount> &bands() const { return bands_; }

private:
  std::vector<uint8_t> bandOf_;
  std::array<Band, kCount> bands_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_FREQUENCYBANDS_H
