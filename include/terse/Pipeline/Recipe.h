//===- Recipe.h - named ways to compress ------------------------*- C++ -*-===//
#ifndef TERSE_PIPELINE_RECIPE_H
#define TERSE_PIPELINE_RECIPE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace terse {

/// A recipe: a name for a pipeline of the compress stage.
struct Recipe {
  /// As the manifest has it: the name with the keys that were given.
  std::string name;
  /// Textual pipeline on a module.
  std::string pipeline;
  /// Passes on the whole model, before that and before calibration; may be empty.
  std::string prepare;
  /// Its passes take statistics of the layers' inputs.
  bool needsStatistics = false;
  /// What each layer gets is to be searched for (terse/Search/Search.h).
  bool isSearched = false;
  /// Of weights, where no policy says otherwise; 0: they stay floats.
  int64_t bits = 0, groupSize = 0;
  bool hasGroupSize = false; ///< by a key
};

/// A line of the list of recipes.
struct RecipeInfo {
  llvm::StringLiteral name;
  llvm::StringLiteral summary;
};
llvm::ArrayRef<RecipeInfo> getRecipes();

/// Reads `NAME[:KEY=VALUE[,KEY=VALUE...]]`. Errors suggest the nearest name or
/// key. `pruning`: a pass that runs where a recipe prunes, if this one does not; may be empty.
llvm::Expected<Recipe> parseRecipe(llvm::StringRef text, llvm::StringRef pruning = "");

/// Whether rules of terse-assign-policy ask for zeros in some layer's weight.
bool askForZeros(llvm::StringRef rules);

/// The value of a key in a recipe's text; none if it has not the key.
std::optional<llvm::StringRef> findRecipeKey(llvm::StringRef text, llvm::StringRef key);

/// The text of a recipe w8 to w2 that gives weights `bits` bits and the keys of the recipe `text`; `isPlain`: but for those that take statistics.
std::string makeUniformRecipe(llvm::StringRef text, int64_t bits, int64_t groupSize, bool isPlain);

/// The passes of a textual pipeline on a module, whether or not it names its anchor, each with its options.
std::vector<std::string> splitPasses(llvm::StringRef pipeline);

/// The candidate most like `text`, as "; did you mean 'x'?"; empty if none is
/// near.
std::string suggestNearest(llvm::StringRef text,
                           llvm::ArrayRef<llvm::StringRef> candidates);

} // namespace terse

#endif // TERSE_PIPELINE_RECIPE_H
