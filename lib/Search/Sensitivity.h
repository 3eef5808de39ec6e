//===- Sensitivity.h - what each layer may become, and its cost -*- C++ -*-===//
#ifndef TERSE_LIB_SEARCH_SENSITIVITY_H
#define TERSE_LIB_SEARCH_SENSITIVITY_H

#include "Trials.h"

#include "terse/Pipeline/Recipe.h"
#include "terse/Quality/Guard.h"

namespace terse {

/// Layers that read one input: in one format they become one layer, which is faster and less code.
struct Unit {
  std::vector<std::string> layers; ///< empty: all tables of embeddings
  int64_t n = 0, k = 0;            ///< outputs of all, inputs

  bool isTables() const { return layers.empty(); }
  std::string describe() const;
};

/// What can be chosen of a model, and what it costs: measured with weights rounded to the nearest, whatever the recipe's method.
///
/// 1. The whole model in each format: losses, sizes, and each layer's error in each format. Of formats with zero points, and of tables, errors
///    and sizes alone.
/// 2. Each unit alone in one probing format, all others in 8 bits: the KL divergence that it adds. Divided by the square of its error, that is
///    the unit's sensitivity, and sensitivity times squared error what a format costs.
class Sensitivity {
public:
  Sensitivity(const Recipe &recipe, Trials &trials, SearchFindings &findings) : recipe(recipe), trials(trials), findings(findings) {}

  llvm::Error measure();

  std::vector<Unit> units;
  std::vector<LayerChoices> choices; ///< of the units; prices are bytes
  /// The whole model in one format.
  std::vector<std::pair<WeightFormat, Trial>> uniform;

  /// Bytes of code, for one CPU level, of a layer's shape in a format that no other layer has.
  double kernelBytes = 0;
  /// Of an artifact, beside the weights that were rounded.
  static double getOverhead(const Trial &trial);

  /// The recipe's text with tables in `format`, if it is given.
  static std::string withTables(const std::string &recipe, std::optional<WeightFormat> format);

private:
  llvm::Error measureFormats();
  llvm::Error roundOnly();
  void findUnits();
  llvm::Error probe(std::vector<std::optional<double>> &sensitivities);
  void reportCliffs(llvm::ArrayRef<double> added);
  double getSquaredError(const Unit &unit, const Trial &trial) const;
  double getBytes(const Unit &unit, const Trial &trial) const;
  bool hasKey(llvm::StringRef key) const;

  const Recipe &recipe;
  Trials &trials;
  SearchFindings &findings;
  /// What may become of layers and of tables, with a trial that rounded them so.
  std::vector<std::pair<WeightFormat, Trial>> layerFormats, tableFormats;
  WeightFormat finest{8, 0}, probing{3, 0};
};

} // namespace terse

#endif // TERSE_LIB_SEARCH_SENSITIVITY_H
