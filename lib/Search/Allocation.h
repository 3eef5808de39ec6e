//===- Allocation.h - which layer gets which bits ---------------*- C++ -*-===//
#ifndef TERSE_LIB_SEARCH_ALLOCATION_H
#define TERSE_LIB_SEARCH_ALLOCATION_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace terse {

/// How weights are rounded.
struct WeightFormat {
  int64_t bits, groupSize;

  bool operator==(const WeightFormat &other) const { return bits == other.bits && groupSize == other.groupSize; }
  /// "w4 g32"
  std::string str() const;
};

/// A layer and what it may become.
struct LayerChoices {
  struct Option {
    WeightFormat format;
    double bytes, cost; ///< cost: what it adds to the model's loss
  };
  std::string name;
  std::vector<Option> options;
};

/// For each layer the index of its option.
using Allocation = std::vector<size_t>;

/// Allocations from the least bytes to the least cost: in each step one layer goes on to the next option of the lower convex hull of its
/// (bytes, cost), the one with the largest gain per byte of all layers. Each is the cheapest for its size, up to the last step, if costs add
/// up. Of equal gains the earlier layer goes first.
std::vector<Allocation> makePath(llvm::ArrayRef<LayerChoices> layers);

/// The first i of 0 .. count-1 that `holds`, by halving: what holds is taken to hold for all that follow. Unset if the last one does not. Fails
/// where `holds` does.
llvm::Expected<std::optional<size_t>> findFirst(size_t count, llvm::function_ref<llvm::Expected<bool>(size_t)> holds);

/// Rules of terse-assign-policy that give layers (names, formats) their formats.
std::string writeRules(llvm::ArrayRef<std::pair<std::string, WeightFormat>> layers);

} // namespace terse

#endif // TERSE_LIB_SEARCH_ALLOCATION_H
