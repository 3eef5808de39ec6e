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
    return best(rows, tilings_ - 1);
  }
  /// Of the first `count` candidates.
  std::optional<size_t> best(const std::vector<int64_t> &rows,
                             size_t count) const {
    auto mean = [&](size_t tiling) {
      double sum = 0;
      for (int64_t count : rows)
        sum += std::log(of(tiling, count));
      return sum / double(rows.size());
    };
    size_t found = 0;
    double least = mean(0) + std::log(kGain);
    for (size_t i = 1; i <= count; ++i)
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
    std::vector<int64_t> some = {8, 16};
    if (!unpacks)
      some.push_back(256);
    Result<Times> times = measure(shape, format, tried, {1, 8, 16, 256});
    if (!times.ok())
      return times.status();
    TunedTiling best(format, shape.n, shape.k);
    if (std::optional<size_t> i = times->best({1}))
      best.one = TunedTiling::One{tilings[*i].onePanels, tilings[*i].onePrefetch};
    if (std::optional<size_t> i = times->best(some))
      best.many = tilings[*i].many;
    if (std::optional<size_t> i = unpacks ? times->best({256}) : std::nullopt)
      best.unpacked = tilings[*i].unpacked;

    // Rows beyond a block of few are in blocks of many, so the choice of few
    // comes behind that; so does the number of rows from which on weights are
    // unpacked: always (the last) against never (the last but one).
    tried.clear();
    for (const Tiling &tiling : tilings) {
      tried.push_back(best);
      tried.back().few = TunedTiling::Few{tiling.few, tiling.prefetch};
    }
    const size_t numFew = tried.size();
    const std::vector<int64_t> unpackedRows = {12, 16, 24, 32, 256};
    const std::vector<int64_t> fewRows = {2, 3, 4, 6, 8};
    std::vector<int64_t> rows = fewRows;
    if (unpacks) {
      rows.insert(rows.end(), unpackedRows.begin(), unpackedRows.end());
      for (int64_t from : {0, 2}) {
        tried.push_back(best);
        tried.back().unpackedFrom = from;
      }
    }
    times = measure(shape, format, tried, rows);
    if (!times.ok())
      return times.status();
    if (std::optional<size_t> i = times->best(fewRows, numFew))
      best.few = TunedTiling::Few{tilings[*i].few, tilings[*i].prefetch};
    if (!unpacks)
      return best;
    best.unpackedFrom = 0;
    const size_t never = numFew + 1, always = numFew + 2;
    for (size_t i = unpackedRows.size();
         i-- > 0 && times->of(always, unpackedRows[i]) <
                        times->of(never, unpackedRows[i]);)
      best.unpackedFrom = unpackedRows[i];
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
