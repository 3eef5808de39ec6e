//===- Layers.cpp - the weights of a model as a table -----------*- C++ -*-===//
#include "Layers.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>

namespace terse::inspect {

using namespace rt;
using nlohmann::ordered_json;

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

/// Weights alike in kind and format.
struct Total {
  int64_t tensors = 0, weights = 0;
  uint64_t bytes = 0;
};

int64_t elements(const WeightSpec &weight) {
  int64_t count = 1;
  for (int64_t size : weight.shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count))
      return 0; // a shape that cannot be
  return count;
}

double bitsPerWeight(int64_t weights, uint64_t bytes) {
  return weights ? double(bytes) * 8 / double(weights) : 0;
}

/// Whole numbers as integers.
ordered_json bitsJson(double bits) {
  return bits == double(int64_t(bits)) ? ordered_json(int64_t(bits))
                                       : ordered_json(bits);
}

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

/// "4 bits, groups of 32, scales f16, symmetric".
std::string formatOf(const WeightSpec &weight) {
  std::string text = number(weight.bits) + " bits";
  if (!weight.scale.empty() && weight.scale != "none") {
    bool perChannel =
        weight.groupSize == 0 ||
        (!weight.shape.empty() && weight.groupSize == weight.shape.back());
    text += perChannel ? ", per channel"
                       : ", groups of " + std::to_string(weight.groupSize);
    text += ", scales " + shown(weight.scale);
    text += weight.symmetric ? ", symmetric" : ", asymmetric";
  }
  return text;
}

std::map<std::string, Total> totals(const std::vector<WeightSpec> &weights) {
  std::map<std::string, Total> result;
  for (const WeightSpec &weight : weights) {
    std::string kind = weight.kind.empty() ? "other" : shown(weight.kind);
    Total &total = result[kind + ", " + formatOf(weight)];
    total.tensors += 1;
    total.weights += elements(weight);
    total.bytes += weight.bytes;
  }
  return result;
}

/// Layers: codes with the bytes of their scales and zero points.
std::vector<WeightSpec> layersOf(const std::vector<WeightSpec> &weights) {
  std::vector<WeightSpec> layers;
  std::map<std::string, size_t> places;
  for (const WeightSpec &weight : weights)
    if (weight.partOf.empty()) {
      places.emplace(weight.name, layers.size());
      layers.push_back(weight);
    }
  for (const WeightSpec &weight : weights) {
    if (weight.partOf.empty())
      continue;
    auto whole = places.find(weight.partOf);
    if (whole == places.end()) {
      layers.push_back(weight);
      continue;
    }
    WeightSpec &layer = layers[whole->second];
    layer.bytes += weight.bytes;
    // The layer is called what its codes were made of.
    const std::string suffix = ".codes";
    for (size_t at; (at = layer.name.find(suffix)) != std::string::npos;)
      layer.name.erase(at, suffix.size());
  }
  return layers;
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
                bitsPerWeight(elements(weight), weight.bytes));
  std::printf("\n");
  for (const auto &[format, total] : totals(weights))
    std::printf("%s: %" PRId64 " tensors, %s weights, %s bytes, %.3g bits a "
                "weight\n",
                format.c_str(), total.tensors, grouped(total.weights).c_str(),
                grouped(total.bytes).c_str(),
                bitsPerWeight(total.weights, total.bytes));
}

void addLayers(ordered_json &root, const std::vector<WeightSpec> &given) {
  std::vector<WeightSpec> weights = layersOf(given);
  ordered_json layers = ordered_json::array();
  for (const WeightSpec &weight : weights)
    layers.push_back(
        {{"name", weight.name},
         {"kind", weight.kind},
         {"shape", weight.shape},
         {"bits", bitsJson(weight.bits)},
         {"group_size", weight.groupSize},
         {"symmetric", weight.symmetric},
         {"scale", weight.scale},
         {"bytes", weight.bytes},
         {"bits_per_weight", bitsPerWeight(elements(weight), weight.bytes)}});
  root["layers"] = std::move(layers);
  ordered_json sums = ordered_json::array();
  for (const auto &[format, total] : totals(weights))
    sums.push_back(
        {{"format", format},
         {"tensors", total.tensors},
         {"weights", total.weights},
         {"bytes", total.bytes},
         {"bits_per_weight", bitsPerWeight(total.weights, total.bytes)}});
  root["totals"] = std::move(sums);
}

} // namespace terse::inspect
