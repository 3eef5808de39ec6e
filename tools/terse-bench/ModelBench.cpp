//===- ModelBench.cpp - a model beside the machine's floors -----*- C++ -*-===//
#include "ModelBench.h"

#include "Median.h"

#include "terse/Runtime/Describe.h"
#include "terse/Runtime/LanguageModel.h"

#include <algorithm>
#include <chrono>
#include <sys/resource.h>

namespace terse::bench {

using namespace rt;

namespace {
class Clock {
public:
  double seconds() const {
    return std::chrono::duration<double>(Ticks::now() - begin_).count();
  }

private:
  using Ticks = std::chrono::steady_clock;
  Ticks::time_point begin_ = Ticks::now();
};

/// What a token costs, from what the manifest says of weights and states.
class Costs {
public:
  explicit Costs(const Manifest &manifest) {
    for (const WeightSpec &layer : layersOf(manifest.weights)) {
      if (layer.kind == "linear") {
        weightBytes_ += double(layer.bytes);
        double operations = 2.0 * double(elementsOf(layer));
        (layer.rows.empty() ? operations_ : lastOperations_) += operations;
        isInteger_ |= layer.bits <= 8;
      } else if (layer.kind == "embedding" && layer.shape.size() == 2) {
        rowBytes_ += double(layer.bytes) / double(layer.shape[0]);
      }
    }
    // A state's row is all of it but the dimension that grows.
    for (const TensorSpec &state : manifest.states) {
      double row = double(sizeOf(state.dtype));
      std::vector<int64_t> symbols(manifest.symbols.size(), 1);
      for (const Expr &dim : state.shape) {
        int64_t size = 0;
        row *= dim.evaluate(symbols.data(), size) ? double(size) : 1;
      }
      stateBytes_ += row;
    }
  }

  Work of(int64_t tokens, int64_t past) const {
    return {weightBytes_ + double(tokens) * rowBytes_ +
                double(past + tokens) * stateBytes_,
            operations_ * double(tokens) + lastOperations_};
  }
  bool isInteger() const { return isInteger_; }

private:
  double weightBytes_ = 0, rowBytes_ = 0, stateBytes_ = 0, operations_ = 0;
  /// Of layers that are computed for the last token alone.
  double lastOperations_ = 0;
  bool isInteger_ = false;
};

class Bench {
public:
  Bench(const ModelOptions &options, std::shared_ptr<const Model> model,
        const Costs &costs)
      : options_(options), model_(std::move(model)), costs_(costs) {}

  /// A prompt of `length` tokens, then steps of each size.
  Status run(int threads, int64_t length, std::vector<ModelCase> &cases) {
    ContextOptions context;
    context.threads = threads;
    context.capacity = length + stepTokens();
    Clock creation;
    Result<std::unique_ptr<LanguageModel>> created =
        LanguageModel::create(model_, context);
    if (!created.ok())
      return created.status();
    creationSeconds = creation.seconds();
    LanguageModel &model = **created;
    const int64_t vocabulary = model.vocabulary();
    std::vector<int32_t> tokens(size_t(length + stepTokens()));
    for (size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = int32_t((i * 7919 + 3) % size_t(vocabulary));
    auto eval = [&](int64_t count) {
      return model.eval(tokens.data() + model.past(), count, true,
                        [](int64_t, const float *) {});
    };
    Clock prompt;
    if (Status status = eval(length); !status.ok())
      return status;
    add(cases, {true, threads, length, 0, costs_.of(length, 0), {}, {}},
        prompt.seconds());
    for (int64_t size : options_.steps) {
      int64_t past = model.past() + kSteps * size / 2;
      Clock steps;
      for (int step = 0; step < kSteps; ++step)
        if (Status status = eval(size); !status.ok())
          return status;
      add(cases, {false, threads, size, past, costs_.of(size, past), {}, {}},
          steps.seconds() / kSteps);
    }
    return Status();
  }

  int64_t stepTokens() const {
    int64_t sum = 0;
    for (int64_t size : options_.steps)
      sum += kSteps * size;
    return sum;
  }

  /// Of the last run's context.
  double creationSeconds = 0;

private:
  /// Steps of one size in a row: one alone is shorter than the clock is even.
  static constexpr int kSteps = 8;

  static void add(std::vector<ModelCase> &cases, ModelCase found,
                  double seconds) {
    for (ModelCase &known : cases)
      if (known.isPrompt == found.isPrompt && known.threads == found.threads &&
          known.tokens == found.tokens && known.past == found.past) {
        known.seconds.push_back(seconds);
        return;
      }
    found.seconds.push_back(seconds);
    cases.push_back(std::move(found));
  }

  const ModelOptions &options_;
  std::shared_ptr<const Model> model_;
  const Costs &costs_;
};

uint64_t peakResidentBytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return uint64_t(usage.ru_maxrss) * 1024;
}
} // namespace

double ModelCase::medianSeconds() const { return median(seconds); }
double ModelCase::medianFraction() const { return median(fractions); }

Result<ModelReport>
benchModel(const ModelOptions &options,
           const std::function<void(int round, int rounds)> &progress) {
  ModelReport report;
  Clock start;
  // The machine's level is not asked for: models without layers that it
  // differs in have no code for it.
  std::optional<CpuLevel> level = options.floors.level;
  if (level == bestLevel())
    level.reset();
  Result<std::shared_ptr<const Model>> opened =
      Model::open(options.path, level);
  if (!opened.ok())
    return opened.status();
  std::shared_ptr<const Model> model = *opened;
  report.openSeconds = start.seconds();
  const Costs costs(model->manifest());
  Bench bench(options, model, costs);

  std::vector<int64_t> prompts = options.prompts;
  const int64_t context = model->manifest().context;
  if (prompts.empty()) {
    for (int64_t length : {16, 64, 256, 512})
      if (context <= 0 || length + bench.stepTokens() <= context)
        prompts.push_back(length);
    if (prompts.empty())
      prompts.push_back(1);
  }
  // Nothing but the model has been in memory yet.
  const int threads = options.floors.threads;
  std::vector<ModelCase> first;
  int64_t shortest = *std::min_element(prompts.begin(), prompts.end());
  if (Status status = bench.run(threads, shortest, first); !status.ok())
    return status;
  report.firstTokenSeconds = report.openSeconds + bench.creationSeconds +
                             first.front().seconds.front();
  if (Status status = bench.run(
          threads, *std::max_element(prompts.begin(), prompts.end()), first);
      !status.ok())
    return status;
  report.peakBytes = peakResidentBytes();

  FloorOptions quick = options.floors;
  quick.runs = 2;
  Result<std::unique_ptr<FloorMeter>> meter = FloorMeter::create(quick);
  if (!meter.ok())
    return meter.status();
  std::vector<int> counts = {1};
  if (threads > 1)
    counts.push_back(threads);
  for (int round = 0; round < options.rounds; ++round) {
    progress(round, options.rounds);
    report.floors.clear();
    for (int count : counts) {
      Floor before = (*meter)->readBandwidth(count);
      Floor rate = costs.isInteger() ? (*meter)->integerDot(count)
                   : model->level() == CpuLevel::Avx512Bf16
                       ? (*meter)->bf16Dot(count)
                       : (*meter)->multiplyAdd(count);
      for (int64_t length : prompts)
        if (Status status = bench.run(count, length, report.cases);
            !status.ok())
          return status;
      // Neighbours come and go: the better of two is nearer to the floor.
      Floor after = (*meter)->readBandwidth(count);
      Floor bandwidth = after.value > before.value ? after : before;
      for (ModelCase &found : report.cases) {
        if (found.threads != count)
          continue;
        double memory = found.work.bytes / bandwidth.value * 1e-9,
               compute = found.work.operations / rate.value * 1e-9;
        found.fractions.push_back(std::max(memory, compute) /
                                  found.seconds.back());
        found.isBoundByMemory = memory >= compute;
      }
      report.floors.push_back(bandwidth);
      report.floors.push_back(rate);
    }
  }
  return report;
}

} // namespace terse::bench
