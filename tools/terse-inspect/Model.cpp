//===- Model.cpp - what lies in a model -------------------------*- C++ -*-===//
#include "Layers.h"
#include "terse-c/compiler.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cinttypes>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>

namespace terse::inspect {

using namespace rt;
using nlohmann::ordered_json;

namespace {

constexpr const char *compilerLibrary = "libTerse.so.0";
using DescribeFn = decltype(&terse_describe_model);

/// Loads the compiler from the library folder beside the program's.
DescribeFn loadCompiler(std::string &why) {
  char program[PATH_MAX] = {};
  std::string folder;
  if (::realpath("/proc/self/exe", program))
    folder = std::string(program).substr(0, std::string(program).rfind('/'));
  for (const std::string &path :
       {folder + "/../lib/" + compilerLibrary, std::string(compilerLibrary)}) {
    // Never closed: what it registers lives until the end.
    if (void *handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
      if (void *describe = ::dlsym(handle, "terse_describe_model"))
        return reinterpret_cast<DescribeFn>(describe);
    const char *reason = ::dlerror();
    why = reason ? reason : "unknown error";
  }
  return nullptr;
}

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
  std::string why, text;
  DescribeFn describe = loadCompiler(why);
  if (!describe)
    return fail(Code::Unsupported,
                "models need the compiler, whose %s cannot be loaded: %s",
                compilerLibrary, why.c_str());
  auto collect = [](void *user, const char *bytes, size_t size) {
    static_cast<std::string *>(user)->assign(bytes, size);
  };
  if (describe(options.path.c_str(), collect, &text) != 0)
    return Status(Code::InvalidArgument, text);

  ordered_json given = ordered_json::parse(text, nullptr, false), root;
  if (given.is_discarded())
    return Status(Code::Internal, "the compiler gave no JSON");
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
