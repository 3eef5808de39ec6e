//===- LayerTimes.h - how long a layer takes on this machine ----*- C++ -*-===//
#ifndef TERSE_LIB_SEARCH_LAYERTIMES_H
#define TERSE_LIB_SEARCH_LAYERTIMES_H

#include "Trials.h"

namespace terse {

/// Seconds that a linear layer takes for a token.
struct LayerTime {
  double decode;  ///< one token alone
  double prefill; ///< one of many
};

/// Times linear layers alone, in the level and with the threads of the search, and keeps them in its notebook: a search that goes on gets the
/// times that it had.
class LayerTimes {
public:
  /// Before each run `bytesBetween` bytes are read, as the rest of the model would be: what stays in caches is then what stays there in use.
  LayerTimes(const CompileOptions &options, const std::string &recipe, Trials &trials, uint64_t bytesBetween)
      : options(options), recipe(recipe), trials(trials), bytesBetween(bytesBetween) {}

  /// Of a layer of k inputs and n outputs, stored so (WeightFormat::getStorage).
  llvm::Expected<LayerTime> find(int64_t n, int64_t k, WeightFormat format);

private:
  llvm::Expected<LayerTime> measure(int64_t n, int64_t k, WeightFormat format);
  llvm::Expected<double> time(const terse_model *model, int64_t rows, int64_t k);

  const CompileOptions &options;
  const std::string &recipe;
  Trials &trials;
  uint64_t bytesBetween;
  std::vector<char> between;
};

} // namespace terse

#endif // TERSE_LIB_SEARCH_LAYERTIMES_H
