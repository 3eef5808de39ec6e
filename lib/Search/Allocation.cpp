//===- Allocation.cpp - which layer gets which bits -----------------------===//
#include "Allocation.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"

#include <cmath>
#include <map>
#include <numeric>
#include <queue>
#include <tuple>

using namespace terse;

std::string WeightFormat::str() const {
  return "w" + std::to_string(bits) + " g" + std::to_string(groupSize) + (isSparse ? " 2:4" : "") + (symmetric.value_or(true) ? "" : " asymmetric") +
         (method.empty() ? "" : " " + method);
}

AllocationSum terse::sum(llvm::ArrayRef<LayerChoices> layers, const Allocation &allocation) {
  AllocationSum sum;
  for (auto [layer, option] : llvm::zip(layers, allocation)) {
    sum.price += layer.options[option].price;
    sum.cost += layer.options[option].cost;
  }
  return sum;
}

/// Indices of the options on the lower convex hull, from the smallest on: each costs less than the one before, and the gain for its price falls.
static std::vector<size_t> findHull(llvm::ArrayRef<LayerChoices::Option> options) {
  std::vector<size_t> order(options.size()), hull;
  std::iota(order.begin(), order.end(), 0);
  llvm::sort(order, [&](size_t a, size_t b) {
    return std::tuple(options[a].price, options[a].cost, a) < std::tuple(options[b].price, options[b].cost, b);
  });
  auto gain = [&](size_t from, size_t to) {
    return (options[from].cost - options[to].cost) / (options[to].price - options[from].price);
  };
  for (size_t i : order) {
    if (!hull.empty() && (options[i].cost >= options[hull.back()].cost || options[i].price == options[hull.back()].price))
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
      steps.push_back({layer, hull[i], i, (from.cost - to.cost) / (to.price - from.price)});
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

void terse::keepBestMethods(LayerChoices &layer) {
  using Option = LayerChoices::Option;
  auto isBetter = [](const Option &a, const Option &b) {
    const WeightFormat &from = b.format;
    if (from.method == "hqq" && a.format.method != "hqq")
      return a.format.symmetric == false && a.format.bits == from.bits && a.format.groupSize == from.groupSize && a.cost <= b.cost;
    return a.format.getStorage() == from.getStorage() && a.price == b.price && a.cost < b.cost;
  };
  std::vector<Option> all = std::move(layer.options);
  layer.options.clear();
  for (const Option &option : all) {
    bool isKnown = llvm::any_of(layer.options, [&](const Option &other) {
      return other.format.getStorage() == option.format.getStorage() && other.price == option.price && other.cost == option.cost;
    });
    if (!isKnown && llvm::none_of(all, [&](const Option &other) { return isBetter(other, option); }))
      layer.options.push_back(option);
  }
}

/// The path with no other formats than `palette`; layers that have none of these keep all options.
static std::vector<Allocation> makePathOf(llvm::ArrayRef<LayerChoices> layers, llvm::ArrayRef<WeightFormat> palette) {
  std::vector<LayerChoices> restricted;
  std::vector<std::vector<size_t>> indices; // of what is left, in all options
  for (const LayerChoices &layer : layers) {
    LayerChoices &left = restricted.emplace_back(LayerChoices{layer.name, {}});
    std::vector<size_t> &its = indices.emplace_back();
    for (auto [index, option] : llvm::enumerate(layer.options))
      if (llvm::is_contained(palette, option.format.getStorage())) {
        left.options.push_back(option);
        its.push_back(index);
      }
    if (its.empty() || layer.isApart) {
      its.clear();
      left.options = layer.options;
      its.resize(layer.options.size());
      std::iota(its.begin(), its.end(), 0);
    }
  }
  std::vector<Allocation> path = makePath(restricted);
  for (Allocation &allocation : path)
    for (auto [option, its] : llvm::zip(allocation, indices))
      option = its[option];
  return path;
}

/// Ways to store that two layers or more may have, but for those that another one betters in price and cost in each of their layers.
static std::vector<WeightFormat> findShared(llvm::ArrayRef<LayerChoices> layers) {
  using Option = LayerChoices::Option;
  std::map<WeightFormat, std::vector<const Option *>> all; // by layer, null where there is none
  for (auto [index, layer] : llvm::enumerate(layers))
    for (const Option &option : layer.isApart ? llvm::ArrayRef<Option>() : llvm::ArrayRef(layer.options)) {
      std::vector<const Option *> &its = all[option.format.getStorage()];
      its.resize(layers.size());
      if (!its[index] || option.cost < its[index]->cost)
        its[index] = &option;
    }
  auto isBetter = [](llvm::ArrayRef<const Option *> a, llvm::ArrayRef<const Option *> b) {
    bool isLess = false;
    for (auto [its, other] : llvm::zip(a, b)) {
      if (other && !(its && its->price <= other->price && its->cost <= other->cost))
        return false;
      isLess |= other && (its->price < other->price || its->cost < other->cost);
    }
    return isLess;
  };
  std::vector<WeightFormat> shared;
  for (const auto &[format, options] : all) {
    auto count = llvm::count_if(options, [](const Option *option) { return option != nullptr; });
    if (count > 1 && llvm::none_of(all, [&, &its = options](const auto &other) { return isBetter(other.second, its); }))
      shared.push_back(format);
  }
  return shared;
}

std::vector<Allocation> terse::makeFront(llvm::ArrayRef<LayerChoices> layers, llvm::function_ref<double(const Allocation &)> price) {
  std::vector<WeightFormat> formats = findShared(layers);

  std::vector<std::tuple<double, double, Allocation>> known;
  auto addPath = [&](std::vector<Allocation> path) {
    for (Allocation &allocation : path)
      known.push_back({price(allocation), sum(layers, allocation).cost, std::move(allocation)});
  };
  addPath(makePath(layers));
  for (size_t i = 0; i < formats.size(); ++i)
    for (size_t j = i; j < formats.size(); ++j)
      for (size_t k = j; k < formats.size(); ++k)
        // As a set: (i, i, i), (i, j, j) and (i, j, k).
        if (!(i == j && j != k))
          addPath(makePathOf(layers, {formats[i], formats[j], formats[k]}));
  llvm::sort(known);
  std::vector<Allocation> front;
  double least = INFINITY;
  for (auto &[price, cost, allocation] : known)
    if (cost < least) {
      least = cost;
      front.push_back(std::move(allocation));
    }
  return front;
}

std::vector<Allocation> terse::findExchanges(llvm::ArrayRef<LayerChoices> layers, const Allocation &from, double slack, size_t count) {
  struct Change {
    size_t layer, option;
    double price, cost; ///< what changes
  };
  // All changes of one layer; the last one of them is none.
  std::vector<Change> changes;
  for (auto [layer, choices] : llvm::enumerate(layers)) {
    const LayerChoices::Option &now = choices.options[from[layer]];
    for (auto [option, to] : llvm::enumerate(choices.options))
      if (option != from[layer])
        changes.push_back({layer, option, to.price - now.price, to.cost - now.cost});
  }
  changes.push_back({layers.size(), 0, 0, 0});

  struct Exchange {
    double price, cost;
    size_t first, second; ///< changes
    auto key() const { return std::tie(price, cost, first, second); }
    bool operator<(const Exchange &other) const { return key() < other.key(); }
  };
  // The `count` best so far, the worst of them on top.
  std::priority_queue<Exchange> best;
  for (size_t i = 0; i < changes.size(); ++i)
    for (size_t j = i + 1; j < changes.size(); ++j) {
      const Change &a = changes[i], &b = changes[j];
      Exchange exchange{a.price + b.price, a.cost + b.cost, i, j};
      if (a.layer == b.layer || !(exchange.price < 0) || exchange.cost > slack)
        continue;
      best.push(exchange);
      if (best.size() > count)
        best.pop();
    }
  std::vector<Allocation> found(best.size(), from);
  for (size_t i = found.size(); i-- > 0; best.pop())
    for (size_t change : {best.top().first, best.top().second})
      if (changes[change].layer < layers.size())
        found[i][changes[change].layer] = changes[change].option;
  return found;
}

llvm::Expected<std::optional<size_t>> terse::findFirst(size_t count, std::optional<size_t> guess, llvm::function_ref<llvm::Expected<bool>(size_t)> holds) {
  // Those before `low` do not hold, `high` and those behind it do.
  size_t low = 0, high = count;
  bool isBelow = false, isAbove = false; // one that does not hold was asked, one that does
  for (size_t step = 1; low < high;) {
    size_t asked = guess.value_or(count - 1);
    if (isBelow && isAbove)
      asked = low + (high - low) / 2;
    else if (isAbove)
      asked = high - std::min(step, high - low);
    else if (isBelow)
      asked = low + std::min(step, high - low) - 1;
    if (isBelow != isAbove)
      step *= 2;
    llvm::Expected<bool> result = holds(asked);
    if (!result)
      return result.takeError();
    (*result ? isAbove : isBelow) = true;
    isBelow |= !guess;
    if (*result)
      high = asked;
    else
      low = asked + 1;
  }
  return high < count ? std::optional<size_t>(high) : std::nullopt;
}

std::string terse::writeRules(const Formats &layers) {
  std::map<WeightFormat, std::vector<std::string>> byFormat;
  for (const auto &[name, format] : layers) {
    std::string pattern;
    // A dot matches itself too, and what neither rules nor pipelines can hold.
    for (char c : name)
      pattern += llvm::isAlnum(c) || c == '_' || c == '/' || c == '-' ? c : '.';
    byFormat[format].push_back(pattern);
  }
  std::vector<std::string> rules;
  for (const auto &[format, names] : byFormat)
    rules.push_back("^(" + llvm::join(names, "|") + ")$=bits:" + std::to_string(format.bits) + ",group_size:" + std::to_string(format.groupSize) +
                    (format.symmetric ? *format.symmetric ? ",symmetric:true" : ",symmetric:false" : "") +
                    (format.method.empty() ? "" : ",method:" + format.method) + (format.isSparse ? ",pattern:2:4" : ""));
  return llvm::join(rules, ";");
}
