//===- Stages.h - the order of all work -------------------------*- C++ -*-===//
#ifndef TERSE_PIPELINE_STAGES_H
#define TERSE_PIPELINE_STAGES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace terse {

/// The stages of a compile, in order. The last three are run once per CPU
/// level, each on a copy of the module.
enum class Stage {
  Import,
  Normalize,
  Compress,
  Integerize,
  Layout,
  Kernel,
  Target,
  Emit
};
constexpr unsigned kNumStages = 8;

llvm::StringRef getStageName(Stage stage);
llvm::ArrayRef<llvm::StringRef> getStageNames();
std::optional<Stage> parseStage(llvm::StringRef name);
inline bool isPerLevel(Stage stage) { return stage >= Stage::Kernel; }

/// What the passes of a stage depend on.
struct StageOptions {
  /// False for -O0: plain float code of everything, the oracle of the rest.
  bool optimize = true;
  /// Past and present stay inputs and outputs, as in the file.
  bool keepCacheIO = false;
  /// CPU level, for the stages that have one.
  std::string level = "baseline";
  /// Kernels of this level, their matrix instructions by definition in plain
  /// vector operations; empty: those of `level`, with its instructions.
  std::string emulatedKernels;
  /// File of terse-select-kernel's measurements; empty: none.
  std::string tuning;
  /// Passes of the compress stage (the recipe's).
  std::string compress;
};

/// The passes of a stage as MLIR's textual pipeline on a module, without the
/// `builtin.module(...)` around; empty if the stage has none.
std::string getStagePipeline(Stage stage, const StageOptions &options);

/// Makes each stage with passes a flag of terse-opt: `--terse-normalize-stage`.
void registerStagePipelines();

} // namespace terse

#endif // TERSE_PIPELINE_STAGES_H
