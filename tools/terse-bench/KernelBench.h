//===- KernelBench.h - kernels of layers beside the floors ------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_BENCH_KERNELBENCH_H
#define TERSE_TOOLS_TERSE_BENCH_KERNELBENCH_H

#include "LayerModel.h"
#include "ModelBench.h"
#include "Tiling.h"

namespace terse::bench {

struct LayerShape {
  int64_t n, k;
};

struct KernelOptions {
  FloorOptions floors;
  std::vector<LayerShape> shapes;
  std::vector<LayerFormat> formats;
  std::vector<int64_t> rows = {1, 2, 4, 8, 16, 32, 64, 256, 512};
  int rounds = 3;
  std::string tuning;      ///< what the compiler chooses by; empty: built-in
  bool allTilings = false; ///< also every candidate
};

/// A layer with so many rows, in blocks of one tiling.
struct KernelCase {
  LayerShape shape;
  LayerFormat format;
  std::string tiling; ///< "chosen", or a candidate's text
  int64_t rows;
  Work work;
  std::vector<double> seconds;   ///< of one layer, by round
  std::vector<double> fractions; ///< of the floor of that round
  bool isBoundByMemory = true;   ///< in the last round
};

struct KernelReport {
  std::vector<KernelCase> cases;
  std::vector<Floor> floors; ///< the best of all rounds
};

/// False ends the measurement.
using ProgressFn = std::function<bool(const std::string &what)>;

/// A tuning's file, or "" for what is built in.
struct NamedTuning {
  std::string name, file;
};

/// One layer in several tilings, interleaved. For up to 32 rows as many of it
/// lie one behind the other as no cache holds. `floors` keeps the best of each.
rt::Result<std::vector<KernelCase>>
benchLayer(const KernelOptions &options, LayerShape shape,
           const LayerFormat &format, const std::vector<NamedTuning> &tilings,
           Scratch &scratch, const FloorMeter &meter,
           const ProgressFn &progress, std::vector<Floor> &floors);

/// Writes `tiling` as a tuning; returns its path.
rt::Result<std::string> writeTuning(const KernelOptions &options,
                                    Scratch &scratch,
                                    const TunedTiling &tiling);

rt::Result<KernelReport> benchKernels(const KernelOptions &options,
                                      const ProgressFn &progress);

/// The tiling that is fastest for each format and shape, of the candidates,
/// each part by the rows that it is for.
rt::Result<std::vector<TunedTiling>> tune(const KernelOptions &options,
                                          const ProgressFn &progress);

} // namespace terse::bench

#endif // TERSE_TOOLS_TERSE_BENCH_KERNELBENCH_H
