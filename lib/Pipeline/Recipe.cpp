//===- Recipe.cpp - named ways to compress --------------------------------===//
#include "terse/Pipeline/Recipe.h"
#include "terse/Support/Share.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

#include <map>

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
    {"auto", "bits, groups, rounding and zeros of each layer by search, the "
             "smallest that keeps --max-loss on the --eval text"},
};

llvm::ArrayRef<RecipeInfo> terse::getRecipes() { return recipes; }

// Keys of the recipes that quantize: options of terse-quantize-weights.
static constexpr llvm::StringLiteral quantizeKeys[] = {
    "group-size",           "symmetric",       "scale",
    "format",               "clip-search",     "layers",
    "exclude",              "head-bits",       "head-group-size",
    "embedding-bits",       "embedding-group-size", "method",
    "damping",              "sweeps"};
// What is done before and behind it.
static constexpr llvm::StringLiteral otherKeys[] = {
    "activations", "smooth",  "prune",       "outliers", "outlier-bits",
    "rotate",      "kv-cache"};

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

std::vector<std::string> terse::splitPasses(llvm::StringRef pipeline) {
  pipeline = pipeline.trim();
  if (pipeline.consume_front("builtin.module("))
    pipeline = pipeline.drop_back();
  std::vector<std::string> passes;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= pipeline.size(); ++i) {
    char c = i < pipeline.size() ? pipeline[i] : ',';
    depth += (c == '{' || c == '(') - (c == '}' || c == ')');
    if (c != ',' || (depth > 0 && i < pipeline.size()))
      continue;
    if (llvm::StringRef pass = pipeline.slice(begin, i).trim(); !pass.empty())
      passes.push_back(pass.str());
    begin = i + 1;
  }
  return passes;
}

using Keys = std::map<std::string, std::string>;

static std::string findKey(const Keys &keys, const std::string &key) {
  auto found = keys.find(key);
  return found == keys.end() ? "" : found->second;
}

/// `PASS{OPTION=VALUE ...}`, the values of those `names` that are given.
static std::string makePass(const std::string &pass, std::string options,
                            const Keys &keys,
                            llvm::ArrayRef<llvm::StringLiteral> names) {
  for (llvm::StringRef name : names)
    if (std::string value = findKey(keys, name.str()); !value.empty())
      options += (options.empty() ? "" : " ") + name.str() + "=" + value;
  return options.empty() ? pass : pass + "{" + options + "}";
}

/// Between what scales weights and what rounds them.
static std::string splitOutliers(const Keys &keys) {
  std::string share = findKey(keys, "outliers");
  if (share.empty())
    return "";
  std::string bits = findKey(keys, "outlier-bits");
  return makePass("terse-split-outliers",
                  "share=" + share + (bits.empty() ? "" : " bits=" + bits),
                  keys, {"layers", "exclude"}) +
         ",";
}

static std::string quantizeWeights(const std::string &bits, Keys keys) {
  // The pass gives the head 8 bits unless told otherwise. At 4 it loses little
  // more than the other layers; at 3 and 2 it would lose most of all.
  if (bits == "4")
    keys.insert({"head-bits", "4"});
  // A small model is half embedding table; 8 bits a value change nothing there.
  keys.insert({"embedding-bits", "8"});
  std::string passes;
  if (findKey(keys, "method") == "awq") {
    keys["method"] = "rtn";
    passes = makePass("terse-awq-scale", "bits=" + bits, keys,
                      {"group-size", "symmetric", "scale", "format", "layers",
                       "exclude"}) +
             ",";
  }
  passes += splitOutliers(keys);
  return passes + makePass("terse-quantize-weights", "bits=" + bits, keys,
                           quantizeKeys);
}

/// `8`, `4`, or keys and values apart, `k8v4`; empty where there is no such text.
static std::string quantizeKvCache(llvm::StringRef text) {
  auto isWidth = [](llvm::StringRef bits) { return bits == "8" || bits == "4"; };
  if (isWidth(text))
    return ("terse-quantize-kv-cache{bits=" + text + "}").str();
  auto [keys, values] = text.split('v');
  if (keys.consume_front("k") && isWidth(keys) && isWidth(values))
    return ("terse-quantize-kv-cache{key-bits=" + keys + " value-bits=" + values + "}").str();
  return "";
}

/// What is pruned, one after the other: `blocks:25%+2:4`.
static llvm::SmallVector<llvm::StringRef> splitPrunings(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> parts;
  if (!text.empty())
    text.split(parts, '+');
  return parts;
}

/// Whether `terse-prune-sparsegpt` can be asked for it, or it has a kind and a share.
static bool isPruning(llvm::StringRef part) {
  bool hasKind = part.consume_front("blocks:") ||
                 part.consume_front("sublayers:") ||
                 part.consume_front("structured:");
  if (!hasKind && part.contains(':'))
    return true; // a pattern, which the pass checks
  return parseProperShare(part).has_value();
}

/// The recipe that quantizes to `bits`, with its `keys`; `pruning` as in parseRecipe.
static Recipe makeRecipe(const std::string &bits, Keys keys,
                         llvm::StringRef pruning) {
  Recipe recipe;
  recipe.bits = std::stoi(bits);
  // Values are checked with the passes' options. Those of NF4 are QLoRA's.
  bool isCoarse = bits == "3" || findKey(keys, "format") == "nf4";
  recipe.hasGroupSize =
      !keys.insert({"group-size", isCoarse ? "64" : "32"}).second;
  llvm::StringRef(keys["group-size"]).getAsInteger(10, recipe.groupSize);
  std::string method = findKey(keys, "method"), smooth = findKey(keys, "smooth"),
              prune = findKey(keys, "prune"),
              activations = findKey(keys, "activations");
  llvm::SmallVector<std::string> passes, prepare;
  bool prunesWeights = false;
  for (llvm::StringRef share : splitPrunings(prune)) {
    auto add = [&](llvm::SmallVector<std::string> &to, const char *pass,
                   const llvm::Twine &options,
                   llvm::ArrayRef<llvm::StringLiteral> names) {
      to.push_back(makePass(pass, options.str(), keys, names));
    };
    if (share.consume_front("blocks:"))
      add(prepare, "terse-prune-blocks", "share=" + share, {"exclude"});
    else if (share.consume_front("sublayers:"))
      add(prepare, "terse-prune-blocks", "unit=sublayer share=" + share,
          {"exclude"});
    else if (share.consume_front("structured:"))
      add(passes, "terse-prune-structured", "share=" + share,
          {"layers", "exclude"});
    else {
      add(passes, "terse-prune-sparsegpt",
          share.contains(':') ? "pattern=" + share
                              : "sparsity=" + std::to_string(*parseShare(share)),
          {"layers", "exclude"});
      prunesWeights = true;
    }
  }
  if (!prunesWeights && !pruning.empty())
    passes.push_back(pruning.str());
  if (!smooth.empty())
    passes.push_back(makePass("terse-smooth-outliers", "alpha=" + smooth, keys,
                              {"layers", "exclude"}));
  passes.push_back(quantizeWeights(bits, keys));
  if (activations == "static")
    passes.push_back("terse-quantize-activations{mode=static}");
  else if (activations != "float")
    passes.push_back("terse-quantize-activations");
  if (!smooth.empty() || method == "awq")
    passes.push_back("terse-fold-scales");
  if (std::string cache = findKey(keys, "kv-cache"); !cache.empty())
    passes.push_back(quantizeKvCache(cache));
  recipe.pipeline = llvm::join(passes, ",");
  if (findKey(keys, "rotate") == "hadamard")
    prepare.push_back("terse-rotate-hadamard");
  recipe.prepare = llvm::join(prepare, ",");
  recipe.needsStatistics = method == "gptq" || method == "awq" ||
                           !smooth.empty() || !prune.empty() ||
                           !findKey(keys, "outliers").empty() ||
                           activations == "static";
  return recipe;
}

static llvm::Error checkKey(llvm::StringRef recipe, llvm::StringRef key,
                            llvm::StringRef value) {
  auto refuse = [&](llvm::StringRef expected) {
    return llvm::createStringError("expected " + expected + " for the key '" +
                                   key + "' of the recipe '" + recipe +
                                   "'; got '" + value + "'");
  };
  if (value.empty() || value.find_first_of("{}, ") != llvm::StringRef::npos)
    return refuse("a value without blanks");
  if (key == "activations" && value != "int8" && value != "static" &&
      value != "float")
    return refuse("int8, static or float");
  if (key == "prune" && !llvm::all_of(splitPrunings(value), isPruning))
    return refuse("N:M, a share of less than 1, structured:SHARE, blocks:SHARE, "
                  "sublayers:SHARE, or several of them with + between");
  if (key == "rotate" && value != "hadamard" && value != "none")
    return refuse("hadamard or none");
  if (key == "kv-cache" && quantizeKvCache(value).empty())
    return refuse("8, 4 or kNvM");
  if (key == "method" && value != "rtn" && value != "hqq" && value != "gptq" &&
      value != "awq")
    return refuse("rtn, hqq, gptq or awq");
  return llvm::Error::success();
}

bool terse::askForZeros(llvm::StringRef rules) {
  for (llvm::StringRef rule : llvm::split(rules, ';'))
    for (llvm::StringRef setting : llvm::split(rule.split('=').second, ','))
      if (setting.starts_with("pattern:") || setting.starts_with("sparsity:"))
        return true;
  return false;
}

llvm::Expected<Recipe> terse::parseRecipe(llvm::StringRef text,
                                          llvm::StringRef pruning) {
  auto [name, rest] = text.split(':');
  llvm::SmallVector<llvm::StringRef> names;
  for (const RecipeInfo &recipe : recipes)
    names.push_back(recipe.name);
  if (!llvm::is_contained(names, name))
    return unknown("recipe", name, names);
  bool isSearched = name == "auto", quantizes = name.starts_with("w") || isSearched;
  llvm::SmallVector<llvm::StringRef> known;
  if (quantizes) {
    known.append(std::begin(quantizeKeys), std::end(quantizeKeys));
    known.append(std::begin(otherKeys), std::end(otherKeys));
  }

  llvm::SmallVector<llvm::StringRef> parts;
  rest.split(parts, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  Keys keys;
  for (llvm::StringRef part : parts) {
    auto [key, value] = part.split('=');
    if (known.empty())
      return llvm::createStringError("the recipe '" + name +
                                     "' has no keys; got '" + part + "'");
    if (!llvm::is_contained(known, key))
      return unknown("key of the recipe '" + name.str() + "':", key, known);
    if (llvm::Error error = checkKey(name, key, value))
      return error;
    if (key == "format" && value == "nf4" && name != "w4" && !isSearched)
      return llvm::createStringError(
          "expected the recipe w4 or auto with 'format=nf4'; got '" + name +
          "'");
    if (key.starts_with("outlier") && isSearched)
      return llvm::createStringError("expected a recipe w8 to w2 with '" + key +
                                     "'; got 'auto'");
    if (!keys.insert({key.str(), value.str()}).second)
      return llvm::createStringError("the key '" + key + "' of the recipe '" +
                                     name + "' is given twice");
  }

  if (keys.count("outlier-bits") && !keys.count("outliers"))
    return llvm::createStringError(
        "expected the key 'outliers' of the recipe '" + name +
        "' with 'outlier-bits'");

  Recipe recipe;
  if (quantizes) {
    recipe = makeRecipe(isSearched ? "8" : name.drop_front().str(), keys,
                        pruning);
    recipe.isSearched = isSearched;
  } else
    recipe.pipeline = ("terse-convert-weights{to=" + name + "}").str();
  recipe.name = text.str();
  return recipe;
}

std::optional<llvm::StringRef> terse::findRecipeKey(llvm::StringRef text,
                                                    llvm::StringRef key) {
  for (llvm::StringRef part : llvm::split(text.split(':').second, ','))
    if (part.split('=').first == key)
      return part.split('=').second;
  return std::nullopt;
}

std::string terse::makeUniformRecipe(llvm::StringRef text, int64_t bits,
                                     int64_t groupSize, bool isPlain) {
  std::string result = "w" + std::to_string(bits) +
                       ":group-size=" + std::to_string(groupSize);
  for (llvm::StringRef part : llvm::split(text.split(':').second, ',')) {
    llvm::StringRef key = part.split('=').first;
    bool takesStatistics =
        part == "activations=static" ||
        (part != "method=hqq" &&
         llvm::is_contained({"method", "damping", "sweeps", "smooth", "prune"},
                            key));
    if (!part.empty() && key != "group-size" &&
        !(key == "format" && bits != 4) && !(isPlain && takesStatistics))
      result += "," + part.str();
  }
  return result;
}
