//===- Allocation.cpp - which layer gets which bits -----------------------===//
#include "Allocation.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"

#include <map>
#include <numeric>
#include <tuple>

using namespace terse;

std::string WeightFormat::str() const { return "w" + std::to_string(bits) + " g" + std::to_string(groupSize); }

/// Indices of the options on the lower convex hull, from the smallest on: each costs less than the one before, and the gain per byte falls.
static std::vector<size_t> findHull(llvm::ArrayRef<LayerChoices::Option> options) {
  std::vector<size_t> order(options.size()), hull;
  std::iota(order.begin(), order.end(), 0);
  llvm::sort(order, [&](size_t a, size_t b) {
    return std::tuple(options[a].bytes, options[a].cost, a) < std::tuple(options[b].bytes, options[b].cost, b);
  });
  auto gain = [&](size_t from, size_t to) {
    return (options[from].cost - options[to].cost) / (options[to].bytes - options[from].bytes);
  };
  for (size_t i : order) {
    if (!hull.empty() && (options[i].cost >= options[hull.back()].cost || options[i].bytes == options[hull.back()].bytes))
      continue;
    while (hull.size() > 1 && gain(hull.back(), i) >= gain(hull[hull.size() - 2], hull.back()))
      hull.pop_back();
    hull.push_back(i);
  }
  return hull;
}

std::vector<Allocation> terse::makePath(llvm::ArrayRef<LayerChoices> layers) {
  struct Step {
    size_t layer, option, place; ///< place: in the layer's hull
    double gain;
  };
  std::vector<Step> steps;
  Allocation allocation;
  for (auto [layer, choices] : llvm::enumerate(layers)) {
    std::vector<size_t> hull = findHull(choices.options);
    allocation.push_back(hull.front());
    for (size_t i = 1; i < hull.size(); ++i) {
      const LayerChoices::Option &from = choices.options[hull[i - 1]], &to = choices.options[hull[i]];
      steps.push_back({layer, hull[i], i, (from.cost - to.cost) / (to.bytes - from.bytes)});
    }
  }
  // A layer's own steps have falling gains: they stay in order.
  llvm::sort(steps, [](const Step &a, const Step &b) { return std::tuple(-a.gain, a.layer, a.place) < std::tuple(-b.gain, b.layer, b.place); });
  std::vector<Allocation> path{allocation};
  for (const Step &step : steps) {
    allocation[step.layer] = step.option;
    path.push_back(allocation);
  }
  return path;
}

llvm::Expected<std::optional<size_t>> terse::findFirst(size_t count, llvm::function_ref<llvm::Expected<bool>(size_t)> holds) {
  if (count == 0)
    return std::nullopt;
  llvm::Expected<bool> last = holds(count - 1);
  if (!last)
    return last.takeError();
  if (!*last)
    return std::nullopt;
  size_t low = 0, high = count - 1; // the answer is in low .. high
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    llvm::Expected<bool> result = holds(middle);
    if (!result)
      return result.takeError();
    if (*result)
      high = middle;
    else
      low = middle + 1;
  }
  return std::optional<size_t>(low);
}

std::string terse::writeRules(llvm::ArrayRef<std::pair<std::string, WeightFormat>> layers) {
  std::map<std::pair<int64_t, int64_t>, std::vector<std::string>> byFormat;
  for (const auto &[name, format] : layers) {
    std::string pattern;
    // A dot matches itself too, and what neither rules nor pipelines can hold.
    for (char c : name)
      pattern += llvm::isAlnum(c) || c == '_' || c == '/' || c == '-' ? c : '.';
    byFormat[{format.bits, format.groupSize}].push_back(pattern);
  }
  std::vector<std::string> rules;
  for (const auto &[format, names] : byFormat)
    rules.push_back("^(" + llvm::join(names, "|") + ")$=bits:" + std::to_string(format.first) + ",group_size:" + std::to_string(format.second));
  return llvm::join(rules, ";");
}
