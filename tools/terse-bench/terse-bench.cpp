//===- terse-bench.cpp - measures the machine -------------------*- C++ -*-===//
#include "Floors.h"

#include "terse/Runtime/Team.h"
#include "terse/Runtime/Version.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>

using namespace terse;

namespace {
int fail(const std::string &message, int code) {
  std::fprintf(stderr, "terse-bench: error: %s\n", message.c_str());
  return code;
}

void printTable(const std::vector<bench::Floor> &floors) {
  std::printf("%-18s %7s %10s  %-5s %s\n", "floor", "threads", "value", "unit",
              "by");
  for (const bench::Floor &floor : floors)
    std::printf("%-18s %7d %10.1f  %-5s %s\n", floor.name.c_str(),
                floor.threads, floor.value, floor.unit.c_str(),
                floor.how.c_str());
}

void printJson(const bench::FloorOptions &options,
               const std::vector<bench::Floor> &floors) {
  nlohmann::ordered_json root;
  root["cpu_level"] = rt::nameOf(options.level);
  root["threads"] = options.threads;
  root["floors"] = nlohmann::ordered_json::array();
  for (const bench::Floor &floor : floors)
    root["floors"].push_back({{"name", floor.name},
                              {"threads", floor.threads},
                              {"value", floor.value},
                              {"unit", floor.unit},
                              {"by", floor.how}});
  std::printf("%s\n", root.dump().c_str());
}
} // namespace

int main(int argc, char **argv) {
  CLI::App app("Measures what this machine allows a model at most.",
               "terse-bench");
  app.set_version_flag("--version", "terse-bench " TERSE_VERSION);
  bench::FloorOptions options;
  bool floors = false, json = false;
  int threads = 0, megabytes = 512;
  std::string level;
  app.add_flag("--floors", floors,
               "Bandwidth of reading, rate of integer dot products of the "
               "machine's level and of float multiply-adds from registers");
  app.add_option("--threads", threads, "Threads (default: all processors)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--cpu-level", level,
                 "Instructions of a lesser processor: baseline, avx2 or "
                 "avx512vnni")
      ->type_name("LEVEL");
  app.add_option("--megabytes", megabytes, "Memory to read (default 512)")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--runs", options.runs,
                 "Take the best of so many runs (default 5)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  app.add_flag("--json", json, "Print one JSON object instead of a table");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error);
    return fail(error.what(), 2);
  }
  if (!floors)
    return fail("expected --floors", 2);

  options.level = rt::bestLevel();
  if (!level.empty()) {
    rt::CpuLevel asked;
    if (!rt::parseCpuLevel(level, asked))
      return fail("expected --cpu-level baseline, avx2 or avx512vnni; got '" +
                      level + "'",
                  2);
    if (asked > options.level)
      return fail("this processor cannot run CPU level " + level +
                      "; its level is " + rt::nameOf(options.level),
                  1);
    options.level = asked;
  }
  options.threads = threads ? threads : rt::availableCpus();
  options.bytes = uint64_t(megabytes) << 20;
  rt::Result<std::vector<bench::Floor>> measured =
      bench::measureFloors(options);
  if (!measured.ok())
    return fail(measured.status().message(), 1);
  if (json)
    printJson(options, *measured);
  else
    printTable(*measured);
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return fail("cannot write the output", 1);
  return 0;
}
