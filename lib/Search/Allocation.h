//===- Allocation.h - which layer gets which bits ---------------*- C++ -*-===//
#ifndef TERSE_LIB_SEARCH_ALLOCATION_H
#define TERSE_LIB_SEARCH_ALLOCATION_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace terse {

/// How weights are rounded, and whether some are zero.
struct WeightFormat {
  int64_t bits, groupSize;
  std::optional<bool> symmetric = {}; ///< without zero points; unset: as the recipe says
  std::string method = {};            ///< rtn, hqq or gptq; empty: as the recipe says
  bool isSparse = false;              ///< of each four weights of a row at most two are not zero (2:4)

  bool operator==(const WeightFormat &other) const { return key() == other.key(); }
  bool operator<(const WeightFormat &other) const { return key() < other.key(); }
  /// What is stored and computed with, whatever the method that chose the codes: only `hqq` has zero points of its own.
  WeightFormat getStorage() const { return {bits, groupSize, symmetric, method == "hqq" ? method : "", isSparse}; }
  /// "w4 g32", "w4 g32 asymmetric", "w4 g64 2:4 gptq"
  std::string str() const;

private:
  std::tuple<const int64_t &, const int64_t &, const std::optional<bool> &, const std::string &, const bool &> key() const {
    return std::tie(bits, groupSize, symmetric, method, isSparse);
  }
};

/// Layers and what they get.
using Formats = std::vector<std::pair<std::string, WeightFormat>>;

/// A layer, or several that get the same, and what it may become.
struct LayerChoices {
  struct Option {
    WeightFormat format;
    double price, cost; ///< price: what is to be little, as bytes or seconds; cost: what it adds to the model's loss
  };
  std::string name;
  std::vector<Option> options;
  bool isApart = false; ///< it shares no code with others, whatever their formats are
};

/// Of options that store the same in the same number of bytes only the one of least cost stays: they differ by method alone. Zero points that are not
/// whole stay where they cost less than whole ones, which take fewer bytes.
void keepBestMethods(LayerChoices &layer);

/// For each layer the index of its option.
using Allocation = std::vector<size_t>;

struct AllocationSum {
  double price = 0, cost = 0;
};
AllocationSum sum(llvm::ArrayRef<LayerChoices> layers, const Allocation &allocation);

/// Allocations from the least price to the least cost: in each step one layer goes on to the next option of the lower convex hull of its
/// (price, cost), the one that gains most for its price of all layers. Each is the cheapest for its price, up to the last step, if costs add
/// up. Of equal gains the earlier layer goes first.
std::vector<Allocation> makePath(llvm::ArrayRef<LayerChoices> layers);

/// Allocations of falling cost and rising `price`, which may count what `sum` does not: the best ones of the paths with all options, with one way to store all
/// (but those that are apart) and with two or three, of those that two layers or more share and that no other betters in all layers.
std::vector<Allocation> makeFront(llvm::ArrayRef<LayerChoices> layers, llvm::function_ref<double(const Allocation &)> price);

/// Allocations with one or two layers changed, of less price than `from` and at most `slack` more cost, the least price first, then the least
/// cost: at most `count`.
std::vector<Allocation> findExchanges(llvm::ArrayRef<LayerChoices> layers, const Allocation &from, double slack, size_t count);

/// The first i of 0 .. count-1 that `holds`: what holds is taken to hold for all that follow. By halving, the
/// last one first; from a `guess` (less than count) on steps are doubled before, until it lies between two that were asked. Unset if the last one does not hold.
/// Fails where `holds` does.
llvm::Expected<std::optional<size_t>> findFirst(size_t count, std::optional<size_t> guess, llvm::function_ref<llvm::Expected<bool>(size_t)> holds);

/// Rules of terse-assign-policy that give layers their formats.
std::string writeRules(const Formats &layers);

} // namespace terse

#endif // TERSE_LIB_SEARCH_ALLOCATION_H
