//===- Compile.h - from a model to an artifact ------------------*- C++ -*-===//
#ifndef TERSE_PIPELINE_COMPILE_H
#define TERSE_PIPELINE_COMPILE_H

#include "terse/Calibrate/Calibrate.h"
#include "terse/Pipeline/Stages.h"

#include "llvm/Support/JSON.h"

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace terse {

enum class EmitKind { SharedObject, Executable, Object, LLVM, MLIR };

/// A loss of perplexity on the held-out text (ratio to the original's, minus 1) that is not to be exceeded.
struct LossPromise {
  std::string band; ///< of token frequency (terse/Runtime/FrequencyBands.h); empty: all tokens
  double loss;      ///< a share: 0.01 is 1 %
};

/// What a search makes as little as the promise allows.
enum class Objective {
  Size,    ///< bytes of the artifact
  Latency, ///< seconds of a token's decode step
  Cost     ///< of queries, prefill and decode
};

/// Everything that a compile depends on. lib/Pipeline/Options.cpp names the
/// fields for users.
struct CompileOptions {
  /// A .onnx or .mlir file, or a folder that holds model.onnx.
  std::string input;
  /// `-` is standard output, for text.
  std::string output;
  EmitKind emit = EmitKind::SharedObject;
  /// NAME[:KEY=VALUE,...]; unset: "keep".
  std::optional<std::string> recipe;
  /// The recipe's key of this name.
  std::optional<int64_t> groupSize;
  /// Rules of terse-assign-policy, which runs before the recipe's passes; empty: none. Where they ask for zeros and the recipe does not prune, the
  /// layers that they name are pruned: by SparseGPT where there are statistics, else by magnitude.
  std::string policyRules;
  /// Passes of the compress stage instead of a recipe's.
  std::optional<std::string> passPipeline;
  /// Only the first so many passes of the compress stage (splitPasses of CompileRecord::pipeline), and what folds scales; unset: all.
  std::optional<size_t> passLimit;
  /// Plain float code of everything: no optimization.
  bool plain = false;
  bool keepCacheIO = false;
  /// CPU levels to make code for; empty: all.
  std::vector<std::string> levels;
  /// Level whose kernels every level runs, by their instructions' definitions;
  /// empty: its own.
  std::string emulatedKernels;
  /// Measurements that kernels are chosen by (terse-bench --tune); empty: built-in tables.
  std::string tuning;
  /// Write the IR after this stage and stop.
  std::optional<Stage> stopAfter;
  /// The input is the IR after this stage; unset: as the input says.
  std::optional<Stage> startFrom;
  /// Passes to run at the end of a stage.
  std::vector<std::pair<Stage, std::string>> extraPasses;
  /// Folder for the IR after each pass; empty: none.
  std::string dumpIRFolder;
  /// A tokenizer's file, or the name of a built-in kind; empty: none.
  std::string tokenizer;
  /// Positions that the runtime makes room for unless told otherwise; 0: its
  /// own choice.
  int64_t context = 0;
  /// Threads of the compiler; 0: one a processor.
  unsigned threads = 0;
  /// Bytes that the compiler's memory may come to; 0: what the machine has.
  uint64_t maxMemory = 0;
  /// Report what the compile would take, or why it is refused, and stop.
  bool preflight = false;
  /// Say what passes recorded.
  bool report = false;
  /// A file for the report (lib/Report), .html or .json; empty: none. It and what
  /// follows are for compileAndMeasure (terse/Quality/Guard.h); `compile` leaves
  /// them aside.
  std::string reportFile, reportDate;
  /// The loss is measured of the whole compression alone, not behind each of its passes too.
  bool skipPassLosses = false;
  /// Held-out text to measure the loss on; empty: none.
  std::string evalText;
  int64_t evalWindow = 256, evalWindows = 40; ///< tokens; windows, 0: all
  /// Losses that are promised; at most one a band.
  std::vector<LossPromise> promises;
  /// Of the recipe `auto`; unset: size.
  std::optional<Objective> objective;
  /// Where a search (terse/Search/Search.h) keeps what it has measured; empty: beside the output, until it is done.
  std::string searchFolder;
  /// Trials of a search; 0: as many as it takes.
  int64_t searchTrials = 0;
  std::optional<double> pricePerHour;
  /// Prompt and completion tokens of a query.
  std::optional<std::pair<int64_t, int64_t>> queryTokens;
  /// Where it names data: the compress stage goes block by block, with
  /// statistics of these. What it leaves out is as for the compile.
  CalibrationOptions calibration;
  /// Where nothing is calibrated: a file of statistics of the whole model's layers (CalibrationOptions::statistics) that the passes of the
  /// compress stage take; empty: none.
  std::string statistics;
  /// Shared objects with passes or dialects.
  std::vector<std::string> plugins;
};

/// The recipe of `options`, "keep" where there is none, with the group size as its key.
std::string getRecipe(const CompileOptions &options);

/// What a compile has to say.
struct Message {
  enum class Kind {
    Error,
    Warning,
    Note,     ///< more about the message before
    Progress, ///< what is being done, with the seconds since the start
    Report    ///< what passes recorded, one line a fact
  };
  Kind kind;
  /// The place that it is about, such as "model.mlir:3:8"; may be empty.
  std::string location;
  std::string text;
};

/// What a compile did, for whoever reports it.
struct CompileRecord {
  std::string recipe, pipeline, sourceName, sourceHash;
  /// The stage that the input had behind it.
  Stage inputStage = Stage::Import;
  double seconds = 0;
  /// What passes recorded (Terse/Report.h).
  struct Fact {
    std::string pass, name;
    llvm::json::Value value;
  };
  std::vector<Fact> facts;
  /// Where the compress stage was calibrated.
  std::optional<CalibrationRecord> calibration;
};

/// Where a compile's messages go, and how it is stopped.
struct CompileListener {
  /// May be called from any thread, by one at a time.
  std::function<void(const Message &)> onMessage;
  /// Called once when all is written; may be empty.
  std::function<void(const CompileRecord &)> onDone;
  /// Set to true by any thread: the compile fails soon after.
  std::atomic<bool> cancelled{false};
};

/// Compiles in a context of its own; true if it succeeded, otherwise there was
/// a message of kind Error. The output is written whole or not at all, and
/// nothing else is left. Several threads may compile at once.
bool compile(const CompileOptions &options, CompileListener &listener);

} // namespace terse

#endif // TERSE_PIPELINE_COMPILE_H
