//===- Recipe.cpp - named ways to compress --------------------------------===//
#include "terse/Pipeline/Recipe.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>

using namespace terse;

static constexpr RecipeInfo recipes[] = {
    {"keep", "every weight as the file has it (default)"},
    {"f32", "weights as 32-bit floats"},
    {"f16", "weights as 16-bit floats"},
    {"w8",
     "8-bit weights in groups of 32, int8 activations, embeddings in 8 bits"},
    {"w4", "4-bit weights in groups of 32, else as w8"},
    {"w3", "3-bit weights in groups of 64, the head in 8 bits, else as w8"},
    {"w2", "2-bit weights in groups of 32, the head in 8 bits, else as w8"},
};

llvm::ArrayRef<RecipeInfo> terse::getRecipes() { return recipes; }

// Keys of the recipes that quantize: options of terse-quantize-weights.
static constexpr llvm::StringLiteral quantizeKeys[] = {
    "group-size",          "symmetric",       "scale",
    "clip-search",         "layers",          "exclude",
    "head-bits",           "head-group-size", "embedding-bits",
    "embedding-group-size", "method",         "damping",
    "sweeps"};
// How inputs of quantized layers are computed.
static constexpr llvm::StringLiteral activationsKey = "activations";

std::string terse::suggestNearest(llvm::StringRef text,
                                  llvm::ArrayRef<llvm::StringRef> candidates) {
  llvm::StringRef best;
  unsigned bestDistance = std::max<size_t>(2, text.size() / 2) + 1;
  for (llvm::StringRef candidate : candidates) {
    // What is there but cut off is nearest.
    unsigned distance = !text.empty() && candidate.starts_with_insensitive(text)
                            ? 0
                            : text.edit_distance_insensitive(candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best.empty() ? "" : ("; did you mean '" + best + "'?").str();
}

static llvm::Error unknown(llvm::StringRef what, llvm::StringRef text,
                           llvm::ArrayRef<llvm::StringRef> candidates) {
  return llvm::createStringError(
      "unknown " + what + " '" + text + "'" + suggestNearest(text, candidates) +
      " (known: " + llvm::join(candidates, ", ") + ")");
}

/// The pipeline of a recipe that quantizes to `bits`; values of `keys` are
/// given.
static std::string
quantize(llvm::StringRef bits,
         llvm::ArrayRef<std::pair<llvm::StringRef, llvm::StringRef>> keys) {
  std::string options = ("bits=" + bits).str();
  bool hasGroup = false, hasHead = false, hasEmbedding = false,
       roundActivations = true;
  for (auto [key, value] : keys) {
    if (key == activationsKey) {
      roundActivations = value == "int8";
      continue;
    }
    hasGroup |= key == "group-size";
    hasHead |= key == "head-bits";
    hasEmbedding |= key == "embedding-bits";
    options += (" " + key + "=" + value).str();
  }
  if (!hasGroup)
    options += bits == "3" ? " group-size=64" : " group-size=32";
  // The pass gives the head 8 bits unless told otherwise. At 4 it loses little
  // more than the other layers; at 3 and 2 it would lose most of all.
  if (!hasHead && bits == "4")
    options += " head-bits=4";
  // A small model is half embedding table; 8 bits a value change nothing there.
  if (!hasEmbedding)
    options += " embedding-bits=8";
  std::string pipeline = "terse-quantize-weights{" + options + "}";
  return roundActivations ? pipeline + ",terse-quantize-activations" : pipeline;
}

llvm::Expected<Recipe> terse::parseRecipe(llvm::StringRef text) {
  auto [name, rest] = text.split(':');
  llvm::SmallVector<llvm::StringRef> names;
  for (const RecipeInfo &recipe : recipes)
    names.push_back(recipe.name);
  if (!llvm::is_contained(names, name))
    return unknown("recipe", name, names);
  bool quantizes = name.starts_with("w");
  llvm::SmallVector<llvm::StringRef> known;
  if (quantizes) {
    known.append(std::begin(quantizeKeys), std::end(quantizeKeys));
    known.push_back(activationsKey);
  }

  llvm::SmallVector<llvm::StringRef> parts;
  rest.split(parts, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  llvm::SmallVector<std::pair<llvm::StringRef, llvm::StringRef>> keys;
  for (llvm::StringRef part : parts) {
    auto [key, value] = part.split('=');
    if (!llvm::is_contained(known, key)) {
      if (known.empty())
        return llvm::createStringError("the recipe '" + name +
                                       "' has no keys; got '" + part + "'");
      return unknown("key of the recipe '" + name.str() + "':", key, known);
    }
    if (value.empty() || value.find_first_of("{}, ") != llvm::StringRef::npos)
      return llvm::createStringError(
          "expected a value without blanks for the key '" + key +
          "' of the recipe '" + name + "'; got '" + part + "'");
    if (key == activationsKey && value != "int8" && value != "float")
      return llvm::createStringError(
          "expected activations=int8 or activations=float; got '" + value +
          "'");
    keys.push_back({key, value});
  }

  Recipe recipe;
  recipe.name = text.str();
  if (quantizes)
    recipe.pipeline = quantize(name.drop_front(), keys);
  else
    recipe.pipeline = ("terse-convert-weights{to=" + name + "}").str();
  return recipe;
}
