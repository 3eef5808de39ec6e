//===- Compiler.h - one compile ---------------------------------*- C++ -*-===//
#ifndef TERSE_LIB_PIPELINE_COMPILER_H
#define TERSE_LIB_PIPELINE_COMPILER_H

#include "terse/Pipeline/Compile.h"
#include "terse/Pipeline/Forecast.h"

#include "Terse/TerseDialect.h"
#include "terse/Support/CPULevel.h"
#include "terse/Support/TemporaryFile.h"
#include "terse/Target/Artifact.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <chrono>

namespace terse {

/// One run of `compile`: what its steps share.
class Compiler {
public:
  Compiler(mlir::MLIRContext &context, const CompileOptions &options,
           CompileListener &listener)
      : context(context), options(options), listener(listener) {}
  /// Diagnostics come through the context's handlers; what they do not say is
  /// in the error.
  llvm::Error run();
  void reportUse();

private:
  // Input.cpp
  llvm::Error checkPaths();
  llvm::Error loadInput();
  /// Notes the model's file and hash in the module, for the manifest.
  llvm::Error recordSource(llvm::StringRef file);
  llvm::Error loadTokenizer();

  // Preflight.cpp
  /// Forecasts the rest of the compile and refuses what cannot be done.
  llvm::Error preflight();
  Forecast forecast(llvm::StringRef compress, unsigned threads, const CalibrationSizes *calibrated = nullptr);
  std::string suggestRecipe(uint64_t space);
  void reportForecast(llvm::StringRef folder, std::optional<uint64_t> space,
                      std::optional<uint64_t> memory, unsigned threads);

  // Calibration.cpp
  llvm::Error runCalibration();
  llvm::Error compileBlock(mlir::ModuleOp block, llvm::StringRef path);

  // Compile.cpp
  llvm::Error runStages();
  llvm::Error checkLevels() const;
  llvm::Error checkCancelled() const;
  llvm::Error selectRecipe();
  llvm::Error readRecipe();
  /// Refuses passes that cannot be run, before any are.
  llvm::Error checkPasses();
  llvm::Error checkTuning();
  /// Runs the passes of the recipe that are on the whole model.
  llvm::Error prepareModel(mlir::ModuleOp target);
  llvm::Error runStage(Stage stage, mlir::ModuleOp target,
                       const CPULevel *level);
  llvm::Error runSharedStages();
  void reportUnrecognized();
  llvm::Error compileLevels(llvm::ArrayRef<const CPULevel *> levels);

  // Output.cpp
  llvm::Error writeIR(mlir::ModuleOp target, Stage stage);
  llvm::Error writeText(llvm::StringRef text);
  llvm::Error writeLLVM(const CPULevel &level);
  llvm::Expected<std::string> link(llvm::ArrayRef<ObjectCode> objects) const;
  llvm::Error writeArtifact(llvm::ArrayRef<const CPULevel *> levels,
                            std::vector<ObjectCode> objects);

  llvm::Expected<std::vector<const CPULevel *>> selectLevels() const;
  /// The last stage to run.
  Stage getLastStage() const { return options.stopAfter.value_or(Stage::Emit); }
  void say(const llvm::Twine &what);
  void reportFacts();
  void reportDone();

  mlir::MLIRContext &context;
  const CompileOptions &options;
  CompileListener &listener;
  std::string recipeName, recipePipeline;
  /// Passes on the whole model before those.
  std::string preparePipeline;
  std::string getWholePipeline() const {
    return preparePipeline.empty() ? recipePipeline
                                   : preparePipeline + "," + recipePipeline;
  }
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The stage that the module has behind it, and had when it was read.
  Stage done = Stage::Import, inputStage = Stage::Import;
  /// Weights that passes made.
  std::optional<TemporaryFile> spill;
  ArtifactContents contents;
  std::optional<CalibrationRecord> calibrated;
  Forecast expected;
  bool levelsBesideEachOther = true;
  unsigned numDumps = 0;
  std::chrono::steady_clock::time_point start =
      std::chrono::steady_clock::now();
};

} // namespace terse

#endif // TERSE_LIB_PIPELINE_COMPILER_H
