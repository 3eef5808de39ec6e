//===- AutoRecipe.cpp - formats of each layer by measured sensitivity -----===//
#include "LayerTimes.h"
#include "Sensitivity.h"
#include "Strategies.h"

#include "terse/Target/CPULevel.h"

#include "llvm/ADT/STLExtras.h"

#include <set>

using namespace terse;
using llvm::Error;
using llvm::Expected;

/// Exchanges that are measured in the end, and how many may fail in a row.
static constexpr int kExchanges = 10, kFailures = 4;
/// Of which each is the best by what it should do.
static constexpr size_t kCandidates = 1000;

namespace {
class AutoSearch {
public:
  AutoSearch(const CompileOptions &options, const Recipe &recipe, Trials &trials)
      : options(options), recipe(recipe), trials(trials), sensitivity(recipe, trials, plan.findings) {}

  Expected<Plan> run() {
    if (Error error = sensitivity.measure())
      return std::move(error);
    choices = sensitivity.choices;
    if (Error error = priceTimes())
      return std::move(error);
    if (Error error = followPath())
      return std::move(error);
    if (Error error = tryUniform())
      return std::move(error);
    if (Error error = exchange())
      return std::move(error);
    Chosen formats = getFormats(best->allocation);
    if (!countsBytes())
      plan.findings.price = best->price;
    plan.rules = writeRules(formats.layers);
    plan.recipe = Sensitivity::withTables(recipe.name, formats.tables);
    plan.described = "chosen: " + describe(formats);
    return std::move(plan);
  }

private:
  struct Chosen {
    Formats layers;
    std::optional<WeightFormat> tables;
  };
  struct Tried {
    Allocation allocation;
    double price; ///< 0 where bytes are the objective
    double bytes, loss, excess;
    auto key() const { return std::pair(price, bytes); }
    bool holds() const { return excess <= 0; }
  };

  bool countsBytes() const { return options.objective.value_or(Objective::Size) == Objective::Size; }

  /// Seconds instead of bytes, where they are the objective: of a decode step, or of a query; as money where the price of an hour is known, for
  /// 1000 queries.
  Error priceTimes() {
    if (countsBytes())
      return Error::success();
    double bytes = 0;
    for (const LayerChoices &choice : choices)
      bytes += choice.options.front().price;
    LayerTimes times(options, recipe.name, trials, uint64_t(bytes));
    for (auto [unit, choice] : llvm::zip(sensitivity.units, choices))
      for (LayerChoices::Option &option : choice.options) {
        option.price = 0;
        if (unit.isTables())
          continue;
        Expected<LayerTime> time = times.find(unit.n, unit.k, option.format);
        if (!time)
          return time.takeError();
        option.price = time->decode;
        if (options.objective == Objective::Cost)
          option.price = 1000 * (double(options.queryTokens->first) * time->prefill + double(options.queryTokens->second) * time->decode) *
                         options.pricePerHour.value_or(3600) / 3600;
      }
    for (auto [point, entry] : llvm::zip(plan.findings.points, sensitivity.uniform))
      point.price = sum(choices, makeUniform(entry.first)).price;
    return Error::success();
  }

  size_t countLevels() const { return options.levels.empty() ? getCPULevels().size() : options.levels.size(); }

  /// Bytes: of weights, and of code for each shape and format that there is, which is much of a small model.
  double getPrice(const Allocation &allocation) const {
    double price = sum(choices, allocation).price;
    if (!countsBytes())
      return price;
    std::set<std::tuple<int64_t, int64_t, WeightFormat>> kernels;
    for (auto [unit, choice, option] : llvm::zip(sensitivity.units, choices, allocation))
      if (!unit.isTables())
        kernels.insert({unit.n, unit.k, choice.options[option].format});
    return price + double(kernels.size() * countLevels()) * sensitivity.kernelBytes;
  }

  /// All layers in one format, tables in their finest.
  Allocation makeUniform(WeightFormat format) const {
    Allocation allocation;
    for (auto [unit, choice] : llvm::zip(sensitivity.units, choices)) {
      auto found = llvm::find_if(choice.options, [&](const auto &entry) { return entry.format == format; });
      allocation.push_back(unit.isTables() ? 0 : found - choice.options.begin());
    }
    return allocation;
  }

  Error followPath() {
    std::vector<Allocation> path = makeFront(choices, [&](const Allocation &allocation) { return getPrice(allocation); });
    Expected<std::optional<size_t>> first = findFirst(path.size(), [&](size_t step) { return tryAllocation(path[step]); });
    return first ? Error::success() : first.takeError();
  }

  /// What is measured is not quite what was predicted: one format for all layers may be as good.
  Error tryUniform() {
    for (const auto &[format, trial] : sensitivity.uniform) {
      if (!areKept(options.promises, trial.loss))
        continue;
      Allocation allocation = makeUniform(format);
      for (auto [unit, option, itsBest] : llvm::zip(sensitivity.units, allocation, best->allocation))
        if (unit.isTables())
          option = itsBest;
      if (best->holds() && getPrice(allocation) >= getPrice(best->allocation))
        continue;
      if (Expected<bool> tried = tryAllocation(allocation); !tried)
        return tried.takeError();
    }
    return Error::success();
  }

  /// From the best one on, steps by one or two units that should stay within the promise.
  Error exchange() {
    int numFailures = 0;
    for (int i = 0; i < kExchanges && numFailures < kFailures && best->holds() && !trials.isExhausted(); ++i) {
      AllocationSum now = sum(choices, best->allocation);
      double slack = -best->excess * now.cost / std::max(best->loss, 1e-4);
      std::pair<double, Allocation> next{getPrice(best->allocation), {}};
      for (const Allocation &allocation : findExchanges(choices, best->allocation, slack, kCandidates))
        if (double price = getPrice(allocation); price < next.first && !seen.count(allocation))
          next = {price, allocation};
      if (next.second.empty())
        break;
      Allocation before = best->allocation;
      if (Expected<bool> tried = tryAllocation(next.second); !tried)
        return tried.takeError();
      numFailures = best->allocation == before ? numFailures + 1 : 0;
    }
    return Error::success();
  }

  /// Measures the recipe with an allocation, and keeps it if it is the best so far: the one of least price that holds the promise, else
  /// the one that exceeds it least. With the trials used up nothing more is measured.
  Expected<bool> tryAllocation(const Allocation &allocation) {
    if (trials.isExhausted() && best)
      return false;
    seen.insert(allocation);
    Chosen formats = getFormats(allocation);
    std::string what = "auto " + describe(formats);
    Expected<Trial> trial = trials.run(Sensitivity::withTables(recipe.name, formats.tables), writeRules(formats.layers), what);
    if (!trial)
      return trial.takeError();
    std::optional<double> price;
    if (!countsBytes())
      price = sum(choices, allocation).price;
    plan.findings.points.push_back({what, trial->bytes, trial->loss.all, price});
    // With the other levels' code.
    double bytes = double(trial->bytes) + double(countLevels() - 1) * Sensitivity::getOverhead(*trial);
    Tried tried{allocation, price.value_or(0), bytes, trial->loss.all, getExcess(options.promises, trial->loss)};
    bool isBetter = !best || (tried.holds() ? !best->holds() || tried.key() < best->key() : !best->holds() && tried.excess < best->excess);
    if (isBetter)
      best = tried;
    return tried.holds();
  }

  Chosen getFormats(const Allocation &allocation) const {
    Chosen chosen;
    for (auto [unit, choice, option] : llvm::zip(sensitivity.units, choices, allocation)) {
      for (const std::string &name : unit.layers)
        chosen.layers.push_back({name, choice.options[option].format});
      if (unit.isTables())
        chosen.tables = choice.options[option].format;
    }
    return chosen;
  }

  static std::string describe(const Chosen &chosen) {
    return describeFormats(chosen.layers) + (chosen.tables ? ", embeddings " + chosen.tables->str() : "");
  }

  const CompileOptions &options;
  const Recipe &recipe;
  Trials &trials;
  Plan plan;
  Sensitivity sensitivity;
  std::vector<LayerChoices> choices;
  std::set<Allocation> seen;
  std::optional<Tried> best;
};
} // namespace

Expected<Plan> terse::chooseFormats(const CompileOptions &options, const Recipe &recipe, Trials &trials) {
  return AutoSearch(options, recipe, trials).run();
}
