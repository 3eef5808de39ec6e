//===- AutoRecipe.cpp - bits and groups by measured sensitivity -----------===//
#include "Strategies.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

using namespace terse;
using llvm::Expected;

namespace {
constexpr WeightFormat kFinest{8, 64}, kProbe{3, 64};

class AutoSearch {
public:
  AutoSearch(const CompileOptions &options, const Recipe &recipe, Trials &trials) : options(options), recipe(recipe), trials(trials) {}

  Expected<Plan> run() {
    if (llvm::Error error = measureFormats())
      return std::move(error);
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
      plan.findings.points.push_back({what, trial->bytes, trial->loss});
    return trial;
  }

  /// The whole model in each format.
  llvm::Error measureFormats() {
    for (WeightFormat format : {kFinest, WeightFormat{4, 128}, WeightFormat{4, 64}, WeightFormat{4, 32}, kProbe, WeightFormat{3, 32},
                                WeightFormat{2, 64}, WeightFormat{2, 32}}) {
      // The head too.
      std::string plain = makePlainRecipe(recipe.name, format.bits, format.groupSize) +
                          (llvm::StringRef(recipe.name).contains("head-bits=") ? "" : ",head-bits=" + std::to_string(format.bits));
      Expected<Trial> trial = runTrial(plain, {}, "all " + format.str());
      if (!trial)
        return trial.takeError();
      uniform.push_back({format, std::move(*trial)});
    }
    for (size_t i = 1; i < uniform.size(); ++i) {
      double finer = std::max(uniform[i - 1].second.loss, 0.0), coarser = uniform[i].second.loss;
      if (uniform[i].first.bits < uniform[i - 1].first.bits && coarser > 0.01 && coarser > 8 * finer)
        plan.findings.cliffs.push_back(llvm::formatv("from {0} to {1} bits the loss goes from {2:f2} % to {3:f2} %", uniform[i - 1].first.bits,
                                                     uniform[i].first.bits, 100 * finer, 100 * coarser));
    }
    return llvm::Error::success();
  }

  const Trial &getUniform(WeightFormat format) const {
    return llvm::find_if(uniform, [&](const auto &entry) { return entry.first == format; })->second;
  }

  /// Each layer alone in the probing format.
  llvm::Error measureLayers() {
    const Trial &finest = getUniform(kFinest), &probing = getUniform(kProbe);
    std::string plain = makePlainRecipe(recipe.name, kFinest.bits, kFinest.groupSize);
    std::vector<double> added;
    for (const auto &[name, layer] : probing.layers) {
      // Without a measure a layer counts as the others do.
      if (trials.isExhausted())
        break;
      Expected<Trial> trial = trials.run(plain, writeRules({{name, kProbe}}), name + " " + kProbe.str());
      if (!trial)
        return trial.takeError();
      added.push_back(std::max(trial->kl - finest.kl, 1e-9));
      plan.findings.layerLosses[name] = trial->loss - finest.loss;
      if (layer.error > 0)
        sensitivities[name] = added.back() / (layer.error * layer.error);
    }
    if (added.empty())
      return llvm::Error::success();
    std::vector<double> sorted = added;
    llvm::sort(sorted);
    double median = sorted[sorted.size() / 2];
    size_t i = 0;
    for (const auto &entry : plan.findings.layerLosses)
      if (double kl = added[i++]; kl > 10 * median && kl > 1e-3)
        plan.findings.cliffs.push_back(
            llvm::formatv("{0} alone at {1} bits adds {2:f5} nats, {3:f0} times the median layer", entry.first, kProbe.bits, kl, kl / median));
    return llvm::Error::success();
  }

  llvm::Error choose() {
    std::vector<double> known;
    for (const auto &entry : sensitivities)
      known.push_back(entry.second);
    llvm::sort(known);
    double usual = known.empty() ? 1 : known[known.size() / 2];
    std::vector<LayerChoices> layers;
    for (const auto &[name, finest] : getUniform(kFinest).layers) {
      auto found = sensitivities.find(name);
      double sensitivity = found == sensitivities.end() ? usual : found->second;
      LayerChoices choices{name, {}};
      for (const auto &[format, trial] : uniform)
        if (auto layer = trial.layers.find(name); layer != trial.layers.end())
          choices.options.push_back({format, layer->second.bytes, sensitivity * layer->second.error * layer->second.error});
      layers.push_back(std::move(choices));
    }
    if (layers.empty())
      return llvm::createStringError("the recipe 'auto' found no layer that can be rounded");
    std::vector<Allocation> path = makePath(layers);
    auto getFormats = [&](size_t step) {
      Formats formats;
      for (auto [layer, option] : llvm::zip(layers, path[step]))
        formats.push_back({layer.name, layer.options[option].format});
      return formats;
    };
    std::optional<size_t> best;
    Expected<std::optional<size_t>> first = findFirst(path.size(), [&](size_t step) -> Expected<bool> {
      if (trials.isExhausted() && best)
        return false;
      Expected<Trial> trial = runTrial(recipe.name, getFormats(step), "auto " + describeFormats(getFormats(step)));
      if (!trial)
        return trial.takeError();
      bool holds = trial->loss <= *options.maxLoss;
      if (holds || !best)
        best = step;
      return holds;
    });
    if (!first)
      return first.takeError();
    size_t step = *first ? **first : *best;
    // With the trials used up, halving ends where nothing was measured.
    if (trials.isExhausted())
      step = *best;
    plan.rules = writeRules(getFormats(step));
    plan.described = "chosen: " + describeFormats(getFormats(step));
    return llvm::Error::success();
  }

  const CompileOptions &options;
  const Recipe &recipe;
  Trials &trials;
  std::vector<std::pair<WeightFormat, Trial>> uniform;
  std::map<std::string, double> sensitivities;
  Plan plan;
};
} // namespace

Expected<Plan> terse::chooseFormats(const CompileOptions &options, const Recipe &recipe, Trials &trials) {
  return AutoSearch(options, recipe, trials).run();
}
