//===- Print.cpp - measurements as tables and JSON --------------*- C++ -*-===//
#include "Print.h"

#include "Median.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

namespace terse::bench {

using Json = nlohmann::ordered_json;

static Json toJson(const std::vector<Floor> &floors) {
  Json list = Json::array();
  for (const Floor &floor : floors)
    list.push_back({{"name", floor.name},
                    {"threads", floor.threads},
                    {"value", floor.value},
                    {"unit", floor.unit},
                    {"by", floor.how}});
  return list;
}

void printFloors(const std::vector<Floor> &floors) {
  std::printf("%-18s %7s %10s  %-5s %s\n", "floor", "threads", "value", "unit",
              "by");
  for (const Floor &floor : floors)
    std::printf("%-18s %7d %10.1f  %-5s %s\n", floor.name.c_str(),
                floor.threads, floor.value, floor.unit.c_str(),
                floor.how.c_str());
}

void printFloorsJson(const FloorOptions &options,
                     const std::vector<Floor> &floors) {
  Json root;
  root["cpu_level"] = rt::nameOf(options.level);
  root["threads"] = options.threads;
  root["floors"] = toJson(floors);
  std::printf("%s\n", root.dump().c_str());
}

void printModel(const ModelOptions &options, const ModelReport &report) {
  std::printf("%-28s %.1f ms\n", "open", report.openSeconds * 1e3);
  std::printf("%-28s %.1f ms\n", "first token", report.firstTokenSeconds * 1e3);
  std::printf("%-28s %.1f MB\n\n", "peak resident memory",
              double(report.peakBytes) * 1e-6);
  std::printf("%-8s %7s %7s %7s %10s %12s %8s %10s %10s  %s\n", "run",
              "threads", "tokens", "past", "ms", "tokens/s", "spread",
              "floor ms", "of floor", "bound by");
  for (const ModelCase &found : report.cases) {
    double seconds = found.medianSeconds();
    std::printf(
        "%-8s %7d %7lld %7lld %10.2f %12.1f %7.0f%% %10.2f %10.2f  %s\n",
        found.isPrompt ? "prompt" : "step", found.threads,
        (long long)found.tokens, (long long)found.past, seconds * 1e3,
        double(found.tokens) / seconds, 100 * spread(found.seconds),
        seconds * found.medianFraction() * 1e3, found.medianFraction(),
        found.isBoundByMemory ? "memory" : "arithmetic");
  }
  std::printf("\nFloors of the last of %d rounds:\n", options.rounds);
  printFloors(report.floors);
}

void printModelJson(const ModelOptions &options, const ModelReport &report) {
  Json root;
  root["artifact"] = options.path;
  root["cpu_level"] = rt::nameOf(options.floors.level);
  root["open_s"] = report.openSeconds;
  root["first_token_s"] = report.firstTokenSeconds;
  root["peak_bytes"] = report.peakBytes;
  root["cases"] = Json::array();
  for (const ModelCase &found : report.cases)
    root["cases"].push_back(
        {{"run", found.isPrompt ? "prompt" : "step"},
         {"threads", found.threads},
         {"tokens", found.tokens},
         {"past", found.past},
         {"seconds", found.medianSeconds()},
         {"tokens_per_s", double(found.tokens) / found.medianSeconds()},
         {"bytes", found.work.bytes},
         {"operations", found.work.operations},
         {"fraction_of_floor", found.medianFraction()},
         {"bound_by", found.isBoundByMemory ? "memory" : "arithmetic"},
         {"seconds_by_round", found.seconds}});
  root["floors"] = toJson(report.floors);
  std::printf("%s\n", root.dump().c_str());
}

void printKernels(const KernelOptions &options, const KernelReport &report) {
  std::printf("%-14s %-12s %6s %10s %8s %8s %7s %9s  %-10s %s\n", "layer",
              "format", "rows", "us", "GB/s", "GOPS", "spread", "of floor",
              "bound by", "tiling");
  for (const KernelCase &found : report.cases) {
    double seconds = median(found.seconds);
    std::string shape =
        std::to_string(found.shape.n) + "x" + std::to_string(found.shape.k);
    std::printf(
        "%-14s %-12s %6lld %10.1f %8.1f %8.1f %6.0f%% %9.2f  %-10s %s\n",
        shape.c_str(), found.format.str().c_str(), (long long)found.rows,
        seconds * 1e6, found.work.bytes / seconds * 1e-9,
        found.work.operations / seconds * 1e-9, 100 * spread(found.seconds),
        median(found.fractions),
        found.isBoundByMemory ? "memory" : "arithmetic", found.tiling.c_str());
  }
  std::printf("\nThe best floors of %d rounds a layer:\n", options.rounds);
  printFloors(report.floors);
}

void printKernelsJson(const KernelOptions &options,
                      const KernelReport &report) {
  Json root;
  root["cpu_level"] = rt::nameOf(options.floors.level);
  root["threads"] = options.floors.threads;
  root["cases"] = Json::array();
  for (const KernelCase &found : report.cases)
    root["cases"].push_back(
        {{"n", found.shape.n},
         {"k", found.shape.k},
         {"format", found.format.str()},
         {"rows", found.rows},
         {"tiling", found.tiling},
         {"seconds", median(found.seconds)},
         {"bytes", found.work.bytes},
         {"operations", found.work.operations},
         {"fraction_of_floor", median(found.fractions)},
         {"bound_by", found.isBoundByMemory ? "memory" : "arithmetic"},
         {"seconds_by_round", found.seconds}});
  root["floors"] = toJson(report.floors);
  std::printf("%s\n", root.dump().c_str());
}

void printTuning(const std::vector<TunedTiling> &tilings) {
  auto block = [](const std::optional<Block> &found) {
    return found ? std::to_string(found->rows) + "x" +
                       std::to_string(found->panels)
                 : std::string("-");
  };
  auto number = [](std::optional<int64_t> found) {
    return found ? std::to_string(*found) : std::string("-");
  };
  std::printf("%-14s %-12s %10s %9s %8s %9s %8s %9s %5s\n", "layer", "format",
              "one row", "prefetch", "few", "prefetch", "many", "unpacked",
              "from");
  for (const TunedTiling &tuned : tilings) {
    std::string shape = std::to_string(tuned.n) + "x" + std::to_string(tuned.k);
    std::printf(
        "%-14s %-12s %10s %9s %8s %9s %8s %9s %5s\n", shape.c_str(),
        tuned.format.str().c_str(),
        tuned.one ? ("1x" + std::to_string(tuned.one->panels)).c_str() : "-",
        tuned.one ? std::to_string(tuned.one->prefetch).c_str() : "-",
        block(tuned.few ? std::optional(tuned.few->block) : std::nullopt)
            .c_str(),
        tuned.few ? std::to_string(tuned.few->prefetch).c_str() : "-",
        block(tuned.many).c_str(),
        block(tuned.unpacked).c_str(), number(tuned.unpackedFrom).c_str());
  }
  std::printf("-: what is built in is as fast\n");
}

} // namespace terse::bench
