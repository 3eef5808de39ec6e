//===- LayerModel.h - one linear layer as a model ---------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_BENCH_LAYERMODEL_H
#define TERSE_TOOLS_TERSE_BENCH_LAYERMODEL_H

#include "Floors.h"

#include "terse/Runtime/Context.h"

#include <memory>
#include <string>
#include <vector>

namespace terse::bench {

/// How a layer's weights are kept.
struct LayerFormat {
  std::string name;  ///< as tunings call it: "w4", "w4-2:4", "nf4", "f16"
  int64_t group = 0; ///< weights that share a scale; 0: those of a channel

  /// Of "w4g32", "w4-2:4g128", "w8-floatg32", "nf4g64", "f16".
  static rt::Result<LayerFormat> parse(const std::string &text);
  std::string str() const;
  bool isFloat() const { return name[0] == 'f' || name[0] == 'b'; }
  /// Whether products are of integers.
  bool isInteger() const;
  /// The compress stage's passes.
  std::string pipeline() const;
};

/// A folder for files that do not outlive it.
class Scratch {
public:
  static rt::Result<std::unique_ptr<Scratch>> create();
  ~Scratch();
  std::string path(const std::string &name) const {
    return folder_ + "/" + name;
  }
  /// A path that was not given before.
  std::string newPath() { return path(std::to_string(given_++)); }

private:
  explicit Scratch(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
  int given_ = 0;
};

/// What a layer of `n` outputs and `k` inputs is compiled with.
struct LayerOptions {
  int64_t n, k;
  LayerFormat format;
  rt::CpuLevel level;
  std::string tuning; ///< file; empty: built-in tables
  int threads = 1;
};

/// A layer that `tersec`, which lies beside this program, made an artifact of.
class LayerModel {
public:
  static rt::Result<std::unique_ptr<LayerModel>>
  compile(const LayerOptions &options, Scratch &scratch);

  /// Seconds of a run with so many rows: the least of several.
  rt::Result<double> time(int64_t rows);
  uint64_t weightBytes() const { return weightBytes_; }

private:
  std::unique_ptr<rt::Context> context_;
  int64_t k_ = 0;
  uint64_t weightBytes_ = 0;
  std::vector<float> input_;
};

} // namespace terse::bench

#endif // TERSE_TOOLS_TERSE_BENCH_LAYERMODEL_H
