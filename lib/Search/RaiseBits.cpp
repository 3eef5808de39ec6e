//===- RaiseBits.cpp - more bits where a recipe loses too much ------------===//
#include "Strategies.h"

#include "llvm/ADT/STLExtras.h"

using namespace terse;
using llvm::Expected;

using Formats = std::vector<std::pair<std::string, WeightFormat>>;

/// What layers get, one more of them raised in each step: all that have fewer than 3 bits to 3, worst first, then to 4, then to 8.
static std::vector<Formats> makeSteps(const Trial &first) {
  std::vector<std::pair<std::string, Trial::Layer>> layers(first.layers.begin(), first.layers.end());
  llvm::sort(layers, [](const auto &a, const auto &b) { return std::pair(-a.second.error, a.first) < std::pair(-b.second.error, b.first); });
  std::vector<Formats> steps;
  Formats raised;
  for (int64_t bits : {3, 4, 8})
    for (const auto &[name, layer] : layers) {
      if (layer.format.bits >= bits)
        continue;
      auto known = llvm::find_if(raised, [&, wanted = name](const auto &entry) { return entry.first == wanted; });
      if (known == raised.end())
        raised.push_back({name, {bits, layer.format.groupSize}});
      else
        known->second.bits = bits;
      steps.push_back(raised);
    }
  return steps;
}

Expected<Plan> terse::raiseBits(const CompileOptions &options, const Recipe &recipe, Trials &trials) {
  Plan plan;
  auto run = [&](const Formats &raised) -> Expected<Trial> {
    std::string what = recipe.name + (raised.empty() ? "" : " with " + describeFormats(raised));
    Expected<Trial> trial = trials.run(recipe.name, writeRules(raised), what);
    if (trial)
      plan.findings.points.push_back({what, trial->bytes, trial->loss});
    return trial;
  };
  Expected<Trial> first = run({});
  if (!first)
    return first.takeError();
  if (first->loss <= *options.maxLoss)
    return plan;
  std::vector<Formats> steps = makeSteps(*first);
  std::optional<size_t> best;
  auto holds = [&](size_t step) -> Expected<bool> {
    if (trials.isExhausted() && best)
      return false;
    Expected<Trial> trial = run(steps[step]);
    if (!trial)
      return trial.takeError();
    // The best so far is the smallest that holds, else what loses least.
    bool result = trial->loss <= *options.maxLoss;
    if (result || !best)
      best = step;
    return result;
  };
  Expected<std::optional<size_t>> found = findFirst(steps.size(), holds);
  if (!found)
    return found.takeError();
  if (*found)
    best = *found;
  if (best) {
    plan.rules = writeRules(steps[*best]);
    plan.described = "raised: " + describeFormats(steps[*best]);
    for (size_t i = 0; i < steps[*best].size() && i < 8; ++i)
      plan.described += (i ? ", " : " (") + steps[*best][i].first + " to " + std::to_string(steps[*best][i].second.bits) + " bits";
    plan.described += steps[*best].size() > 8 ? " ...)" : ")";
  }
  return plan;
}
