//===- Layers.cpp - the weights of a model as a table -----------*- C++ -*-===//
#include "Layers.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>

namespace terse::inspect {

using namespace rt;

std::string shown(std::string text) {
  for (char &c : text)
    if ((unsigned char)c < ' ' || c == 0x7f)
      c = '?';
  return text;
}

std::string joined(const std::vector<std::string> &words) {
  std::string text;
  for (const std::string &word : words)
    text += (text.empty() ? "" : ", ") + shown(word);
  return text;
}

std::string grouped(uint64_t value) {
  std::string text = std::to_string(value);
  for (size_t at = text.size(); at > 3;)
    text.insert(at -= 3, ",");
  return text;
}

namespace {
std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string shapeOf(const WeightSpec &weight) {
  std::string text;
  for (int64_t size : weight.shape)
    text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}
} // namespace

void printLayers(const std::vector<WeightSpec> &given) {
  std::vector<WeightSpec> weights = layersOf(given);
  if (weights.empty())
    return;

  size_t width = 5;
  for (const WeightSpec &weight : weights)
    width = std::max(width, std::min<size_t>(weight.name.size(), 60));
  std::printf("\n%-*s  %-10s %14s %6s %6s %6s %14s %6s\n", int(width), "layer",
              "kind", "shape", "bits", "group", "scale", "bytes", "bits/w");
  for (const WeightSpec &weight : weights)
    std::printf("%-*s  %-10s %14s %6s %6s %6s %14s %6.3g\n", int(width),
                shown(weight.name).c_str(), shown(weight.kind).c_str(),
                shapeOf(weight).c_str(), number(weight.bits).c_str(),
                weight.groupSize ? std::to_string(weight.groupSize).c_str()
                                 : "-",
                weight.scale.empty() ? "-" : shown(weight.scale).c_str(),
                grouped(weight.bytes).c_str(),
                bitsPerWeight(elementsOf(weight), weight.bytes));
  std::printf("\n");
  for (const auto &[format, total] : totalsOf(weights))
    std::printf("%s: %" PRId64 " tensors, %s weights, %s bytes, %.3g bits a "
                "weight\n",
                shown(format).c_str(), total.tensors,
                grouped(total.weights).c_str(), grouped(total.bytes).c_str(),
                bitsPerWeight(total.weights, total.bytes));
}

} // namespace terse::inspect
