//===- terse-bench.cpp - measures machine, kernels and models ---*- C++ -*-===//
#include "Floors.h"
#include "Peers.h"
#include "Print.h"
#include "Roofline.h"

#include "terse/Runtime/Processors.h"
#include "terse/Runtime/Version.h"

#include <CLI/CLI.hpp>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <unistd.h>

using namespace terse;

namespace {
volatile std::sig_atomic_t interrupted = 0;

int fail(const std::string &message, int code) {
  std::fprintf(stderr, "terse-bench: error: %s\n", message.c_str());
  return code;
}

/// A line on a terminal that the next one overwrites.
void show(const std::string &line) {
  static const bool shows = ::isatty(STDERR_FILENO);
  if (shows)
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
}

/// Whether to go on.
bool showProgress(const std::string &line) {
  show(line);
  return !interrupted;
}

/// What is printed, and the file of a picture ("" for none).
struct Output {
  bool json = false;
  std::string roofline;
};

/// Whether a file can be written there, known before minutes of measuring.
bool isWritable(const std::string &path) {
  std::error_code error;
  if (std::filesystem::exists(path, error))
    return !std::filesystem::is_directory(path, error) &&
           ::access(path.c_str(), W_OK) == 0;
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return ::access(folder.empty() ? "." : folder.c_str(), W_OK) == 0;
}

/// Writes all of a file or says why not.
int writeFile(const std::string &path, const std::string &text) {
  std::ofstream stream(path, std::ios::binary);
  stream << text;
  stream.close();
  return stream ? 0 : fail("cannot write '" + path + "'", 1);
}

template <typename Report>
int draw(const Output &output, const bench::FloorOptions &options,
         const std::string &what, const Report &report) {
  if (output.roofline.empty())
    return 0;
  return writeFile(output.roofline,
                   bench::drawRoofline(what + ", " + rt::nameOf(options.level),
                                       report.floors, bench::pointsOf(report)));
}

/// `--floors`.
int runFloors(const bench::FloorOptions &options, const Output &output) {
  rt::Result<std::vector<bench::Floor>> measured =
      bench::measureFloors(options);
  if (!measured.ok())
    return fail(measured.status().message(), 1);
  output.json ? bench::printFloorsJson(options, *measured)
              : bench::printFloors(*measured);
  return 0;
}

/// `--model`.
int runModel(const bench::ModelOptions &options, const Output &output) {
  rt::Result<bench::ModelReport> measured =
      bench::benchModel(options, [&](int round, int rounds) {
        show("round " + std::to_string(round + 1) + " of " +
             std::to_string(rounds));
      });
  show("");
  if (!measured.ok())
    return fail(measured.status().message(), 1);
  output.json ? bench::printModelJson(options, *measured)
              : bench::printModel(options, *measured);
  return draw(output, options.floors, options.path, *measured);
}

/// `--kernels`.
int runKernels(const bench::KernelOptions &options, const Output &output) {
  rt::Result<bench::KernelReport> measured =
      bench::benchKernels(options, showProgress);
  show("");
  if (!measured.ok())
    return fail(measured.status().message(), 1);
  output.json ? bench::printKernelsJson(options, *measured)
              : bench::printKernels(options, *measured);
  return draw(output, options.floors, "linear layers", *measured);
}

/// `--tune`.
int runTune(const bench::KernelOptions &options, const std::string &file) {
  rt::Result<std::vector<bench::TunedTiling>> tuned =
      bench::tune(options, showProgress);
  show("");
  if (!tuned.ok())
    return fail(tuned.status().message(), 1);
  bench::printTuning(*tuned);
  return writeFile(file, bench::tuningText(options.floors.level,
                                           options.floors.threads, *tuned));
}

/// Shapes of the layers of Llama's models of 1B and 8B.
const std::vector<bench::LayerShape> shapes1B = {
    {3072, 2048}, {2048, 2048}, {16384, 2048}, {2048, 8192}, {128256, 2048}};
const std::vector<bench::LayerShape> shapes8B = {
    {6144, 4096}, {4096, 4096}, {28672, 4096}, {4096, 14336}, {128256, 4096}};

rt::Result<std::vector<bench::LayerShape>>
parseShapes(const std::vector<std::string> &texts) {
  std::vector<bench::LayerShape> shapes;
  for (const std::string &text : texts) {
    if (text == "1b" || text == "8b") {
      const auto &more = text == "1b" ? shapes1B : shapes8B;
      shapes.insert(shapes.end(), more.begin(), more.end());
      continue;
    }
    char *rest = nullptr;
    long n = std::strtol(text.c_str(), &rest, 10);
    long k = *rest == 'x' ? std::strtol(rest + 1, &rest, 10) : 0;
    if (*rest || n < 1 || k < 1 || n > 1 << 24 || k > 1 << 20)
      return rt::fail(rt::Code::InvalidArgument,
                      "expected a shape such as 2048x5632 (outputs, inputs), "
                      "or 1b or 8b; got '%s'",
                      text.c_str());
    shapes.push_back({n, k});
  }
  return shapes;
}

rt::Result<std::vector<bench::LayerFormat>>
parseFormats(const std::vector<std::string> &texts) {
  std::vector<bench::LayerFormat> formats;
  for (const std::string &text : texts) {
    rt::Result<bench::LayerFormat> format = bench::LayerFormat::parse(text);
    if (!format.ok())
      return format.status();
    formats.push_back(*format);
  }
  return formats;
}
} // namespace

int main(int argc, char **argv) {
  CLI::App app("Measures what this machine allows at most, and models and "
               "kernels beside it.",
               "terse-bench");
  app.set_version_flag("--version", "terse-bench " TERSE_VERSION);
  bench::FloorOptions options;
  bench::ModelOptions model;
  bench::KernelOptions kernels;
  Output output;
  bool floors = false, kernelsAsked = false;
  int threads = 0, megabytes = 512, rounds = 0;
  std::string level, tuneFile, peers;
  std::map<std::string, std::string> forPeers;
  std::vector<std::string> shapes, formats;

  auto *what = app.add_option_group("What to measure (one of these)");
  what->add_flag(
      "--floors", floors,
      "Bandwidth of reading, rate of integer dot products of the "
      "machine's level and of float multiply-adds from registers, in "
      "f16 and bf16 too where the processor has such");
  what->add_option("--model", model.path,
                   "A language model's artifact: start, prompts and steps "
                   "behind them in tokens a second, each as a part of what the "
                   "floors allow, which are measured in turn with it")
      ->type_name("FILE");
  what->add_flag("--kernels", kernelsAsked,
                 "Linear layers alone, compiled for it: times, each as a part "
                 "of what the floors allow. Up to 32 rows, weights come from "
                 "memory");
  what->add_option("--tune", tuneFile,
                   "Measure which blocks are fastest for each format and "
                   "shape, and write them for tersec --tuning")
      ->type_name("FILE");
  what->add_option("--peers", peers,
                   "Terse beside ONNX Runtime, OpenVINO and llama.cpp, which "
                   "are installed into this folder: linear layers, an encoder "
                   "and language models on the same weights, in turns")
      ->type_name("FOLDER");
  what->require_option(1);

  auto *models = app.add_option_group("With --model");
  models
      ->add_option("--prompts", model.prompts,
                   "Lengths of prompts (default 16, 64, 256 and 512, as far "
                   "as the model goes)")
      ->type_name("N,..")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 24));
  models
      ->add_option("--steps", model.steps,
                   "Tokens that a step behind a prompt is given at once "
                   "(default 1, 2, 4 and 8)")
      ->type_name("N,..")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));

  auto *layers = app.add_option_group("With --kernels and --tune");
  layers
      ->add_option("--shapes", shapes,
                   "Outputs and inputs of layers; 1b and 8b are those of "
                   "Llama's (default 1b; --tune: 5632x2048)")
      ->type_name("NxK,..")
      ->delimiter(',');
  layers
      ->add_option("--formats", formats,
                   "Formats of weights: f32, f16, bf16, or w2, w3, w4, w8, "
                   "w4-2:4 or nf4 with g and the group's size, 0 for one "
                   "scale a channel; -float where inputs are not rounded "
                   "(default w4g32,w4g128,w8g32,f16)")
      ->type_name("FORMAT,..")
      ->delimiter(',');
  layers
      ->add_option("--rows", kernels.rows,
                   "Rows of inputs (default 1,2,4,8,16,32,64,256,512; not "
                   "with --tune)")
      ->type_name("M,..")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 16));
  layers
      ->add_option("--tuning", kernels.tuning,
                   "Choose blocks by this file (--kernels; default: built-in "
                   "tables)")
      ->type_name("FILE");
  layers->add_flag("--all-tilings", kernels.allTilings,
                   "Also the blocks that --tune tries (--kernels)");

  auto *beside = app.add_option_group("With --peers");
  for (auto [name, type, help] :
       {std::array{"--match", "REGEX",
                   "Only what has it in its name, such as 'int4-g32, 1 row'"},
        std::array{"--engines", "NAME,..",
                   "terse, onnxruntime, openvino, llama_cpp (default: all)"},
        std::array{"--linear", "COUNTxNxK",
                   "Shape of the linear layers (default 24x5632x2048)"},
        std::array{"--encoder", "SHAPE", "base (the default) or tiny"},
        std::array{"--language-model", "FILE",
                   "A Llama in ONNX with past keys and values (default: one of "
                   "1.1 G random weights)"}})
    beside->add_option(name, forPeers[name], help)->type_name(type);

  app.add_option("--rounds", rounds,
                 "Medians of so many rounds, each with all cases (default 5; "
                 "--kernels, --tune: 3)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  app.add_option("--threads", threads, "Threads (default: all processors)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--cpu-level", level,
                 "Instructions of a lesser processor: " + rt::listCpuLevels())
      ->type_name("LEVEL");
  app.add_option("--megabytes", megabytes, "Memory to read (default 512)")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--runs", options.runs,
                 "Take the best of so many runs of a floor (default 5)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  app.add_option("--roofline", output.roofline,
                 "Also draw --model's or --kernels' measurements under the "
                 "floors, an SVG picture")
      ->type_name("FILE");
  app.add_flag("--json", output.json,
               "Print one JSON object instead of a table");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error);
    return fail(error.what(), 2);
  }
  const bool tunes = !tuneFile.empty(), measuresLayers = kernelsAsked || tunes;
  auto given = [&](const char *name) {
    return app.get_option(name)->count() > 0;
  };
  for (const char *name : {"--prompts", "--steps"})
    if (given(name) && model.path.empty())
      return fail(std::string(name) + " needs --model", 2);
  for (const char *name : {"--shapes", "--formats"})
    if (given(name) && !measuresLayers)
      return fail(std::string(name) + " needs --kernels or --tune", 2);
  for (const char *name : {"--rows", "--tuning", "--all-tilings"})
    if (given(name) && !kernelsAsked)
      return fail(std::string(name) + " needs --kernels", 2);
  for (const auto &[name, value] : forPeers)
    if (!value.empty() && peers.empty())
      return fail(name + " needs --peers", 2);
  if (!output.roofline.empty() && model.path.empty() && !kernelsAsked)
    return fail("--roofline needs --model or --kernels", 2);
  if (output.json && tunes)
    return fail("--json: --tune writes its result to the file", 2);
  for (const std::string &file : {tuneFile, output.roofline})
    if (!file.empty() && !isWritable(file))
      return fail("cannot write '" + file + "'", 1);

  if (shapes.empty())
    shapes = {tunes ? "5632x2048" : "1b"};
  if (formats.empty())
    formats = {"w4g32", "w4g128", "w8g32", "f16"};
  rt::Result<std::vector<bench::LayerShape>> parsedShapes = parseShapes(shapes);
  if (!parsedShapes.ok())
    return fail(parsedShapes.status().message(), 2);
  rt::Result<std::vector<bench::LayerFormat>> parsedFormats =
      parseFormats(formats);
  if (!parsedFormats.ok())
    return fail(parsedFormats.status().message(), 2);
  kernels.shapes = *parsedShapes;
  kernels.formats = *parsedFormats;

  options.level = rt::bestLevel();
  if (!level.empty()) {
    rt::CpuLevel asked;
    if (!rt::parseCpuLevel(level, asked))
      return fail("expected --cpu-level " + rt::listCpuLevels() + "; got '" +
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
  model.floors = kernels.floors = options;
  if (rounds)
    model.rounds = kernels.rounds = rounds;
  if (measuresLayers) {
    // Compiled layers must not stay behind.
    for (int signal : {SIGINT, SIGTERM})
      std::signal(signal, [](int) { interrupted = 1; });
  }
  if (!peers.empty()) {
    std::vector<std::string> arguments = {
        peers, "--rounds=" + std::to_string(model.rounds)};
    for (const auto &[name, value] : forPeers)
      if (!value.empty())
        arguments.push_back(name + "=" + value);
    if (output.json)
      arguments.push_back("--json");
    return fail(bench::runPeers(options, std::move(arguments)).message(), 1);
  }
  int status = floors         ? runFloors(options, output)
               : kernelsAsked ? runKernels(kernels, output)
               : tunes        ? runTune(kernels, tuneFile)
                              : runModel(model, output);
  if (status)
    return status;
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return fail("cannot write the output", 1);
  return 0;
}
