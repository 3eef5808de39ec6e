//===- AutoRecipe.cpp - formats of each layer by measured sensitivity -----===//
#include "LayerTimes.h"
#include "Sensitivity.h"
#include "Strategies.h"

#include "terse/Support/CPULevel.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <set>

using namespace terse;
using llvm::Error;
using llvm::Expected;

/// Exchanges that are measured in the end, and how many may fail in a row.
static constexpr int kExchanges = 10, kFailures = 4;
/// With calibration: models that are left to be calibrated as the options say, where trials are counted; steps down from the first one that holds.
static constexpr int64_t kShippedReserve = 2;
static constexpr int kShippedSteps = 3;
/// Of which each is the best by what it should do.
static constexpr size_t kCandidates = 1000;

namespace {
class AutoSearch {
public:
  AutoSearch(const CompileOptions &options, const Recipe &recipe, Trials &trials)
      : options(options), recipe(recipe), trials(trials), sensitivity(recipe, trials, plan.findings) {}

  Expected<Plan> run() {
    if (!options.calibration.data.empty())
      if (Error error = trials.calibrateOriginal(recipe.name))
        return std::move(error);
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
    // Statistics of the original are those that are shipped with if the options say so.
    if (trials.hasStatistics() && !options.calibration.fromOriginal)
      if (Error error = calibrateBest())
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
        Expected<LayerTime> time = times.find(unit.n, unit.k, option.format.getStorage());
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

  size_t countLevels() const { return selectCPULevels(options.levels, [](llvm::StringRef) { return false; }).size(); }

  /// Bytes: of weights, and of code for each shape and format that there is, which is much of a small model.
  double getPrice(const Allocation &allocation) const {
    double price = sum(choices, allocation).price;
    if (!countsBytes())
      return price;
    std::set<std::tuple<int64_t, int64_t, WeightFormat>> kernels;
    for (auto [unit, choice, option] : llvm::zip(sensitivity.units, choices, allocation))
      if (!unit.isTables())
        kernels.insert({unit.n, unit.k, choice.options[option].format.getStorage()});
    return price + double(kernels.size() * countLevels()) * sensitivity.kernelBytes;
  }

  /// All layers stored in one format, tables in their finest.
  Allocation makeUniform(const WeightFormat &format) const {
    Allocation allocation;
    for (auto [unit, choice] : llvm::zip(sensitivity.units, choices)) {
      auto found = llvm::find_if(choice.options, [&](const auto &entry) { return entry.format.getStorage() == format.getStorage(); });
      assert((unit.isTables() || found != choice.options.end()) && "some method has that");
      allocation.push_back(unit.isTables() ? 0 : found - choice.options.begin());
    }
    return allocation;
  }

  Error followPath() {
    path = makeFront(choices, [&](const Allocation &allocation) { return getPrice(allocation); });
    const double cost = predictCost();
    const auto guess = llvm::find_if(path, [&](const Allocation &allocation) { return sum(choices, allocation).cost <= cost; });
    Expected<std::optional<size_t>> first =
        findFirst(path.size(), std::min(size_t(guess - path.begin()), path.size() - 1), [&](size_t step) { return tryAllocation(path[step]); });
    if (!first)
      return first.takeError();
    // With the trials used up, what keeps a promise if anything does.
    if (!best->holds() && isExhausted())
      if (Expected<bool> tried = tryAllocation(path.back(), /*isLast=*/true); !tried)
        return tried.takeError();
    return Error::success();
  }

  /// The cost at which the promise should just hold, by the models in one format: between the dearest that holds and the cheapest that does not.
  double predictCost() const {
    std::optional<std::pair<double, double>> holding, breaking; // cost and excess
    for (const auto &[format, trial] : sensitivity.uniform) {
      const double cost = sensitivity.sumCosts(trial), excess = getExcess(options.promises, trial.loss);
      if (excess <= 0 && (!holding || cost > holding->first))
        holding = {cost, excess};
      if (excess > 0 && (!breaking || cost < breaking->first))
        breaking = {cost, excess};
    }
    if (!holding || !breaking)
      return holding ? INFINITY : 0;
    const double share = -holding->second / (breaking->second - holding->second);
    return holding->first + share * (breaking->first - holding->first);
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

  /// What the costs may come to, by what was measured of the best one: more where it holds, else less.
  double getSlack() const { return -best->excess * sum(choices, best->allocation).cost / std::max(best->loss, 1e-4); }

  /// The cheapest step by one or two units from the best one, or along the path, that should stay within the promise; empty if there is none.
  Allocation findStep() const {
    std::pair<double, Allocation> next{getPrice(best->allocation), {}};
    const double now = sum(choices, best->allocation).cost, slack = std::min(getSlack(), mostCost - now);
    std::vector<Allocation> steps = findExchanges(choices, best->allocation, slack, kCandidates);
    llvm::copy_if(path, std::back_inserter(steps), [&](const Allocation &allocation) { return sum(choices, allocation).cost <= now + slack; });
    for (const Allocation &allocation : steps)
      if (double price = getPrice(allocation); price < next.first && !seen.count(allocation))
        next = {price, allocation};
    return next.second;
  }

  /// From the best one on, steps as long as they keep the promise.
  Error exchange(int count = kExchanges, int mostFailures = kFailures) {
    int numFailures = 0;
    for (int i = 0; i < count && numFailures < mostFailures && best->holds() && !isExhausted(); ++i) {
      Allocation next = findStep(), before = best->allocation;
      if (next.empty())
        break;
      Expected<bool> holds = tryAllocation(next);
      if (!holds)
        return holds.takeError();
      numFailures = best->allocation == before ? numFailures + 1 : 0;
      // The next one should break the promise less: as much as lies between the best one and this.
      const double cost = sum(choices, best->allocation).cost, span = sum(choices, next).cost - cost;
      if (!*holds && span > 0)
        mostCost = std::min(mostCost, cost - span * best->excess / (lastExcess - best->excess));
    }
    return Error::success();
  }

  /// The best one was measured with statistics of the original. From here on all are calibrated as the options say: where it breaks the promise,
  /// those of the path that should not, each further on; where it holds, steps down.
  Error calibrateBest() {
    isAsShipped = true;
    Allocation next = std::move(best->allocation);
    best.reset();
    seen.clear();
    mostCost = INFINITY;
    for (size_t step = 0, jump = 1; !next.empty(); jump *= 2) {
      const Allocation tried = std::move(next);
      next.clear();
      Expected<bool> holds = tryAllocation(tried);
      if (!holds)
        return holds.takeError();
      if (*holds || isExhausted())
        break;
      // Costs are what breaks the promise least times what it allows.
      const double price = getPrice(tried), most = sum(choices, best->allocation).cost + getSlack();
      while (step < path.size() && getPrice(path[step]) <= price)
        ++step;
      const size_t furthest = std::min(step + jump - 1, path.size() - 1);
      while (step < path.size() && (step < furthest || (step + 1 < path.size() && sum(choices, path[step]).cost > most)))
        ++step;
      if (step < path.size())
        next = trials.countLeft() == 1 ? path.back() : path[step];
    }
    return exchange(kShippedSteps, /*mostFailures=*/2);
  }

  bool isExhausted() const { return trials.isExhausted(trials.hasStatistics() && !isAsShipped ? kShippedReserve : 0); }

  /// Measures the recipe with an allocation, and keeps it if it is the best so far: the one of least price that holds the promise, else
  /// the one that exceeds it least. With the trials used up nothing more is measured, but for what is the last.
  Expected<bool> tryAllocation(const Allocation &allocation, bool isLast = false) {
    if (isExhausted() && best && !isLast)
      return false;
    seen.insert(allocation);
    Chosen formats = getFormats(allocation);
    std::string what = "auto " + describe(formats) + (isAsShipped ? ", calibrated as it is shipped" : "");
    std::string recipeName = Sensitivity::withTables(recipe.name, formats.tables), rules = writeRules(formats.layers);
    Expected<Trial> trial = isAsShipped ? trials.runAsShipped(recipeName, rules, what) : trials.run(recipeName, rules, what);
    if (!trial)
      return trial.takeError();
    std::optional<double> price;
    if (!countsBytes())
      price = sum(choices, allocation).price;
    plan.findings.points.push_back({what, trial->bytes, trial->loss.all, price});
    // With the other levels' code.
    double bytes = double(trial->bytes) + double(countLevels() - 1) * Sensitivity::getOverhead(*trial);
    Tried tried{allocation, price.value_or(0), bytes, trial->loss.all, getExcess(options.promises, trial->loss)};
    lastExcess = tried.excess;
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
  std::vector<Allocation> path; ///< of rising price and falling cost
  bool isAsShipped = false;     ///< trials are calibrated as the options say
  std::set<Allocation> seen;
  double mostCost = INFINITY, lastExcess = 0; ///< of a step; of what was tried last
  std::optional<Tried> best;
};
} // namespace

Expected<Plan> terse::chooseFormats(const CompileOptions &options, const Recipe &recipe, Trials &trials) {
  return AutoSearch(options, recipe, trials).run();
}
