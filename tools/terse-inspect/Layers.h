//===- Layers.h - the weights of a model as a table -------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_INSPECT_LAYERS_H
#define TERSE_TOOLS_TERSE_INSPECT_LAYERS_H

#include "Inspect.h"
#include "terse/Runtime/Describe.h"

namespace terse::inspect {

/// A name fit for a terminal: control characters become '?'.
std::string shown(std::string text);
/// "a, b, c", each as shown.
std::string joined(const std::vector<std::string> &words);
/// "12,345,678".
std::string grouped(uint64_t value);

/// Prints a row for each tensor, then sums by kind and format.
void printLayers(const std::vector<rt::WeightSpec> &weights);

} // namespace terse::inspect

#endif // TERSE_TOOLS_TERSE_INSPECT_LAYERS_H
