//===- Options.cpp - command line of terse-run ------------------*- C++ -*-===//
#include "Options.h"

#include "terse/Runtime/Generator.h"
#include "terse/Runtime/Suggest.h"
#include "terse/Runtime/Version.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>

namespace terse::run {

namespace {

int usageError(const std::string &message) {
  std::fprintf(stderr, "terse-run: error: %s\n", message.c_str());
  return 2;
}

/// "1, 2 3" to {1, 2, 3}; false if anything else is in it.
bool parseIds(const std::string &text, std::vector<int32_t> &ids) {
  const char *at = text.c_str();
  while (true) {
    while (*at == ' ' || *at == ',' || *at == '\t' || *at == '\n' ||
           *at == '[' || *at == ']')
      ++at;
    if (!*at)
      return true;
    char *end;
    errno = 0;
    long value = std::strtol(at, &end, 10);
    if (end == at || errno || value < 0 || value > INT32_MAX)
      return false;
    ids.push_back(int32_t(value));
    at = end;
  }
}

/// Options that help shows together. Not CLI11's option groups, which are
/// applications of their own and do not name their options to the outer one.
struct Group {
  CLI::App &app;
  std::string name;

  template <typename T>
  CLI::Option *add_option(const char *option, T &value,
                          const std::string &help) {
    return app.add_option(option, value, help)->group(name);
  }
  CLI::Option *add_flag(const char *option, bool &value, const char *help) {
    return app.add_flag(option, value, help)->group(name);
  }
};

std::vector<std::string> optionNames(const CLI::App &app) {
  std::vector<std::string> names;
  for (const CLI::Option *option : app.get_options())
    for (const std::string &name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

} // namespace

std::optional<int> parseOptions(int argc, char **argv, bool haveSelf,
                                Options &options) {
  CLI::App app(haveSelf ? "Runs the model in this program."
                        : "Runs a model compiled by tersec.",
               haveSelf ? "" : "terse-run");
  std::string promptIds, level;
  if (!haveSelf)
    app.add_option("artifact", options.artifact, "The compiled model (.so)");

  Group once{app, "One run"};
  once.add_option("--inputs", options.inputs,
                  "Inputs by name, from a NumPy archive")
      ->type_name("IN.npz");
  once.add_option("--input", options.input,
                  "One input, from a NumPy array; may be repeated")
      ->type_name("NAME=FILE.npy")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  once.add_flag("--check-inputs", options.checkNumbers,
                "Refuse inputs with NaN, infinities or subnormal numbers");
  once.add_option("--outputs", options.outputs,
                  "Write the outputs to a NumPy archive")
      ->type_name("OUT.npz");

  Group text{app, "Text generation"};
  std::string prompt;
  auto *promptOption = text.add_option("--prompt", prompt, "Continue this text")
                           ->type_name("TEXT");
  auto *idsOption =
      text.add_option("--prompt-ids", promptIds, "Continue these tokens")
          ->type_name("ID,ID,...");
  text.add_option("--max-tokens", options.maxTokens,
                  "Stop after N tokens (default 256)")
      ->type_name("N");
  text.add_option("--temperature", options.sampler.temperature,
                  "Flatten (above 1) or sharpen the distribution that tokens "
                  "are drawn from; 0, the default: always the likeliest token")
      ->type_name("T");
  text.add_option("--top-k", options.sampler.topK,
                  "Draw from the K likeliest tokens only; 0: from all")
      ->type_name("K");
  text.add_option("--top-p", options.sampler.topP,
                  "Draw from the likeliest tokens that together have "
                  "probability P")
      ->type_name("P");
  text.add_option("--seed", options.sampler.seed,
                  "Number that the draws follow from (default 0)")
      ->type_name("N");
  auto *lookupOption =
      text.add_option("--prompt-lookup", options.promptLookup,
                      "Draft up to K tokens, as they followed the last ones "
                      "before in prompt or text, and check them in one step: "
                      "the same text, sooner where it repeats itself; 0, the "
                      "default: off; 15 suits most models")
          ->type_name("K");
  text.add_flag("--bos", options.bos, "Begin with the token for a new text");
  text.add_flag("--no-bos", options.noBos,
                "Do not (default: as usual for the kind of tokenizer)");
  text.add_flag("--ignore-eos", options.ignoreEos,
                "Go on after the token for the end of a text");

  Group quality{app, "Quality"};
  quality
      .add_option("--perplexity", options.perplexity,
                  "Perplexity on a text, in windows run each alone")
      ->type_name("FILE");
  quality
      .add_option("--window", options.window,
                  "Tokens in a window (default 256)")
      ->type_name("W");
  quality
      .add_option("--max-windows", options.maxWindows,
                  "Only the first N windows (default: all)")
      ->type_name("N");
  quality
      .add_option("--against", options.against,
                  "Also compare with this artifact: KL divergence of this "
                  "model from it, top-1 agreement; with --inputs: error of "
                  "the outputs")
      ->type_name("ARTIFACT");
  quality
      .add_option("--band-text", options.bandText,
                  "Text in which tokens are counted for the bands of the "
                  "rarest 1 % and 10 % (default: the one measured on)")
      ->type_name("FILE");
  quality
      .add_option("--labels", options.labels,
                  "With --inputs: the right class of each row of an output "
                  "(default: the first), for its accuracy")
      ->type_name("[NAME=]FILE.npy");

  Group general{app, "General"};
  general
      .add_option("--tokenizer", options.tokenizer,
                  "Tokenizer to use instead of the artifact's: a "
                  "SentencePiece model, a .bin file of llama2.c, or the "
                  "word 'bytes' ('bytes+N': after N other tokens)")
      ->type_name("FILE");
  general
      .add_option("--threads", options.threads,
                  "Threads (default: all processors)")
      ->type_name("N");
  general.add_flag("--pin", options.pin,
                   "Keep each thread on a processor of its own; where nothing "
                   "else runs");
  general
      .add_option("--context", options.context,
                  "Room for N tokens (default: what the run needs)")
      ->type_name("N");
  auto *levelOption =
      general
          .add_option("--cpu-level", level,
                      "Use the code for a lesser processor: " +
                          rt::listCpuLevels())
          ->type_name("LEVEL");
  general.add_flag("--verify", options.verify,
                   "Compare the hashes of manifest, code and weights first");
  general.add_flag("--timing", options.timing,
                   "Print times and memory to standard error");
  general.add_flag("--json", options.json,
                   "Print one JSON object instead of text");
  app.set_version_flag("--version", std::string("terse-run ") + TERSE_VERSION);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError &) {
    for (const std::string &word : app.remaining())
      if (word.size() > 1 && word[0] == '-') {
        std::string name = word.substr(0, word.find('='));
        return usageError("unknown option '" + name + "'" +
                          rt::suggestion(name, optionNames(app)));
      }
    return usageError("unexpected argument '" + app.remaining().front() + "'");
  } catch (const CLI::Success &done) {
    return app.exit(done); // help or version
  } catch (const CLI::ParseError &error) {
    return usageError(error.what());
  }

  // Every complaint about a value names the option.
  auto least = [](const char *name, int64_t value, int64_t low) {
    return value >= low
               ? std::string()
               : std::string("--") + name + ": expected at least " +
                     std::to_string(low) + "; got " + std::to_string(value);
  };
  for (const std::string &complaint :
       {least("max-tokens", options.maxTokens, 0),
        least("top-k", options.sampler.topK, 0),
        least("prompt-lookup", options.promptLookup, 0),
        least("window", options.window, 1),
        least("max-windows", options.maxWindows, 0),
        least("threads", options.threads, 0),
        least("context", options.context, 0)})
    if (!complaint.empty())
      return usageError(complaint);
  if (!(options.sampler.temperature >= 0 &&
        options.sampler.temperature < 1e30f))
    return usageError("--temperature: expected a number of at least 0");
  if (!(options.sampler.topP > 0 && options.sampler.topP <= 1))
    return usageError("--top-p: expected a number above 0 and up to 1");
  if (options.promptLookup > rt::mostPromptLookup)
    return usageError("--prompt-lookup: expected at most " +
                      std::to_string(rt::mostPromptLookup) + "; got " +
                      std::to_string(options.promptLookup));
  if (options.bos && options.noBos)
    return usageError("--bos and --no-bos exclude each other");
  if (*levelOption) {
    rt::CpuLevel value;
    if (!rt::parseCpuLevel(level, value))
      return usageError(
          "--cpu-level: expected " + rt::listCpuLevels() + "; got '" + level +
          "'" + rt::suggestion(level, rt::cpuLevelNames()));
    options.level = value;
  }
  if (*promptOption)
    options.prompt = prompt;
  if (*idsOption) {
    options.promptIds.emplace();
    if (!parseIds(promptIds, *options.promptIds))
      return usageError("--prompt-ids: expected token numbers; got '" +
                        promptIds + "'");
    if (options.promptIds->empty())
      return usageError("--prompt-ids: expected at least one token");
  }

  bool runs = !options.inputs.empty() || !options.input.empty() ||
              !options.outputs.empty();
  bool generates = options.prompt || options.promptIds;
  bool measures = !options.perplexity.empty();
  if (options.prompt && options.promptIds)
    return usageError("--prompt and --prompt-ids exclude each other");
  if (runs + generates + measures > 1)
    return usageError(
        "expected one of --inputs, --prompt and --perplexity; got "
        "several");
  if (*lookupOption && !generates)
    return usageError("--prompt-lookup needs --prompt or --prompt-ids");
  if (!options.against.empty() && !measures && !runs)
    return usageError("--against needs --perplexity and a text to compare on, "
                      "or --inputs");
  if (!options.bandText.empty() && !measures)
    return usageError("--band-text needs --perplexity");
  if (options.checkNumbers && !runs)
    return usageError("--check-inputs needs --inputs");
  if (!options.labels.empty() && !runs)
    return usageError("--labels needs --inputs");
  if (!haveSelf && options.artifact.empty())
    return usageError("expected a compiled model (.so); see --help");
  if (runs + generates + measures == 0 && !options.verify)
    return usageError("nothing to do: expected --prompt, --prompt-ids, "
                      "--perplexity, --inputs or --verify");
  return std::nullopt;
}

} // namespace terse::run
