//===- Sensitivity.cpp - what each layer may become, and its cost ---------===//
#include "Sensitivity.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <cmath>

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

Error Sensitivity::measure() {
  chooseMethods();
  if (Error error = measureFormats())
    return error;
  findUnits();
  if (units.empty())
    return llvm::createStringError("the recipe 'auto' found no layer that can be rounded");
  std::vector<WeightFormat> others = listOtherFormats();
  for (const std::string &method : otherMethods)
    for (int64_t bits : {probing.bits, int64_t(2)})
      others.push_back({bits, probing.groupSize, {}, method});
  if (Error error = roundOnly(others, units.back().isTables() ? llvm::ArrayRef(kTableFormats) : llvm::ArrayRef<WeightFormat>()))
    return error;
  if (Error error = probe())
    return error;
  if (Error error = measureKinds())
    return error;
  if (Error error = roundOnly(listFormatsOfMethods(), {}))
    return error;
  makeChoices();
  return Error::success();
}

/// What the recipe's keys leave open.
void Sensitivity::chooseMethods() {
  std::optional<llvm::StringRef> symmetric = findKey("symmetric");
  bool hasTable = findKey("format") == "nf4";
  // Kernels gain by zeros in symmetric codes of 4 bits with rounded inputs.
  mayBeSparse = !findKey("prune") && findKey("activations") != "float" && symmetric != "false" && !hasTable;
  if (findKey("method"))
    return;
  if (trials.hasStatistics()) {
    base = "gptq";
    otherMethods.push_back("rtn");
  }
  // It has zero points.
  if (symmetric != "true" && !hasTable)
    otherMethods.push_back("hqq");
}

std::string Sensitivity::makeRecipe(int64_t bits, int64_t groupSize) const {
  return makeUniformRecipe(recipe.name, bits, groupSize, /*isPlain=*/!trials.hasStatistics()) + (base.empty() ? "" : ",method=" + base);
}

/// The whole model in each format.
Error Sensitivity::measureFormats() {
  // A group size that is given is that of all formats.
  finest.groupSize = probing.groupSize = recipe.hasGroupSize ? recipe.groupSize : 64;
  finest.method = probing.method = base;
  std::vector<WeightFormat> formats = {finest, {4, 128}, {4, 64}, {4, 32}, probing, {3, 32}, {2, 64}, {2, 32}};
  if (recipe.hasGroupSize)
    formats = {finest, {4, recipe.groupSize}, probing, {2, recipe.groupSize}};
  for (WeightFormat format : formats) {
    format.method = base;
    // The head too.
    std::string uniformRecipe = makeRecipe(format.bits, format.groupSize) + (findKey("head-bits") ? "" : ",head-bits=" + std::to_string(format.bits));
    std::string what = "all " + format.str();
    Expected<Trial> trial = trials.run(uniformRecipe, "", what);
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
    unit.isCalibrated &= layer.hasStatistics || !trials.hasStatistics();
  }
  for (auto &entry : byInput)
    units.push_back(std::move(entry.second));
  if (!findKey("embedding-bits") && !findKey("embedding-group-size") && !uniform.front().second.tables.empty())
    units.emplace_back();
}

/// Whether zero points are a choice beside the format.
bool Sensitivity::mayHaveZeroPoints(const WeightFormat &format) const {
  return format.bits < 8 && (recipe.hasGroupSize || format.groupSize != 128) && !findKey("symmetric") && findKey("method") != "hqq";
}

/// By the base method, beside those that were measured for all layers: with zero points, and with zeros.
std::vector<WeightFormat> Sensitivity::listOtherFormats() const {
  std::vector<WeightFormat> formats;
  for (const auto &[format, trial] : uniform) {
    if (mayHaveZeroPoints(format))
      formats.push_back({format.bits, format.groupSize, false, base});
    if (format.bits == 4 && mayBeSparse)
      formats.push_back({4, format.groupSize, {}, base, /*isSparse=*/true});
  }
  return formats;
}

/// Of the methods that in 3 or 2 bits cost less for some unit than the base method does, all other formats.
std::vector<WeightFormat> Sensitivity::listFormatsOfMethods() const {
  std::vector<WeightFormat> formats;
  for (const std::string &method : otherMethods) {
    const bool isBetter = llvm::any_of(layerFormats, [&, &method = method](const auto &entry) {
      const WeightFormat &format = entry.first;
      const bool hasZeroPoints = method == "hqq" && !findKey("symmetric");
      const WeightFormat rival{format.bits, format.groupSize, hasZeroPoints ? std::optional(false) : std::nullopt, base};
      auto known = llvm::find_if(layerFormats, [&](const auto &other) { return other.first == rival; });
      return format.method == method && known != layerFormats.end() && llvm::any_of(llvm::seq(units.size()), [&](size_t unit) {
               return !units[unit].isTables() && getCost(unit, entry) < getCost(unit, *known);
             });
    });
    for (const auto &[format, trial] : uniform)
      for (std::optional<bool> symmetric : {std::optional<bool>(), std::optional(false)}) {
        const WeightFormat its{format.bits, format.groupSize, symmetric, method};
        bool isKnown = llvm::any_of(layerFormats, [&](const auto &entry) { return entry.first == its; });
        if (isBetter && !isKnown && format.bits < 8 && (!symmetric || (method != "hqq" && mayHaveZeroPoints(format))))
          formats.push_back(its);
      }
  }
  return formats;
}

Formats Sensitivity::makeFormats(WeightFormat format) const {
  Formats formats;
  for (const Unit &unit : units) {
    if (unit.isTables() || (!unit.isCalibrated && format.isSparse))
      continue;
    WeightFormat its = format;
    if (!unit.isCalibrated && its.method == "gptq")
      its.method = "rtn";
    for (const std::string &name : unit.layers)
      formats.push_back({name, its});
  }
  return formats;
}

/// Formats of which only errors and sizes matter, of layers and of tables beside them.
Error Sensitivity::roundOnly(llvm::ArrayRef<WeightFormat> layers, llvm::ArrayRef<WeightFormat> tables) {
  std::string fine = makeRecipe(finest.bits, finest.groupSize);
  for (size_t i = 0; i < std::max(layers.size(), tables.size()); ++i) {
    Formats formats;
    std::optional<WeightFormat> table;
    std::string what;
    if (i < layers.size()) {
      formats = makeFormats(layers[i]);
      what = "all " + layers[i].str();
    }
    if (i < tables.size()) {
      table = tables[i];
      what += (what.empty() ? "" : ", ") + ("embeddings " + table->str());
    }
    Expected<Trial> trial = trials.round(withTables(fine, table), writeRules(formats), what);
    if (!trial)
      return trial.takeError();
    if (i < layers.size())
      layerFormats.push_back({layers[i], *trial});
    if (i < tables.size())
      tableFormats.push_back({*table, *trial});
  }
  return Error::success();
}

/// Where trials are counted sensitivities may take half of them: then every second unit of a shape is probed, or every third and so on; if shapes
/// are too many for that, those with most weights.
std::vector<char> Sensitivity::chooseProbed() const {
  const size_t most = trials.countLeft() ? *trials.countLeft() / 2 : units.size();
  std::vector<char> isProbed(units.size());
  std::vector<size_t> firsts; // of each shape
  for (size_t step = 1; step <= units.size(); ++step) {
    std::map<std::pair<int64_t, int64_t>, size_t> ofShape;
    for (auto [unit, probed] : llvm::zip(units, isProbed))
      probed = ofShape[{unit.n, unit.k}]++ % step == 0;
    if (size_t(llvm::count(isProbed, true)) <= most)
      return isProbed;
  }
  for (auto [index, probed] : llvm::enumerate(isProbed))
    if (probed)
      firsts.push_back(index);
  llvm::sort(firsts, [&](size_t a, size_t b) { return std::pair(-units[a].n * units[a].k, a) < std::pair(-units[b].n * units[b].k, b); });
  for (size_t index : llvm::drop_begin(firsts, most))
    isProbed[index] = false;
  return isProbed;
}

/// Each unit alone in the probing format.
Error Sensitivity::probe() {
  const Trial &fine = uniform.front().second;
  const Trial &probed = llvm::find_if(uniform, [&](const auto &entry) { return entry.first == probing; })->second;
  std::string fineRecipe = makeRecipe(finest.bits, finest.groupSize);
  std::vector<std::optional<double>> found(units.size());
  std::vector<double> added, kernels;
  std::vector<char> isProbed = chooseProbed();
  for (auto [index, unit] : llvm::enumerate(units)) {
    if (!isProbed[index])
      continue;
    Formats formats;
    std::optional<WeightFormat> table;
    // By the recipe's method.
    for (const std::string &name : unit.layers)
      formats.push_back({name, {probing.bits, probing.groupSize}});
    if (unit.isTables())
      table = kTableFormats[kProbedTable];
    Expected<Trial> trial = trials.run(withTables(fineRecipe, table), writeRules(formats), unit.describe() + " " + table.value_or(probing).str());
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
      found[index] = kl / error;
  }
  reportCliffs(added);
  llvm::sort(kernels);
  if (!kernels.empty())
    kernelBytes = kernels[kernels.size() / 2];
  // What was not measured counts as others do, of its shape if there are any.
  auto findMedian = [&](llvm::function_ref<bool(const Unit &)> counts) -> std::optional<double> {
    std::vector<double> known;
    for (auto [unit, sensitivity] : llvm::zip(units, found))
      if (sensitivity && counts(unit))
        known.push_back(*sensitivity);
    llvm::sort(known);
    return known.empty() ? std::nullopt : std::optional(known[known.size() / 2]);
  };
  double usual = findMedian([](const Unit &) { return true; }).value_or(1);
  for (auto [unit, sensitivity] : llvm::zip(units, found)) {
    auto isAlike = [&, n = unit.n, k = unit.k](const Unit &other) { return other.n == n && other.k == k; };
    sensitivities.push_back(sensitivity ? *sensitivity : findMedian(isAlike).value_or(usual));
  }
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
