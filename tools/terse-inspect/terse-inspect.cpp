//===- terse-inspect.cpp - what lies in a file ------------------*- C++ -*-===//
#include "Inspect.h"

#include "terse/Runtime/Suggest.h"
#include "terse/Runtime/Version.h"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>

using namespace terse;

namespace {

int fail(int status, const std::string &message) {
  std::fprintf(stderr, "terse-inspect: error: %s\n", message.c_str());
  return status;
}

} // namespace

int main(int argc, char **argv) {
  inspect::Options options;
  CLI::App app("Shows what lies in a compiled model or a model: its interface, "
               "recipe, layers, bits, bytes and hashes; or what calibration "
               "measured. Nothing of it is run.",
               "terse-inspect");
  app.add_option("file", options.path,
                 "A compiled model (.so), a model (.onnx, .mlir), or statistics "
                 "(.tstats)");
  app.add_flag("--json", options.json, "Print one JSON object");
  app.add_flag("--verify", options.verify,
               "Compare the hashes of manifest, code and weights");
  app.set_version_flag("--version",
                       std::string("terse-inspect ") + TERSE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError &) {
    for (const std::string &word : app.remaining())
      if (word.size() > 1 && word[0] == '-') {
        std::string name = word.substr(0, word.find('='));
        return fail(2, "unknown option '" + name + "'" +
                           rt::suggestion(name, {"--json", "--verify", "--help",
                                                 "--version"}));
      }
    return fail(2, "unexpected argument '" + app.remaining().front() + "'");
  } catch (const CLI::Success &done) {
    return app.exit(done);
  } catch (const CLI::ParseError &error) {
    return fail(2, error.what());
  }
  if (options.path.empty())
    return fail(2, "expected a compiled model (.so) or a model (.onnx, .mlir); "
                   "see --help");

  rt::Status status = inspect::looksLikeModel(options.path)
                          ? inspect::inspectModel(options)
                      : inspect::looksLikeStatistics(options.path)
                          ? inspect::inspectStatistics(options)
                          : inspect::inspectArtifact(options);
  if (!status.ok())
    return fail(1, status.message());
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return fail(1, std::string("cannot write the output: ") +
                       std::strerror(errno));
  return 0;
}
