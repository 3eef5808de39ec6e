//===- Sensitivity.cpp - what each layer may become, and its cost ---------===//
#include "Sensitivity.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

using namespace terse;
using llvm::Error;
using llvm::Expected;

/// Of tables: 8 bits a row, as the recipes do, and what is smaller.
static const WeightFormat kTableFormats[] = {{8, 0}, {4, 64}, {4, 32}, {3, 32}, {2, 32}};
static constexpr size_t kProbedTable = 2;

std::string Unit::describe() const {
  if (isTables())
    return "embeddings";
  return layers.front() + (layers.size() > 1 ? " and " + std::to_string(layers.size() - 1) + " more" : "");
}

std::string Sensitivity::withTables(const std::string &recipe, std::optional<WeightFormat> format) {
  if (!format)
    return recipe;
  return recipe + (llvm::StringRef(recipe).contains(':') ? "," : ":") + "embedding-bits=" + std::to_string(format->bits) +
         ",embedding-group-size=" + std::to_string(format->groupSize);
}

bool Sensitivity::hasKey(llvm::StringRef key) const { return findRecipeKey(recipe.name, key).has_value(); }

Error Sensitivity::measure() {
  if (Error error = measureFormats())
    return error;
  findUnits();
  if (units.empty())
    return llvm::createStringError("the recipe 'auto' found no layer that can be rounded");
  if (Error error = roundOnly())
    return error;
  std::vector<std::optional<double>> sensitivities(units.size());
  if (Error error = probe(sensitivities))
    return error;
  // What was not measured counts as others do.
  std::vector<double> known;
  for (std::optional<double> sensitivity : sensitivities)
    if (sensitivity)
      known.push_back(*sensitivity);
  llvm::sort(known);
  double usual = known.empty() ? 1 : known[known.size() / 2];
  for (auto [unit, sensitivity] : llvm::zip(units, sensitivities)) {
    LayerChoices &choice = choices.emplace_back();
    choice.name = unit.describe();
    for (const auto &[format, trial] : unit.isTables() ? tableFormats : layerFormats)
      choice.options.push_back({format, getBytes(unit, trial), sensitivity.value_or(usual) * getSquaredError(unit, trial)});
  }
  return Error::success();
}

/// The whole model in each format.
Error Sensitivity::measureFormats() {
  // A group size that is given is that of all formats.
  finest.groupSize = probing.groupSize = recipe.hasGroupSize ? recipe.groupSize : 64;
  std::vector<WeightFormat> formats = {finest, {4, 128}, {4, 64}, {4, 32}, probing, {3, 32}, {2, 64}, {2, 32}};
  if (recipe.hasGroupSize)
    formats = {finest, {4, recipe.groupSize}, probing, {2, recipe.groupSize}};
  for (WeightFormat format : formats) {
    // The head too.
    std::string plain = makePlainRecipe(recipe.name, format.bits, format.groupSize) +
                        (hasKey("head-bits") ? "" : ",head-bits=" + std::to_string(format.bits));
    std::string what = "all " + format.str();
    Expected<Trial> trial = trials.run(plain, "", what);
    if (!trial)
      return trial.takeError();
    findings.points.push_back({what, trial->bytes, trial->loss.all});
    uniform.push_back({format, std::move(*trial)});
  }
  for (size_t i = 1; i < uniform.size(); ++i) {
    double finer = std::max(uniform[i - 1].second.loss.all, 0.0), coarser = uniform[i].second.loss.all;
    if (uniform[i].first.bits < uniform[i - 1].first.bits && coarser > 0.01 && coarser > 8 * finer)
      findings.cliffs.push_back(llvm::formatv("from {0} to {1} bits the loss goes from {2:f2} % to {3:f2} %", uniform[i - 1].first.bits,
                                              uniform[i].first.bits, 100 * finer, 100 * coarser));
  }
  layerFormats = uniform;
  return Error::success();
}

/// In the order of their names.
void Sensitivity::findUnits() {
  std::map<std::string, Unit> byInput;
  for (const auto &[name, layer] : uniform.front().second.layers) {
    Unit &unit = byInput[layer.inputOf];
    unit.layers.push_back(name);
    unit.n += layer.n;
    unit.k = layer.k;
  }
  for (auto &entry : byInput)
    units.push_back(std::move(entry.second));
  if (!hasKey("embedding-bits") && !hasKey("embedding-group-size") && !uniform.front().second.tables.empty())
    units.emplace_back();
}

/// Formats of which only errors and sizes matter: of layers with zero points, beside them those of tables.
Error Sensitivity::roundOnly() {
  std::vector<WeightFormat> layers;
  bool isChosen = hasKey("symmetric") || findRecipeKey(recipe.name, "method") == "hqq";
  for (const auto &[format, trial] : uniform)
    if (format.bits < 8 && !isChosen && !(format == WeightFormat{4, 128}))
      layers.push_back({format.bits, format.groupSize, false});
  llvm::ArrayRef<WeightFormat> tables;
  if (units.back().isTables())
    tables = kTableFormats;
  std::string plain = makePlainRecipe(recipe.name, finest.bits, finest.groupSize);
  for (size_t i = 0; i < std::max(layers.size(), tables.size()); ++i) {
    Formats formats;
    std::optional<WeightFormat> table;
    std::string what;
    if (i < layers.size()) {
      for (const auto &entry : uniform.front().second.layers)
        formats.push_back({entry.first, layers[i]});
      what = "all " + layers[i].str();
    }
    if (i < tables.size()) {
      table = tables[i];
      what += (what.empty() ? "" : ", ") + ("embeddings " + table->str());
    }
    Expected<Trial> trial = trials.round(withTables(plain, table), writeRules(formats), what);
    if (!trial)
      return trial.takeError();
    if (i < layers.size())
      layerFormats.push_back({layers[i], *trial});
    if (i < tables.size())
      tableFormats.push_back({*table, *trial});
  }
  return Error::success();
}

/// Each unit alone in the probing format.
Error Sensitivity::probe(std::vector<std::optional<double>> &sensitivities) {
  const Trial &fine = uniform.front().second;
  const Trial &probed = llvm::find_if(uniform, [&](const auto &entry) { return entry.first == probing; })->second;
  std::string plain = makePlainRecipe(recipe.name, finest.bits, finest.groupSize);
  std::vector<double> added, kernels;
  for (auto [unit, sensitivity] : llvm::zip(units, sensitivities)) {
    if (trials.isExhausted())
      break;
    Formats formats;
    std::optional<WeightFormat> table;
    for (const std::string &name : unit.layers)
      formats.push_back({name, probing});
    if (unit.isTables())
      table = kTableFormats[kProbedTable];
    Expected<Trial> trial = trials.run(withTables(plain, table), writeRules(formats), unit.describe() + " " + table.value_or(probing).str());
    if (!trial)
      return trial.takeError();
    double kl = std::max(trial->kl - fine.kl, 1e-9);
    for (const std::string &name : unit.layers)
      findings.layerLosses[name] = trial->loss.all - fine.loss.all;
    if (!unit.isTables()) {
      added.push_back(kl);
      kernels.push_back(std::max(0.0, getOverhead(*trial) - getOverhead(fine)));
    }
    if (double error = getSquaredError(unit, unit.isTables() ? tableFormats[kProbedTable].second : probed); error > 0)
      sensitivity = kl / error;
  }
  reportCliffs(added);
  llvm::sort(kernels);
  if (!kernels.empty())
    kernelBytes = kernels[kernels.size() / 2];
  return Error::success();
}

void Sensitivity::reportCliffs(llvm::ArrayRef<double> added) {
  if (added.empty())
    return;
  std::vector<double> sorted = added.vec();
  llvm::sort(sorted);
  double median = sorted[sorted.size() / 2];
  for (auto [unit, kl] : llvm::zip(units, added))
    if (kl > 10 * median && kl > 1e-3)
      findings.cliffs.push_back(
          llvm::formatv("{0} alone at {1} bits adds {2:f5} nats, {3:f0} times the median", unit.describe(), probing.bits, kl, kl / median));
}

/// Of the layers' errors in a format, relative to each.
double Sensitivity::getSquaredError(const Unit &unit, const Trial &trial) const {
  double sum = 0;
  for (const std::string &name : unit.layers)
    if (auto layer = trial.layers.find(name); layer != trial.layers.end())
      sum += layer->second.error * layer->second.error;
  if (unit.isTables())
    for (const auto &[name, table] : trial.tables)
      sum += table.error * table.error;
  return sum;
}

double Sensitivity::getOverhead(const Trial &trial) {
  double bytes = double(trial.bytes);
  for (const auto &[name, layer] : trial.layers)
    bytes -= layer.bytes;
  for (const auto &[name, table] : trial.tables)
    bytes -= table.bytes;
  return bytes;
}

double Sensitivity::getBytes(const Unit &unit, const Trial &trial) const {
  double sum = 0;
  for (const std::string &name : unit.layers)
    if (auto layer = trial.layers.find(name); layer != trial.layers.end())
      sum += layer->second.bytes;
  if (unit.isTables())
    for (const auto &[name, table] : trial.tables)
      sum += table.bytes;
  return sum;
}
