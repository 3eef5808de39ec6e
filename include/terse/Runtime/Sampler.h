//===- Sampler.h - choosing the next token ----------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_SAMPLER_H
#define TERSE_RUNTIME_SAMPLER_H

#include <array>
#include <cstdint>
#include <vector>

namespace terse::rt {

struct SamplerOptions {
  float temperature = 0; ///< 0: greedy
  int topK = 0;          ///< only the k likeliest tokens; 0: all
  float topP = 1;        ///< only the likeliest tokens that together reach p
                         ///< (nucleus sampling, Holtzman et al., 2020)
  uint64_t seed = 0;
};

/// The index of the largest logit, the lowest one of equals; NaN never wins.
/// -1 if there is no number among them.
int64_t argmax(const float *logits, int64_t count);

/// Draws tokens. The same seed and the same logits give the same tokens on
/// every machine.
class Sampler {
public:
  explicit Sampler(const SamplerOptions &options);

  /// The next token, or -1 if the logits hold no number.
  int64_t next(const float *logits, int64_t count);

  using State = std::array<uint64_t, 4>;
  /// All that the next draws depend on, but for options and logits.
  const State &state() const { return state_; }
  void restore(const State &state) { state_ = state; }

private:
  double uniform();

  SamplerOptions options_;
  State state_; ///< of xoshiro256** (Blackman and Vigna, 2018)
  struct Candidate {
    float logit;
    int32_t token;
    double weight;
  };
  std::vector<Candidate> candidates_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_SAMPLER_H
