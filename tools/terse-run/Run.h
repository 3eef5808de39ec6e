//===- Run.h - what terse-run does ------------------------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_RUN_RUN_H
#define TERSE_TOOLS_TERSE_RUN_RUN_H

#include "Options.h"
#include "terse/Runtime/OutputError.h"
#include "terse/Runtime/Perplexity.h"
#include "terse/Runtime/Tokenizer.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace terse::run {

/// Seconds since it was made.
class Clock {
public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         begin_)
        .count();
  }

private:
  std::chrono::steady_clock::time_point begin_ =
      std::chrono::steady_clock::now();
};

/// What --json prints, in the order in which it is added.
class Report {
public:
  Report();
  ~Report();
  void add(const char *key, double value);
  void add(const char *key, int64_t value);
  void add(const char *key, const std::string &value);
  void add(const char *key, const std::vector<int32_t> &values);
  /// Adds {"dtype", "shape"} under "outputs".
  void addOutput(const std::string &name, const rt::TensorView &view);
  /// Adds to what addOutput added: {"max_abs", "range", ...}.
  void addError(const std::string &name, const rt::OutputError &error);
  void addAccuracy(const std::string &name, const char *key, double value);
  /// Adds "bands"; `compared`: with what compares two models.
  void addBands(const rt::PerplexityResult &result, bool compared);
  /// One line; bytes that are not UTF-8 become U+FFFD.
  std::string text() const;

private:
  struct Data;
  std::unique_ptr<Data> data_;
};

/// What all modes share.
struct Session {
  const Options &options;
  std::shared_ptr<const rt::Model> model;
  double loadSeconds = 0;
  Report report;

  /// The tokenizer of --tokenizer or of the artifact.
  rt::Result<std::unique_ptr<rt::Tokenizer>> tokenizer() const;
  rt::ContextOptions contextOptions(int64_t capacity) const;
  /// A line of --timing, on standard error.
  void timing(const char *what, double value, const char *unit) const;
  /// True if a person is watching: progress may be shown.
  bool progress() const;
};

rt::Status runOnce(Session &session);
rt::Status generate(Session &session);
rt::Status measurePerplexity(Session &session);

/// The largest resident set of this process so far, in bytes.
int64_t peakRss();

/// terse-run, and the main of programs that have a model linked in.
int runMain(int argc, char **argv);

} // namespace terse::run

#endif // TERSE_TOOLS_TERSE_RUN_RUN_H
