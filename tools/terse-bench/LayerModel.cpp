//===- LayerModel.cpp - one linear layer as a model -------------*- C++ -*-===//
#include "LayerModel.h"

#include "terse/Runtime/Describe.h"

#include <cerrno>
#include <chrono>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <regex>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>

extern char **environ;

namespace terse::bench {

using namespace rt;

Result<LayerFormat> LayerFormat::parse(const std::string &text) {
  static const std::regex floats("f32|f16|bf16"),
      codes("((?:w2|w3|w4|w8|nf4)(?:-float)?|w4-2:4)g([0-9]{1,6})");
  std::smatch match;
  if (std::regex_match(text, floats))
    return LayerFormat{text, 0};
  if (std::regex_match(text, match, codes))
    return LayerFormat{match[1], std::stoll(match[2])};
  return fail(Code::InvalidArgument,
              "expected a format such as w4g32, w8g0 (one scale a channel), "
              "w4-2:4g128, nf4g64, w4-floatg32 or f16; got '%s'",
              text.c_str());
}

std::string LayerFormat::str() const {
  return isFloat() ? name : name + "g" + std::to_string(group);
}

bool LayerFormat::isInteger() const {
  return !isFloat() && name.find("-float") == std::string::npos;
}

std::string LayerFormat::pipeline() const {
  if (isFloat())
    return "terse-convert-weights{to=" + name + "}";
  std::string bits = name[0] == 'n' ? "4" : name.substr(1, 1);
  std::string text;
  if (name == "w4-2:4")
    text = "terse-prune-magnitude{pattern=2:4 head=true},";
  text += "terse-quantize-weights{bits=" + bits + " head-bits=" + bits +
          " group-size=" + std::to_string(group) +
          " clip-search=false format=" + (name[0] == 'n' ? "nf4" : "int") + "}";
  if (isInteger())
    text += ",terse-quantize-activations";
  return text;
}

Result<std::unique_ptr<Scratch>> Scratch::create() {
  std::error_code error;
  std::string path =
      std::filesystem::temp_directory_path(error) / "terse-bench-XXXXXX";
  if (error || !::mkdtemp(path.data()))
    return fail(Code::Io, "cannot make a folder for temporary files '%s'",
                path.c_str());
  return std::unique_ptr<Scratch>(new Scratch(path));
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

/// Runs a program; what it writes to stderr goes into `log`.
static Status run(const std::vector<std::string> &command,
                  const std::string &log) {
  std::vector<char *> arguments;
  for (const std::string &argument : command)
    arguments.push_back(const_cast<char *>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 2, log.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 2, 1);
  pid_t child = 0;
  int error = ::posix_spawn(&child, arguments[0], &actions, nullptr,
                            arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error)
    return fail(Code::Io, "cannot run the compiler '%s': %s", arguments[0],
                std::strerror(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return Status();
  std::ifstream stream(log);
  std::stringstream said;
  said << stream.rdbuf();
  return fail(Code::InvalidArgument, "a layer could not be compiled:\n%s",
              said.str().c_str());
}

/// The compiler that was installed or built with this program.
static std::string compilerPath() {
  char program[PATH_MAX] = {};
  if (!::realpath("/proc/self/exe", program))
    return "tersec";
  return std::filesystem::path(program).parent_path() / "tersec";
}

Result<std::unique_ptr<LayerModel>>
LayerModel::compile(const LayerOptions &options, Scratch &scratch) {
  const std::string source = scratch.path("layer.mlir"),
                    artifact = scratch.newPath();
  {
    // Times do not depend on values.
    const std::string n = std::to_string(options.n),
                      k = std::to_string(options.k);
    std::ofstream stream(source);
    stream << "func.func @forward(%x: tensor<?x" << k
           << "xf32> {terse.name = \"x\", terse.dims = [\"m\", \"" << k
           << "\"]}) -> (tensor<?x" << n
           << "xf32> {terse.name = \"y\", terse.dims = [\"m\", \"" << n
           << "\"]}) {\n  %w = terse.weight \"w\" = dense<0.5> : tensor<" << n
           << "x" << k << "xf32> -> tensor<" << n << "x" << k
           << "xf32>\n  %y = terse.linear %x, %w {name = \"layer\"} : tensor<?x"
           << k << "xf32>, tensor<" << n << "x" << k << "xf32> -> tensor<?x"
           << n << "xf32>\n  return %y : tensor<?x" << n << "xf32>\n}\n";
    if (!stream.flush())
      return fail(Code::Io, "cannot write '%s'", source.c_str());
  }
  std::vector<std::string> command = {
      compilerPath(),
      source,
      "--start-from=normalize",
      std::string("--levels=") + nameOf(options.level),
      "--pass-pipeline=" + options.format.pipeline(),
      "-o",
      artifact};
  if (!options.tuning.empty())
    command.push_back("--tuning=" + options.tuning);
  if (Status status = run(command, scratch.path("log")); !status.ok())
    return status;

  Result<std::shared_ptr<const Model>> model =
      Model::open(artifact, options.level);
  std::error_code ignored;
  std::filesystem::remove(artifact, ignored); // it is mapped
  if (!model.ok())
    return model.status();
  std::unique_ptr<LayerModel> layer(new LayerModel);
  layer->k_ = options.k;
  for (const WeightSpec &weight : layersOf((*model)->manifest().weights))
    layer->weightBytes_ += weight.bytes;
  ContextOptions context;
  context.threads = options.threads;
  Result<std::unique_ptr<Context>> created = Context::create(*model, context);
  if (!created.ok())
    return created.status();
  layer->context_ = std::move(*created);
  return layer;
}

Result<double> LayerModel::time(int64_t rows) {
  using Clock = std::chrono::steady_clock;
  auto secondsSince = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  for (size_t i = input_.size(); i < size_t(rows * k_); ++i)
    input_.push_back(std::sin(float(i)));
  TensorView view;
  view.shape = {rows, k_};
  view.data = input_.data();
  const std::vector<TensorView> inputs = {view};
  // Once for the pages of outputs and weights.
  constexpr int least = 3;
  constexpr double enough = 0.03;
  double best = INFINITY;
  if (Status status = context_->run(inputs); !status.ok())
    return status;
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < least || secondsSince(begin) < enough; ++i) {
    const Clock::time_point start = Clock::now();
    if (Status status = context_->run(inputs); !status.ok())
      return status;
    best = std::min(best, secondsSince(start));
  }
  return best;
}

} // namespace terse::bench
