//===- LayerNames.cpp - layers chosen by their names ------------------------===//
#include "compress/Weights/LayerNames.h"

using namespace mlir;
using namespace terse;

LayerNames::LayerNames(StringRef layers, StringRef exclude)
    : layers(layers), exclude(exclude), included(layers), excluded(exclude), isUsed(layers.empty()) {}

LogicalResult LayerNames::check(function_ref<LogicalResult(const Twine &)> error) const {
  for (auto [option, text, regex] : {std::tuple<StringRef, StringRef, const llvm::Regex *>("layers", layers, &included),
                                     {"exclude", exclude, &excluded}}) {
    std::string why;
    if (!text.empty() && !regex->isValid(why))
      return error("expected " + option + " to be a regular expression; got '" + text + "': " + why);
  }
  return success();
}

bool LayerNames::contains(StringRef name) {
  if (!layers.empty() && !included.match(name))
    return false;
  isUsed = true;
  return exclude.empty() || !excluded.match(name);
}

LogicalResult LayerNames::checkUsed(function_ref<LogicalResult(const Twine &)> error) const {
  return isUsed ? success() : error("expected layers to match the name of a layer; got '" + layers + "'");
}
