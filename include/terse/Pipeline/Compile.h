//===- Compile.h - from a model to an artifact ------------------*- C++ -*-===//
#ifndef TERSE_PIPELINE_COMPILE_H
#define TERSE_PIPELINE_COMPILE_H

#include "terse/Pipeline/Stages.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace terse {

enum class EmitKind { SharedObject, Executable, Object, LLVM, MLIR };

/// Everything that a compile depends on.
struct CompileOptions {
  /// A .onnx or .mlir file, or a folder that holds model.onnx.
  std::string input;
  /// `-` is standard output, for text.
  std::string output;
  EmitKind emit = EmitKind::SharedObject;
  std::string recipe = "keep";
  /// Passes of the compress stage instead of a recipe's.
  std::optional<std::string> passPipeline;
  bool optimize = true;
  bool keepCacheIO = false;
  /// CPU levels to make code for; empty: all.
  std::vector<std::string> levels;
  /// Level whose kernels every level runs, by their instructions' definitions;
  /// empty: its own.
  std::string emulatedKernels;
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
  /// Say on standard error what is being done.
  bool progress = false;
  /// Print what passes recorded, on standard error.
  bool report = false;
};

/// Compiles. The output is written whole or not at all, and nothing else is
/// left. Diagnostics come through the context's handlers; what they do not say
/// is in the error.
llvm::Error compile(mlir::MLIRContext &context, const CompileOptions &options);

} // namespace terse

#endif // TERSE_PIPELINE_COMPILE_H
