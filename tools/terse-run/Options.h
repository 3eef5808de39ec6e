//===- Options.h - command line of terse-run --------------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_RUN_OPTIONS_H
#define TERSE_TOOLS_TERSE_RUN_OPTIONS_H

#include "terse/Runtime/CpuLevel.h"
#include "terse/Runtime/Sampler.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace terse::run {

struct Options {
  std::string artifact; ///< empty: the model in this program
  // One run.
  std::string inputs, outputs;
  std::vector<std::string> input;
  // Generation.
  std::optional<std::string> prompt;
  std::optional<std::vector<int32_t>> promptIds;
  int64_t maxTokens = 256;
  rt::SamplerOptions sampler;
  int promptLookup = 0; ///< tokens drafted at most
  bool bos = false, noBos = false, ignoreEos = false;
  // Quality.
  std::string perplexity, against, bandText;
  std::string labels; ///< [NAME=]FILE.npy
  int64_t window = 256, maxWindows = 0;
  // All.
  std::string tokenizer;
  int threads = 0;
  bool pin = false;
  bool checkNumbers = false;
  int64_t context = 0;
  std::optional<rt::CpuLevel> level;
  bool timing = false, verify = false, json = false;
};

/// Reads the command line. Returns the status to exit with if there is nothing
/// more to do (help was printed, or an error).
std::optional<int> parseOptions(int argc, char **argv, bool haveSelf,
                                Options &options);

} // namespace terse::run

#endif // TERSE_TOOLS_TERSE_RUN_OPTIONS_H
