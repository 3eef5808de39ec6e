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
  uint64_t bytes = 0; ///< of the artifact for one CPU level
  MeasuredLoss loss;
  double kl = 0; ///< nats a token
  struct Layer {
    WeightFormat format;
    std::string inputOf; ///< the first layer that reads the same input
    double bytes, error; ///< error: relative
    int64_t n, k;        ///< outputs and inputs
    bool hasStatistics;  ///< the error is of outputs, else of weights
  };
  std::map<std::string, Layer> layers; ///< those that were rounded
  struct Table {
    double bytes, error;
  };
  std::map<std::string, Table> tables; ///< of embeddings, likewise
};

/// A line of the notebook, and back; none if it is not whole.
llvm::json::Object toJson(const Trial &trial);
std::optional<Trial> readTrial(const llvm::json::Object &object);
/// Fills in what passes recorded of layers and tables. `storesZeros`: those of 2:4 in symmetric codes of 4 bits too, which else are stored in 3.
void readFacts(const CompileRecord &record, bool storesZeros, Trial &trial);

/// Compiles the model with recipes and policies for the level that the artifact will have on this machine, and measures what it loses. What
/// was measured is written to `trials.jsonl` in the search's folder and not measured again.
///
/// Calibrating block by block takes many times as long as the rest of a compile. With statistics of the original (`calibrateOriginal`) trials go
/// without: their passes take these, and only `runAsShipped` calibrates as the options say.
class Trials {
public:
  Trials(const CompileOptions &options, CompileListener &listener) : options(options), listener(listener) {}

  /// Makes the folder, or goes on with what is there of the same search.
  llvm::Error open();
  /// Removes the folder, unless the user named it.
  void close();

  /// Measures the inputs of the original's layers, rotated as `recipe` says, once for all trials of the folder.
  llvm::Error calibrateOriginal(const std::string &recipe);
  bool hasStatistics() const { return !statistics.empty(); }

  llvm::Expected<Trial> run(const std::string &recipe, const std::string &rules, const std::string &what);
  /// Like what the options' own compile would give, to the last bit.
  llvm::Expected<Trial> runAsShipped(const std::string &recipe, const std::string &rules, const std::string &what);
  /// Only rounds: bytes and errors of layers and tables.
  llvm::Expected<Trial> round(const std::string &recipe, const std::string &rules, const std::string &what);
  /// The level that is measured.
  const std::string &getLevel() const { return level; }
  Notebook &getNotebook() { return notebook; }
  /// Trials that are still allowed; unset: any number.
  std::optional<int64_t> countLeft() const {
    return options.searchTrials > 0 ? std::optional(std::max<int64_t>(0, options.searchTrials - int64_t(numTrials))) : std::nullopt;
  }
  /// Whether no more trials are allowed, or only so many.
  bool isExhausted(int64_t reserved = 0) const { return countLeft().value_or(INT64_MAX) <= reserved; }

private:
  llvm::Expected<std::string> makeKey() const;
  llvm::Error findLevel();
  llvm::Error prepare();
  llvm::Expected<CompileOptions> makeOptions(const std::string &recipe, const std::string &rules, bool isAsShipped) const;
  llvm::Expected<Trial> measure(const std::string &recipe, const std::string &rules, bool isAsShipped);
  llvm::Expected<Trial> find(const std::string &recipe, const std::string &rules, const std::string &what, bool isAsShipped);
  std::string getName(const std::string &recipe, const std::string &rules, bool isAsShipped) const;
  llvm::Expected<CompileRecord> compileToRounded(CompileOptions rounding);
  llvm::Expected<Trial> measureRounding(const std::string &recipe, const std::string &rules);
  llvm::Expected<Trial> find(const std::string &name, llvm::function_ref<llvm::Expected<Trial>()> measure);

  const CompileOptions &options;
  CompileListener &listener;
  std::string folder, level;
  std::string statistics; ///< the file of the original's; empty: there is none
  Notebook notebook;      ///< trials by recipe and rules
  size_t numTrials = 0;
  ModelHandle original{nullptr, terse_model_close};
  std::vector<int32_t> tokens;
};

} // namespace terse

#endif // TERSE_LIB_SEARCH_TRIALS_H
