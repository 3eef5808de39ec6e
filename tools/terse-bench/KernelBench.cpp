//===- KernelBench.cpp - kernels of layers beside the floors ----*- C++ -*-===//
#include "KernelBench.h"

#include "Median.h"

#include <algorithm>
#include <fstream>

namespace terse::bench {

using namespace rt;

namespace {
/// Rows up to which weights must come from memory: more take longer than it.
constexpr int64_t kStreamedRows = 32;

/// Of the last-level cache that a processor shares; sysconf tells the sum of all.
uint64_t cacheBytes() {
  std::ifstream stream("/sys/devices/system/cpu/cpu0/cache/index3/size");
  uint64_t kilobytes = 0;
  stream >> kilobytes;
  return std::clamp<uint64_t>((stream ? kilobytes : 32 << 10) << 10, 16u << 20,
                              128u << 20);
}

double bitsOf(const LayerFormat &format) {
  if (format.isFloat())
    return format.name == "f32" ? 32 : 16;
  return format.name[0] == 'n' ? 4 : format.name[1] - '0';
}

/// A layer in one tiling: alone, and as many that no cache holds them.
class Layer {
public:
  Status compile(const KernelOptions &options, LayerShape shape,
                 const LayerFormat &format, const std::string &tuning,
                 Scratch &scratch) {
    double bytes = double(shape.n) * double(shape.k) * bitsOf(format) / 8;
    copies_ =
        int64_t(std::clamp(4 * double(cacheBytes()) / bytes + 1, 1., 128.));
    bool streams = *std::min_element(options.rows.begin(),
                                     options.rows.end()) <= kStreamedRows;
    bool alone = *std::max_element(options.rows.begin(), options.rows.end()) >
                 kStreamedRows;
    auto make = [&](int64_t copies, std::unique_ptr<LayerModel> &model) {
      Result<std::unique_ptr<LayerModel>> made = LayerModel::compile(
          {shape.n * copies, shape.k, format, options.floors.level, tuning,
           options.floors.threads},
          scratch);
      if (!made.ok())
        return made.status();
      model = std::move(*made);
      return Status();
    };
    if (copies_ == 1)
      return make(1, one_);
    if (streams)
      if (Status status = make(copies_, many_); !status.ok())
        return status;
    return alone ? make(1, one_) : Status();
  }

  Result<double> time(int64_t rows) {
    if (rows > kStreamedRows || !many_)
      return one_->time(rows);
    Result<double> seconds = many_->time(rows);
    return seconds.ok() ? Result<double>(*seconds / double(copies_)) : seconds;
  }
  double weightBytes() const {
    return one_ ? double(one_->weightBytes())
                : double(many_->weightBytes()) / double(copies_);
  }

private:
  std::unique_ptr<LayerModel> one_, many_;
  int64_t copies_ = 1;
};

void keepBest(std::vector<Floor> &floors, const Floor &found) {
  for (Floor &known : floors)
    if (known.name == found.name) {
      if (found.value > known.value)
        known = found;
      return;
    }
  floors.push_back(found);
}

Work workOf(LayerShape shape, const LayerFormat &format, int64_t rows,
            double weightBytes) {
  double products = double(rows) * double(shape.n) * double(shape.k);
  if (format.name == "w4-2:4")
    products /= 2;
  return {weightBytes + 4.0 * double(rows) * double(shape.n + shape.k),
          2 * products};
}
} // namespace

Result<std::vector<KernelCase>>
benchLayer(const KernelOptions &options, LayerShape shape,
           const LayerFormat &format, const std::vector<NamedTuning> &tilings,
           Scratch &scratch, const FloorMeter &meter,
           const ProgressFn &progress, std::vector<Floor> &floors) {
  const std::string name = std::to_string(shape.n) + " x " +
                           std::to_string(shape.k) + " " + format.str();
  const Status cancelled(Code::Cancelled, "interrupted");
  std::vector<Layer> layers(tilings.size());
  for (size_t i = 0; i < tilings.size(); ++i) {
    if (!progress("compiling " + name + ", " + tilings[i].name))
      return cancelled;
    if (Status status =
            layers[i].compile(options, shape, format, tilings[i].file, scratch);
        !status.ok())
      return status;
  }
  std::vector<KernelCase> cases;
  for (int64_t rows : options.rows)
    for (size_t i = 0; i < tilings.size(); ++i)
      cases.push_back({shape,
                       format,
                       tilings[i].name,
                       rows,
                       workOf(shape, format, rows, layers[i].weightBytes()),
                       {},
                       {}});
  for (int round = 0; round < options.rounds; ++round) {
    if (!progress("measuring " + name + ", round " + std::to_string(round + 1) +
                  " of " + std::to_string(options.rounds)))
      return cancelled;
    const int threads = options.floors.threads;
    Floor before = meter.readBandwidth(threads);
    Floor rate = format.isInteger()      ? meter.integerDot(threads)
                 : format.name == "bf16" ? meter.bf16Dot(threads)
                                         : meter.multiplyAdd(threads);
    for (size_t i = 0; i < cases.size(); ++i) {
      Result<double> seconds = layers[i % layers.size()].time(cases[i].rows);
      if (!seconds.ok())
        return seconds.status();
      cases[i].seconds.push_back(*seconds);
    }
    // Neighbours come and go: the better of two is nearer to the floor.
    Floor after = meter.readBandwidth(threads);
    Floor bandwidth = after.value > before.value ? after : before;
    for (KernelCase &found : cases) {
      double memory = found.work.bytes / bandwidth.value * 1e-9,
             compute = found.work.operations / rate.value * 1e-9;
      found.fractions.push_back(std::max(memory, compute) /
                                found.seconds.back());
      found.isBoundByMemory = memory >= compute;
    }
    keepBest(floors, bandwidth);
    keepBest(floors, rate);
  }
  return cases;
}

Result<std::string> writeTuning(const KernelOptions &options, Scratch &scratch,
                                const TunedTiling &tiling) {
  std::string path = scratch.newPath();
  std::ofstream stream(path);
  stream << tuningText(options.floors.level, options.floors.threads, {tiling});
  if (!stream.flush())
    return fail(Code::Io, "cannot write '%s'", path.c_str());
  return path;
}

Result<KernelReport> benchKernels(const KernelOptions &options,
                                  const ProgressFn &progress) {
  Result<std::unique_ptr<Scratch>> scratch = Scratch::create();
  if (!scratch.ok())
    return scratch.status();
  FloorOptions quick = options.floors;
  quick.runs = 2;
  Result<std::unique_ptr<FloorMeter>> meter = FloorMeter::create(quick);
  if (!meter.ok())
    return meter.status();
  KernelReport report;
  for (const LayerShape &shape : options.shapes)
    for (const LayerFormat &format : options.formats) {
      std::vector<NamedTuning> tilings = {{"chosen", options.tuning}};
      if (options.allTilings)
        for (const Tiling &tiling : candidates(options.floors.level)) {
          Result<std::string> file =
              writeTuning(options, **scratch, TunedTiling(format, tiling));
          if (!file.ok())
            return file.status();
          tilings.push_back({tiling.str(), *file});
        }
      Result<std::vector<KernelCase>> cases =
          benchLayer(options, shape, format, tilings, **scratch, **meter,
                     progress, report.floors);
      if (!cases.ok())
        return cases.status();
      report.cases.insert(report.cases.end(), cases->begin(), cases->end());
    }
  return report;
}

} // namespace terse::bench
