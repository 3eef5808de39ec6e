//===- RunMain.cpp - terse-run ----------------------------------*- C++ -*-===//
#include "Run.h"

#include "terse/Runtime/Model.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace terse::run {

using namespace rt;

int64_t peakRss() {
  // Not getrusage: its figure survives exec and may be the parent's.
  int64_t kilobytes = 0;
  if (std::FILE *file = std::fopen("/proc/self/status", "re")) {
    char line[256];
    while (std::fgets(line, sizeof line, file))
      if (std::sscanf(line, "VmHWM: %ld", &kilobytes) == 1)
        break;
    std::fclose(file);
  }
  return kilobytes * 1024;
}

Result<std::unique_ptr<Tokenizer>> Session::tokenizer() const {
  if (!options.tokenizer.empty())
    return Tokenizer::open(options.tokenizer);
  const std::string &kind = model->manifest().tokenizerKind;
  if (kind.empty() && model->tokenizer().empty())
    return fail(Code::InvalidArgument,
                "the artifact has no tokenizer; expected --tokenizer FILE or "
                "--prompt-ids");
  return Tokenizer::create(kind, model->tokenizer());
}

ContextOptions Session::contextOptions(int64_t capacity) const {
  ContextOptions result;
  result.threads = options.threads;
  result.pin = options.pin;
  result.checkNumbers = options.checkNumbers;
  result.capacity = options.context ? options.context : capacity;
  return result;
}

void Session::timing(const char *what, double value, const char *unit) const {
  if (options.timing)
    std::fprintf(stderr, "%-12s %12.6g %s\n", what, value, unit);
}

bool Session::progress() const { return ::isatty(STDERR_FILENO); }

namespace {
Status work(Session &session) {
  const Options &options = session.options;
  Clock clock;
  bool self = options.artifact.empty();
  Result<std::shared_ptr<const Model>> model =
      self ? Model::openSelf(options.level)
           : Model::open(options.artifact, options.level);
  if (!model.ok())
    return model.status();
  session.model = *model;
  session.loadSeconds = clock.seconds();
  if (options.verify)
    if (Status status = session.model->verify(); !status.ok())
      return status;
  if (!options.perplexity.empty())
    return measurePerplexity(session);
  if (options.prompt || options.promptIds)
    return generate(session);
  if (!options.inputs.empty() || !options.input.empty() ||
      !options.outputs.empty())
    return runOnce(session);
  if (!options.json)
    std::printf("manifest, code and weights are as they were written\n");
  return Status();
}
} // namespace

int runMain(int argc, char **argv) {
  Options options;
  if (std::optional<int> code =
          parseOptions(argc, argv, Model::haveSelf(), options))
    return *code;
  Session session{options, nullptr, 0, {}};
  Status status = work(session);
  if (!status.ok()) {
    std::fprintf(stderr, "terse-run: error: %s\n", status.message().c_str());
    return 1;
  }
  int64_t peak = peakRss();
  session.timing("load", session.loadSeconds * 1e3, "ms");
  session.timing("peak memory", double(peak) / 1e6, "MB");
  if (options.timing)
    std::fprintf(stderr, "%-12s %12s\n", "cpu level",
                 nameOf(session.model->level()));
  if (options.json) {
    session.report.add("load_s", session.loadSeconds);
    session.report.add("peak_rss_bytes", peak);
    session.report.add("cpu_level",
                       std::string(nameOf(session.model->level())));
    std::printf("%s\n", session.report.text().c_str());
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    std::fprintf(stderr, "terse-run: error: cannot write the output: %s\n",
                 std::strerror(errno));
    return 1;
  }
  return 0;
}

} // namespace terse::run
