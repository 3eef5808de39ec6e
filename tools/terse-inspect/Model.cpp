//===- Model.cpp - what lies in a model -------------------------*- C++ -*-===//
#include "CompilerLibrary.h"
#include "Layers.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace terse::inspect {

using namespace rt;
using nlohmann::ordered_json;

namespace {

WeightSpec weightOf(const ordered_json &row) {
  WeightSpec weight;
  weight.name = row["name"];
  weight.kind = row["kind"];
  weight.scale = row["scale"];
  weight.shape = row["shape"].get<std::vector<int64_t>>();
  weight.bits = row["bits"];
  weight.groupSize = row["group_size"];
  weight.symmetric = row["symmetric"];
  weight.bytes = row["bytes"];
  return weight;
}

void printTensors(const char *title, const ordered_json &tensors) {
  for (const ordered_json &tensor : tensors) {
    std::vector<std::string> dims;
    for (const ordered_json &dim : tensor["shape"])
      dims.push_back(dim.is_string() ? dim.get<std::string>() : dim.dump());
    std::printf("%-10s %s: %s [%s]\n", title,
                shown(tensor["name"].get<std::string>()).c_str(),
                shown(tensor["dtype"].get<std::string>()).c_str(),
                joined(dims).c_str());
    title = "";
  }
}

void printText(const ordered_json &root,
               const std::vector<WeightSpec> &weights) {
  std::printf("%-10s %s, %s bytes\n%-10s sha256 %s\n", "model",
              shown(root["file"].get<std::string>()).c_str(),
              grouped(root["bytes"].get<uint64_t>()).c_str(), "",
              root["sha256"].get<std::string>().c_str());
  printTensors("inputs", root["inputs"]);
  printTensors("outputs", root["outputs"]);
  // The most frequent first.
  std::vector<std::pair<int64_t, std::string>> counts;
  for (const auto &item : root["operations"].items())
    counts.emplace_back(-item.value().get<int64_t>(), item.key());
  std::sort(counts.begin(), counts.end());
  std::printf("%-10s", "operations");
  for (size_t i = 0; i < counts.size(); ++i)
    std::printf("%s %s %" PRId64, i ? "," : "", shown(counts[i].second).c_str(),
                -counts[i].first);
  std::printf("\n");
  printLayers(weights);
}

} // namespace

bool looksLikeModel(const std::string &path) {
  for (const char *end : {".onnx", ".mlir", ".mlirbc"}) {
    std::string suffix = end;
    if (path.size() > suffix.size() &&
        path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0)
      return true;
  }
  return false;
}

Status inspectModel(const Options &options) {
  if (options.verify)
    return fail(Code::InvalidArgument,
                "--verify: a model has no hashes; expected a compiled one");
  Result<ordered_json> described =
      describeByCompiler("terse_describe_model", "models", options.path);
  if (!described.ok())
    return described.status();
  ordered_json &given = *described, root;
  std::vector<WeightSpec> weights;
  for (const ordered_json &row : given["layers"])
    weights.push_back(weightOf(row));
  if (!options.json) {
    printText(given, weights);
    return Status();
  }
  for (const char *key :
       {"file", "bytes", "sha256", "inputs", "outputs", "operations"})
    root[key] = given[key];
  addLayers(root, weights);
  std::printf("%s\n",
              root.dump(-1, ' ', false, ordered_json::error_handler_t::replace)
                  .c_str());
  return Status();
}

} // namespace terse::inspect
