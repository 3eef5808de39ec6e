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
  bool isCalibrated = true;        ///< statistics know the inputs, or there are none of any layer

  bool isTables() const { return layers.empty(); }
  std::string describe() const;
};

/// What can be chosen of a model, and what it costs.
///
/// 1. The whole model in each format by the base method, which is the recipe's, else gptq where there are statistics, else rtn: losses, sizes, and
/// each
///    layer's error in each format. Of formats with zero points, by other methods, with zeros, and of tables, errors and sizes alone.
/// 2. Each unit alone in one probing format, all others in 8 bits: the KL divergence that it adds. Divided by the square of its error, that is
///    the unit's sensitivity, and sensitivity times squared error what a format costs.
/// 3. The whole model by each other method, and with zeros: where its divergence is not what these costs add up to, they are of another kind of
/// error,
///    and are multiplied by what makes them so.
///
/// Errors are of outputs where there are statistics: gptq makes those of weights larger. Without statistics what takes them is left out of all that.
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
  /// Costs of all layers as a trial rounded them, if all errors are of the base method's kind.
  double sumCosts(const Trial &trial) const;

  /// Of an artifact, beside the weights that were rounded.
  static double getOverhead(const Trial &trial);

  /// The recipe's text with tables in `format`, if it is given.
  static std::string withTables(const std::string &recipe, std::optional<WeightFormat> format);

private:
  void chooseMethods();
  llvm::Error measureFormats();
  void findUnits();
  bool mayHaveZeroPoints(const WeightFormat &format) const;
  std::vector<WeightFormat> listOtherFormats() const;
  std::vector<WeightFormat> listFormatsOfMethods() const;
  llvm::Error roundOnly(llvm::ArrayRef<WeightFormat> layers, llvm::ArrayRef<WeightFormat> tables);
  std::vector<char> chooseProbed() const;
  llvm::Error probe();
  llvm::Error measureKinds();
  void reportCliffs(llvm::ArrayRef<double> added);
  void makeChoices();

  std::string makeRecipe(int64_t bits, int64_t groupSize) const;
  /// All layers in a format, as far as they can have it.
  Formats makeFormats(WeightFormat format) const;
  double getCost(size_t unit, const std::pair<WeightFormat, Trial> &entry) const;
  double getSquaredError(const Unit &unit, const Trial &trial) const;
  double getBytes(const Unit &unit, const Trial &trial) const;
  std::optional<llvm::StringRef> findKey(llvm::StringRef key) const { return findRecipeKey(recipe.name, key); }

  const Recipe &recipe;
  Trials &trials;
  SearchFindings &findings;
  std::string base; ///< a method; empty: as the recipe says
  std::vector<std::string> otherMethods;
  bool mayBeSparse = false;
  /// What may become of layers and of tables, with a trial that rounded them so.
  std::vector<std::pair<WeightFormat, Trial>> layerFormats, tableFormats;
  WeightFormat finest{8, 0}, probing{3, 0};
  std::vector<double> sensitivities; ///< of the units
  /// By method and whether with zeros: what costs are multiplied by.
  std::map<std::pair<std::string, bool>, double> factors;
};

} // namespace terse

#endif // TERSE_LIB_SEARCH_SENSITIVITY_H
