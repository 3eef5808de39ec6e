//===- Tiling.h - blocks that layers are computed in ------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_BENCH_TILING_H
#define TERSE_TOOLS_TERSE_BENCH_TILING_H

#include "LayerModel.h"

#include <optional>

namespace terse::bench {

struct Block {
  int64_t rows, panels;
};

/// As `#kernel.tiling` has it.
struct Tiling {
  int64_t onePanels = 1, onePrefetch = 0;
  Block few{4, 1}, many{4, 1}, unpacked{4, 1};
  int64_t prefetch = 0, unpackedFrom = 24;

  std::string str() const;
};

/// What is tried on a level.
std::vector<Tiling> candidates(rt::CpuLevel level);

/// What a tuning says of a format and shape; what is left out is as built in.
struct TunedTiling {
  int64_t n, k; ///< 0: any
  LayerFormat format;
  /// Panels and prefetch of one row.
  struct One {
    int64_t panels, prefetch;
  };
  /// Blocks and prefetch of few rows.
  struct Few {
    Block block;
    int64_t prefetch;
  };
  std::optional<One> one;
  std::optional<Few> few;
  std::optional<Block> many, unpacked;
  std::optional<int64_t> unpackedFrom; ///< 0: never

  TunedTiling(LayerFormat format, const Tiling &tiling)
      : n(0), k(0), format(std::move(format)),
        one(One{tiling.onePanels, tiling.onePrefetch}),
        few(Few{tiling.few, tiling.prefetch}),
        many(tiling.many), unpacked(tiling.unpacked),
        unpackedFrom(tiling.unpackedFrom) {}
  TunedTiling(LayerFormat format, int64_t n, int64_t k)
      : n(n), k(k), format(std::move(format)) {}
};

/// The text of a file for `tersec --tuning`.
std::string tuningText(rt::CpuLevel level, int threads,
                       const std::vector<TunedTiling> &tilings);

} // namespace terse::bench

#endif // TERSE_TOOLS_TERSE_BENCH_TILING_H
