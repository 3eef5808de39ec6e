//===- terse-bench.cpp - measures the machine -------------------*- C++ -*-===//
#include "Floors.h"
#include "Print.h"

#include "terse/Runtime/Team.h"
#include "terse/Runtime/Version.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <unistd.h>

using namespace terse;

namespace {
int fail(const std::string &message, int code) {
  std::fprintf(stderr, "terse-bench: error: %s\n", message.c_str());
  return code;
}

/// `--floors`.
int runFloors(const bench::FloorOptions &options, bool json) {
  rt::Result<std::vector<bench::Floor>> measured =
      bench::measureFloors(options);
  if (!measured.ok())
    return fail(measured.status().message(), 1);
  json ? bench::printFloorsJson(options, *measured)
       : bench::printFloors(*measured);
  return 0;
}

/// `--model`.
int runModel(const bench::ModelOptions &options, bool json) {
  bool shows = ::isatty(STDERR_FILENO);
  rt::Result<bench::ModelReport> measured =
      bench::benchModel(options, [&](int round, int rounds) {
        if (shows)
          std::fprintf(stderr, "\rround %d of %d", round + 1, rounds);
      });
  if (shows)
    std::fprintf(stderr, "\r\033[K");
  if (!measured.ok())
    return fail(measured.status().message(), 1);
  json ? bench::printModelJson(options, *measured)
       : bench::printModel(options, *measured);
  return 0;
}
} // namespace

int main(int argc, char **argv) {
  CLI::App app("Measures what this machine allows a model at most.",
               "terse-bench");
  app.set_version_flag("--version", "terse-bench " TERSE_VERSION);
  bench::FloorOptions options;
  bench::ModelOptions model;
  bool floors = false, json = false;
  int threads = 0, megabytes = 512;
  std::string level;
  app.add_flag("--floors", floors,
               "Bandwidth of reading, rate of integer dot products of the "
               "machine's level and of float multiply-adds from registers");
  app.add_option("--model", model.path,
                 "A language model's artifact: start, prompts and steps behind "
                 "them in tokens a second, each as a part of what the floors "
                 "allow, which are measured in turn with it")
      ->type_name("FILE");
  app.add_option("--prompts", model.prompts,
                 "Lengths of prompts (default 16, 64, 256 and 512, as far as the "
                 "model goes)")
      ->type_name("N,..")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 24));
  app.add_option("--steps", model.steps,
                 "Tokens that a step behind a prompt is given at once (default "
                 "1, 2, 4 and 8)")
      ->type_name("N,..")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  app.add_option("--rounds", model.rounds,
                 "Medians of so many rounds, each with all cases (default 5)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
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
                 "Take the best of so many runs of a floor (default 5)")
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
  if (floors == !model.path.empty())
    return fail("expected --floors or --model=FILE", 2);

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
  model.floors = options;
  int status = floors ? runFloors(options, json) : runModel(model, json);
  if (status)
    return status;
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return fail("cannot write the output", 1);
  return 0;
}
