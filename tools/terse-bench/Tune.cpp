//===- Tune.cpp - the fastest tiling of each format -------------*- C++ -*-===//
#include "KernelBench.h"

#include "Median.h"

#include <cmath>

namespace terse::bench {

using namespace rt;

namespace {
/// A candidate must be faster than what is built in by so much: noise is not.
constexpr double kGain = 0.98;

/// Times of one layer: of what is built in first, then of candidates.
class Times {
public:
  Times(const std::vector<KernelCase> &cases, size_t tilings)
      : tilings_(tilings) {
    for (const KernelCase &found : cases) {
      if (rows_.empty() || rows_.back() != found.rows)
        rows_.push_back(found.rows);
      seconds_.push_back(median(found.seconds));
    }
  }

  double of(size_t tiling, int64_t rows) const {
    size_t row = std::find(rows_.begin(), rows_.end(), rows) - rows_.begin();
    return seconds_[row * tilings_ + tiling];
  }
  /// The candidate whose times for these rows are least in the mean of their
  /// logarithms; none if what is built in is as fast.
  std::optional<size_t> best(const std::vector<int64_t> &rows) const {
    auto mean = [&](size_t tiling) {
      double sum = 0;
      for (int64_t count : rows)
        sum += std::log(of(tiling, count));
      return sum / double(rows.size());
    };
    size_t found = 0;
    double least = mean(0) + std::log(kGain);
    for (size_t i = 1; i < tilings_; ++i)
      if (mean(i) < least)
        found = i, least = mean(i);
    return found ? std::optional<size_t>(found - 1) : std::nullopt;
  }

private:
  size_t tilings_;
  std::vector<int64_t> rows_;
  std::vector<double> seconds_;
};

class Tuner {
public:
  Tuner(const KernelOptions &options, Scratch &scratch, const FloorMeter &meter,
        const ProgressFn &progress)
      : options_(options), scratch_(scratch), meter_(meter),
        progress_(progress) {}

  Result<TunedTiling> tune(LayerShape shape, const LayerFormat &format) {
    const std::vector<Tiling> tilings = candidates(options_.floors.level);
    std::vector<TunedTiling> tried;
    for (const Tiling &tiling : tilings)
      tried.emplace_back(format, tiling);
    // Weights are unpacked for many rows, unless codes are operands as they
    // lie.
    const bool unpacks = format.isInteger() && format.name[1] != '8';
    const std::vector<int64_t> some = unpacks
                                          ? std::vector<int64_t>{8, 16}
                                          : std::vector<int64_t>{8, 16, 256};
    Result<Times> times = measure(shape, format, tried, {1, 4, 8, 16, 256});
    if (!times.ok())
      return times.status();
    TunedTiling best(format, shape.n, shape.k);
    if (std::optional<size_t> i = times->best({1}))
      best.one = TunedTiling::One{tilings[*i].onePanels, tilings[*i].prefetch};
    if (std::optional<size_t> i = times->best({4}))
      best.few = tilings[*i].few;
    if (std::optional<size_t> i = times->best(some))
      best.many = tilings[*i].many;
    if (!unpacks)
      return best;
    if (std::optional<size_t> i = times->best({256}))
      best.unpacked = tilings[*i].unpacked;

    // From how many rows on: always against never.
    const std::vector<int64_t> rows = {8, 12, 16, 24, 32};
    TunedTiling always = best, never = best;
    always.unpackedFrom = 2, never.unpackedFrom = 0;
    Result<Times> compared = measure(shape, format, {always, never}, rows);
    if (!compared.ok())
      return compared.status();
    best.unpackedFrom = 0;
    for (size_t i = rows.size();
         i-- > 0 && compared->of(1, rows[i]) < compared->of(2, rows[i]);)
      best.unpackedFrom = rows[i];
    return best;
  }

private:
  Result<Times> measure(LayerShape shape, const LayerFormat &format,
                        const std::vector<TunedTiling> &tilings,
                        const std::vector<int64_t> &rows) {
    KernelOptions options = options_;
    options.rows = rows;
    std::vector<NamedTuning> named = {{"built in", ""}};
    for (const TunedTiling &tiling : tilings) {
      std::string number = std::to_string(named.size());
      Result<std::string> file = writeTuning(options, scratch_, tiling);
      if (!file.ok())
        return file.status();
      named.push_back(
          {"tiling " + number + " of " + std::to_string(tilings.size()),
           *file});
    }
    std::vector<Floor> floors;
    Result<std::vector<KernelCase>> cases = benchLayer(
        options, shape, format, named, scratch_, meter_, progress_, floors);
    if (!cases.ok())
      return cases.status();
    return Times(*cases, named.size());
  }

  const KernelOptions &options_;
  Scratch &scratch_;
  const FloorMeter &meter_;
  const ProgressFn &progress_;
};
} // namespace

Result<std::vector<TunedTiling>> tune(const KernelOptions &options,
                                      const ProgressFn &progress) {
  Result<std::unique_ptr<Scratch>> scratch = Scratch::create();
  if (!scratch.ok())
    return scratch.status();
  FloorOptions quick = options.floors;
  quick.runs = 1;
  Result<std::unique_ptr<FloorMeter>> meter = FloorMeter::create(quick);
  if (!meter.ok())
    return meter.status();
  Tuner tuner(options, **scratch, **meter, progress);
  std::vector<TunedTiling> tuned;
  for (const LayerShape &shape : options.shapes)
    for (const LayerFormat &format : options.formats) {
      Result<TunedTiling> best = tuner.tune(shape, format);
      if (!best.ok())
        return best.status();
      tuned.push_back(std::move(*best));
    }
  return tuned;
}

} // namespace terse::bench
