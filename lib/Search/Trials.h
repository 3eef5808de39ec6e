//===- Trials.h - models that are compiled to be measured -------*- C++ -*-===//
#ifndef TERSE_LIB_SEARCH_TRIALS_H
#define TERSE_LIB_SEARCH_TRIALS_H

#include "Allocation.h"

#include "terse/Pipeline/Compile.h"
#include "terse/Quality/Measure.h"
#include "terse/Quality/Promise.h"

#include <map>

namespace terse {

/// What a trial showed.
struct Trial {
  uint64_t bytes = 0;        ///< of the artifact for one CPU level
  MeasuredLoss loss;
  double kl = 0;             ///< nats a token
  struct Layer {
    WeightFormat format;
    std::string inputOf; ///< the first layer that reads the same input
    double bytes, error; ///< error: relative, of weights, or of outputs where they were measured
  };
  std::map<std::string, Layer> layers; ///< those that were rounded
};

/// Compiles the model with recipes and policies for this machine and measures what it loses. What was measured is written to
/// `trials.jsonl` in the search's folder and not measured again.
class Trials {
public:
  Trials(const CompileOptions &options, CompileListener &listener) : options(options), listener(listener) {}

  /// Makes the folder, or goes on with what is there of the same search.
  llvm::Error open();
  /// Removes the folder, unless the user named it.
  void close();

  llvm::Expected<Trial> run(const std::string &recipe, const std::string &rules, const std::string &what);
  bool isExhausted() const { return options.searchTrials > 0 && int64_t(numTrials) >= options.searchTrials; }

private:
  std::string getPath(llvm::StringRef name) const;
  llvm::Expected<std::string> makeKey() const;
  llvm::Error readKnown(const std::string &key);
  llvm::Error prepare();
  llvm::Expected<Trial> measure(const std::string &recipe, const std::string &rules);
  llvm::Error writeLine(const std::string &line) const;

  const CompileOptions &options;
  CompileListener &listener;
  std::string folder;
  std::map<std::string, Trial> known; ///< by recipe and rules
  size_t numTrials = 0;
  ModelHandle original{nullptr, terse_model_close};
  std::vector<int32_t> tokens;
};

} // namespace terse

#endif // TERSE_LIB_SEARCH_TRIALS_H
