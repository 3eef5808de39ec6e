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
  std::string recipe;    ///< with keys that were chosen; empty: as it was
  std::string described; ///< for people
  SearchFindings findings;
};

/// More bits for the layers of `recipe` with the largest error, as few as keep the promise; all in 8 bits where nothing does.
llvm::Expected<Plan> raiseBits(const CompileOptions &options, const Recipe &recipe, Trials &trials);

/// Formats of each layer for the recipe `auto`: by what each costs (Sensitivity.h), allocations from the smallest on (makePath), of which the
/// first that keeps the promise is found by halving, each measured with the recipe itself; then exchanges of a layer or two.
llvm::Expected<Plan> chooseFormats(const CompileOptions &options, const Recipe &recipe, Trials &trials);

/// "3 layers w2 g32, 4 layers w8 g64".
std::string describeFormats(const Formats &layers);

} // namespace terse

#endif // TERSE_LIB_SEARCH_STRATEGIES_H
