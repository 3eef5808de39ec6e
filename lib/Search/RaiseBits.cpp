//===- RaiseBits.cpp - more bits where a recipe loses too much ------------===//
#include "Strategies.h"

#include "llvm/ADT/STLExtras.h"

using namespace terse;
using llvm::Expected;

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
      plan.findings.points.push_back({what, trial->bytes, trial->loss.all});
    return trial;
  };
  Expected<Trial> first = run({});
  if (!first)
    return first.takeError();
  std::vector<Formats> steps = makeSteps(*first);
  if (steps.empty())
    return plan;
  bool isFirst = true;
  auto holds = [&](size_t step) -> Expected<bool> {
    // What is not measured counts as too little.
    if (trials.isExhausted() && !isFirst)
      return false;
    isFirst = false;
    Expected<Trial> trial = run(steps[step]);
    if (!trial)
      return trial.takeError();
    return areKept(options.promises, trial->loss);
  };
  Expected<std::optional<size_t>> found = findFirst(steps.size(), std::nullopt, holds);
  if (!found)
    return found.takeError();
  const Formats &raised = steps[found->value_or(steps.size() - 1)];
  plan.rules = writeRules(raised);
  plan.described = "raised: " + describeFormats(raised) + " (";
  constexpr size_t kNamed = 8;
  for (size_t i = 0; i < raised.size() && i < kNamed; ++i)
    plan.described += (i ? ", " : "") + raised[i].first + " to " + std::to_string(raised[i].second.bits) + " bits";
  plan.described += raised.size() > kNamed ? " ...)" : ")";
  return plan;
}
