//===- AutoRecipe.cpp - bits and groups by measured sensitivity -----------===//
#include "Strategies.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

using namespace terse;
using llvm::Expected;

namespace {
class AutoSearch {
public:
  AutoSearch(const CompileOptions &options, const Recipe &recipe, Trials &trials) : options(options), recipe(recipe), trials(trials) {}

  Expected<Plan> run() {
    if (llvm::Error error = measureFormats())
      return std::move(error);
    findUnits();
    if (llvm::Error error = measureLayers())
      return std::move(error);
    if (llvm::Error error = choose())
      return std::move(error);
    return std::move(plan);
  }

private:
  using Formats = std::vector<std::pair<std::string, WeightFormat>>;

  Expected<Trial> runTrial(const std::string &name, const Formats &formats, const std::string &what) {
    Expected<Trial> trial = trials.run(name, writeRules(formats), what);
    if (trial)
      plan.findings.points.push_back({what, trial->bytes, trial->loss.all});
    return trial;
  }

  /// The whole model in each format.
  llvm::Error measureFormats() {
    std::vector<WeightFormat> formats = {finest, {4, 128}, {4, 64}, {4, 32}, probe, {3, 32}, {2, 64}, {2, 32}};
    if (recipe.hasGroupSize)
      formats = {finest, {4, recipe.groupSize}, probe, {2, recipe.groupSize}};
    for (WeightFormat format : formats) {
      // The head too.
      std::string plain = makePlainRecipe(recipe.name, format.bits, format.groupSize) +
                          (llvm::StringRef(recipe.name).contains("head-bits=") ? "" : ",head-bits=" + std::to_string(format.bits));
      Expected<Trial> trial = runTrial(plain, {}, "all " + format.str());
      if (!trial)
        return trial.takeError();
      uniform.push_back({format, std::move(*trial)});
    }
    for (size_t i = 1; i < uniform.size(); ++i) {
      double finer = std::max(uniform[i - 1].second.loss.all, 0.0), coarser = uniform[i].second.loss.all;
      if (uniform[i].first.bits < uniform[i - 1].first.bits && coarser > 0.01 && coarser > 8 * finer)
        plan.findings.cliffs.push_back(llvm::formatv("from {0} to {1} bits the loss goes from {2:f2} % to {3:f2} %", uniform[i - 1].first.bits,
                                                     uniform[i].first.bits, 100 * finer, 100 * coarser));
    }
    return llvm::Error::success();
  }

  const Trial &getUniform(WeightFormat format) const {
    return llvm::find_if(uniform, [&](const auto &entry) { return entry.first == format; })->second;
  }

  /// Layers that read one input are a unit: in one format they become one layer, which is faster and less code.
  void findUnits() {
    for (const auto &[name, layer] : getUniform(finest).layers)
      units[layer.inputOf].push_back(name);
  }

  /// Each unit alone in the probing format.
  llvm::Error measureLayers() {
    const double klOfFinest = getUniform(finest).kl, lossOfFinest = getUniform(finest).loss.all;
    std::string plain = makePlainRecipe(recipe.name, finest.bits, finest.groupSize);
    std::vector<double> added;
    for (const auto &[unit, names] : units) {
      // Without a measure a unit counts as the others do.
      if (trials.isExhausted())
        break;
      Expected<Trial> trial = trials.run(plain, writeRules(giveFormat(names, probe)), describeUnit(names) + " " + probe.str());
      if (!trial)
        return trial.takeError();
      added.push_back(std::max(trial->kl - klOfFinest, 1e-9));
      for (const std::string &name : names)
        plan.findings.layerLosses[name] = trial->loss.all - lossOfFinest;
      if (double error = getSquaredError(names, probe); error > 0)
        sensitivities[unit] = added.back() / error;
    }
    if (added.empty())
      return llvm::Error::success();
    std::vector<double> sorted = added;
    llvm::sort(sorted);
    double median = sorted[sorted.size() / 2];
    auto unit = units.begin();
    for (double kl : added) {
      if (kl > 10 * median && kl > 1e-3)
        plan.findings.cliffs.push_back(llvm::formatv("{0} alone at {1} bits adds {2:f5} nats, {3:f0} times the median",
                                                     describeUnit(unit->second), probe.bits, kl, kl / median));
      ++unit;
    }
    return llvm::Error::success();
  }

  llvm::Error choose() {
    std::vector<double> known;
    for (const auto &entry : sensitivities)
      known.push_back(entry.second);
    llvm::sort(known);
    double usual = known.empty() ? 1 : known[known.size() / 2];
    std::vector<LayerChoices> layers;
    for (const auto &[unit, names] : units) {
      auto found = sensitivities.find(unit);
      double sensitivity = found == sensitivities.end() ? usual : found->second;
      LayerChoices choices{unit, {}};
      for (const auto &[format, trial] : uniform) {
        double bytes = 0;
        for (const std::string &name : names)
          if (auto layer = trial.layers.find(name); layer != trial.layers.end())
            bytes += layer->second.bytes;
        choices.options.push_back({format, bytes, sensitivity * getSquaredError(names, format)});
      }
      layers.push_back(std::move(choices));
    }
    if (layers.empty())
      return llvm::createStringError("the recipe 'auto' found no layer that can be rounded");
    std::vector<Allocation> path = makePath(layers);
    auto getFormats = [&](size_t step) {
      Formats formats;
      for (auto [layer, option] : llvm::zip(layers, path[step]))
        llvm::append_range(formats, giveFormat(units[layer.name], layer.options[option].format));
      return formats;
    };
    Expected<std::optional<size_t>> first = findFirst(path.size(), [&](size_t step) { return tryFormats(getFormats(step)); });
    if (!first)
      return first.takeError();
    // What is measured is not quite what was predicted: one format for all may be as good.
    for (const auto &[format, trial] : uniform)
      if (areKept(options.promises, trial.loss) && trial.bytes < bestBytes) {
        Formats all;
        for (const auto &entry : units)
          llvm::append_range(all, giveFormat(entry.second, format));
        if (Expected<bool> tried = tryFormats(all); !tried)
          return tried.takeError();
      }
    plan.rules = writeRules(best);
    plan.described = "chosen: " + describeFormats(best);
    return llvm::Error::success();
  }

  /// Measures the recipe with these formats, and keeps them if they are the best so far: the smallest artifact that holds the promise, else
  /// the one that exceeds it least. With the trials used up nothing more is measured.
  Expected<bool> tryFormats(const Formats &formats) {
    if (trials.isExhausted() && !best.empty())
      return false;
    Expected<Trial> trial = runTrial(recipe.name, formats, "auto " + describeFormats(formats));
    if (!trial)
      return trial.takeError();
    double excess = getExcess(options.promises, trial->loss);
    bool holds = excess <= 0;
    bool isBetter = holds ? !bestHolds || trial->bytes < bestBytes : !bestHolds && excess < bestExcess;
    if (best.empty() || isBetter) {
      best = formats;
      bestHolds = holds;
      bestBytes = trial->bytes;
      bestExcess = excess;
    }
    return holds;
  }

  static Formats giveFormat(llvm::ArrayRef<std::string> names, WeightFormat format) {
    Formats formats;
    for (const std::string &name : names)
      formats.push_back({name, format});
    return formats;
  }

  static std::string describeUnit(llvm::ArrayRef<std::string> names) {
    return names.front() + (names.size() > 1 ? " and " + std::to_string(names.size() - 1) + " more" : "");
  }

  /// Of the layers' errors in a format, relative to each.
  double getSquaredError(llvm::ArrayRef<std::string> names, WeightFormat format) const {
    double sum = 0;
    for (const std::string &name : names)
      if (auto layer = getUniform(format).layers.find(name); layer != getUniform(format).layers.end())
        sum += layer->second.error * layer->second.error;
    return sum;
  }

  const CompileOptions &options;
  const Recipe &recipe;
  Trials &trials;
  /// A group size that is given is that of all formats.
  WeightFormat finest{8, recipe.hasGroupSize ? recipe.groupSize : 64}, probe{3, finest.groupSize};
  std::vector<std::pair<WeightFormat, Trial>> uniform;
  std::map<std::string, std::vector<std::string>> units; ///< layers by the first one of their input
  std::map<std::string, double> sensitivities;           ///< of units
  Formats best;
  bool bestHolds = false;
  uint64_t bestBytes = 0;
  double bestExcess = 0;
  Plan plan;
};
} // namespace

Expected<Plan> terse::chooseFormats(const CompileOptions &options, const Recipe &recipe, Trials &trials) {
  return AutoSearch(options, recipe, trials).run();
}
