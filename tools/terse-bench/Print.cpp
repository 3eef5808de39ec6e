//===- Print.cpp - measurements as tables and JSON --------------*- C++ -*-===//
#include "Print.h"

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

/// The widest distance of a round from the median, as a part of it.
static double spreadOf(const ModelCase &found) {
  double middle = found.medianSeconds(), spread = 0;
  for (double seconds : found.seconds)
    spread = std::max(spread, std::abs(seconds - middle) / middle);
  return spread;
}

void printModel(const ModelOptions &options, const ModelReport &report) {
  std::printf("%-28s %.1f ms\n", "open", report.openSeconds * 1e3);
  std::printf("%-28s %.1f ms\n", "first token",
              report.firstTokenSeconds * 1e3);
  std::printf("%-28s %.1f MB\n\n", "peak resident memory",
              double(report.peakBytes) * 1e-6);
  std::printf("%-8s %7s %7s %7s %10s %12s %8s %10s %10s  %s\n", "run",
              "threads", "tokens", "past", "ms", "tokens/s", "spread", "floor ms",
              "of floor", "bound by");
  for (const ModelCase &found : report.cases) {
    double seconds = found.medianSeconds();
    std::printf("%-8s %7d %7lld %7lld %10.2f %12.1f %7.0f%% %10.2f %10.2f  %s\n",
                found.isPrompt ? "prompt" : "step", found.threads,
                (long long)found.tokens, (long long)found.past, seconds * 1e3,
                double(found.tokens) / seconds, 100 * spreadOf(found),
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

} // namespace terse::bench
