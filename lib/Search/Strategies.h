//===- Strategies.h - ways to keep a promised loss --------------*- C++ -*-===//
#ifndef TERSE_LIB_SEARCH_STRATEGIES_H
#define TERSE_LIB_SEARCH_STRATEGIES_H

#include "Trials.h"

#include "terse/Pipeline/Recipe.h"
#include "terse/Quality/Guard.h"

namespace terse {

/// What is to be compiled in the end.
struct Plan {
  std::string rules;     ///< of terse-assign-policy
  std::string described; ///< for people
  SearchFindings findings;
};

/// More bits for the layers of `recipe` with the largest error, as few as keep the promise; all in 8 bits where nothing does.
llvm::Expected<Plan> raiseBits(const CompileOptions &options, const Recipe &recipe, Trials &trials);

/// Bits and groups of each layer for the recipe `auto`.
///
/// 1. The whole model in each format: losses, sizes, and each layer's error in each format.
/// 2. Each layer alone in one probing format, all others in 8 bits: the KL divergence that it adds. Divided by the square of its error, that is
///    the layer's sensitivity, and sensitivity times squared error what a format costs.
/// 3. Allocations from the smallest on (makePath), of which the first that keeps the promise is found by halving, each measured with the recipe
///    itself.
llvm::Expected<Plan> chooseFormats(const CompileOptions &options, const Recipe &recipe, Trials &trials);

/// "3 layers w2 g32, 4 layers w8 g64".
std::string describeFormats(llvm::ArrayRef<std::pair<std::string, WeightFormat>> layers);

} // namespace terse

#endif // TERSE_LIB_SEARCH_STRATEGIES_H
