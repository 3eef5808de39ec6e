//===- Trials.h - models that are compiled to be measured -------*- C++ -*-===//
#ifndef TERSE_LIB_SEARCH_TRIALS_H
#define TERSE_LIB_SEARCH_TRIALS_H

#include "Allocation.h"
#include "Notebook.h"

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
    int64_t n, k;        ///< outputs and inputs
  };
  std::map<std::string, Layer> layers; ///< those that were rounded
  struct Table {
    double bytes, error;
  };
  std::map<std::string, Table> tables; ///< of embeddings, likewise
};

/// Compiles the model with recipes and policies for the level that the artifact will have on this machine, and measures what it loses. What
/// was measured is written to `trials.jsonl` in the search's folder and not measured again.
class Trials {
public:
  Trials(const CompileOptions &options, CompileListener &listener) : options(options), listener(listener) {}

  /// Makes the folder, or goes on with what is there of the same search.
  llvm::Error open();
  /// Removes the folder, unless the user named it.
  void close();

  llvm::Expected<Trial> run(const std::string &recipe, const std::string &rules, const std::string &what);
  /// Only rounds: bytes and errors of layers and tables.
  llvm::Expected<Trial> round(const std::string &recipe, const std::string &rules, const std::string &what);
  /// The level that is measured.
  const std::string &getLevel() const { return level; }
  Notebook &getNotebook() { return notebook; }
  bool isExhausted() const { return options.searchTrials > 0 && int64_t(numTrials) >= options.searchTrials; }

private:
  llvm::Expected<std::string> makeKey() const;
  llvm::Error findLevel();
  llvm::Error prepare();
  llvm::Expected<CompileOptions> makeOptions(const std::string &recipe, const std::string &rules) const;
  llvm::Expected<Trial> measure(const std::string &recipe, const std::string &rules);
  llvm::Expected<Trial> measureRounding(const std::string &recipe, const std::string &rules);
  llvm::Expected<Trial> find(const std::string &name, llvm::function_ref<llvm::Expected<Trial>()> measure);

  const CompileOptions &options;
  CompileListener &listener;
  std::string folder, level;
  Notebook notebook; ///< trials by recipe and rules
  size_t numTrials = 0;
  ModelHandle original{nullptr, terse_model_close};
  std::vector<int32_t> tokens;
};

} // namespace terse

#endif // TERSE_LIB_SEARCH_TRIALS_H
