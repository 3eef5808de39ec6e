//===- FormatCosts.cpp - what formats cost, by sensitivities --------------===//
#include "Sensitivity.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>

using namespace terse;
using llvm::Error;
using llvm::Expected;

/// Beyond it what was measured is no property of a method.
static constexpr double kMostFactor = 8;

double Sensitivity::sumCosts(const Trial &trial) const {
  double cost = 0;
  for (auto [unit, sensitivity] : llvm::zip(units, sensitivities))
    if (!unit.isTables())
      cost += sensitivity * getSquaredError(unit, trial);
  return cost;
}

/// The cost at which the known models, (cost, divergence), diverge by `kl`; between them, and beyond, powers.
static std::optional<double> findCost(std::vector<std::pair<double, double>> known, double kl) {
  llvm::erase_if(known, [](const auto &entry) { return !(entry.first > 0 && entry.second > 0); });
  llvm::sort(known, llvm::less_second());
  if (known.size() < 2 || !(kl > 0))
    return std::nullopt;
  size_t i = 1;
  while (i + 1 < known.size() && known[i].second < kl)
    ++i;
  auto [cost, divergence] = known[i - 1];
  double span = std::log(known[i].second / divergence);
  return span > 0 ? cost * std::exp(std::log(known[i].first / cost) * std::log(kl / divergence) / span) : cost;
}

Error Sensitivity::measureKinds() {
  std::vector<std::pair<double, double>> known;
  const Trial &fine = uniform.front().second;
  for (const auto &entry : llvm::drop_begin(uniform))
    known.push_back({sumCosts(entry.second), entry.second.kl - fine.kl});
  std::vector<WeightFormat> kinds;
  for (const std::string &method : otherMethods)
    kinds.push_back({probing.bits, probing.groupSize, {}, method});
  if (mayBeSparse)
    kinds.push_back({4, probing.groupSize, {}, base, /*isSparse=*/true});
  // Few trials are better spent otherwise.
  if (trials.countLeft().value_or(INT64_MAX) < int64_t(4 * kinds.size()))
    return Error::success();
  for (const WeightFormat &kind : kinds) {
    std::string what = "all " + kind.str();
    Expected<Trial> trial = trials.run(makeRecipe(finest.bits, finest.groupSize), writeRules(makeFormats(kind)), what);
    if (!trial)
      return trial.takeError();
    findings.points.push_back({what, trial->bytes, trial->loss.all});
    double predicted = sumCosts(*trial);
    if (std::optional<double> cost = findCost(known, trial->kl - fine.kl); cost && predicted > 0)
      factors[{kind.method, kind.isSparse}] = std::clamp(*cost / predicted, 1 / kMostFactor, kMostFactor);
  }
  return Error::success();
}

double Sensitivity::getCost(size_t unit, const std::pair<WeightFormat, Trial> &entry) const {
  const auto &[format, trial] = entry;
  auto factor = factors.find({format.method, format.isSparse});
  bool isKnown = !units[unit].isTables() && factor != factors.end();
  return sensitivities[unit] * getSquaredError(units[unit], trial) * (isKnown ? factor->second : 1);
}

void Sensitivity::makeChoices() {
  for (auto [index, unit] : llvm::enumerate(units)) {
    LayerChoices &choice = choices.emplace_back();
    choice.name = unit.describe();
    choice.isApart = unit.isTables();
    for (const auto &entry : unit.isTables() ? tableFormats : layerFormats) {
      WeightFormat format = entry.first;
      if (format.isSparse && !unit.isCalibrated)
        continue;
      if (!unit.isTables() && !unit.isCalibrated && format.method == "gptq")
        format.method = "rtn";
      choice.options.push_back({format, getBytes(unit, entry.second), getCost(index, entry)});
    }
    keepBestMethods(choice);
  }
}
