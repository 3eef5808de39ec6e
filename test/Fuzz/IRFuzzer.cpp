//===- IRFuzzer.cpp - textual IR ------------------------------------------===//
//
// Text is IR that verifies or gives an error; passes on it end, with IR or with
// an error.
//
//===----------------------------------------------------------------------===//
#include "Fuzz.h"
#include "Kernel/KernelDialect.h"
#include "Terse/TerseDialect.h"
#include "terse/Passes.h"
#include "terse/Pipeline/Recipe.h"
#include "terse/Pipeline/Stages.h"
#include "terse/Support/IRText.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;
using namespace terse;

/// The first stages' passes, as tersec runs them.
static std::string getPipeline() {
  llvm::Expected<Recipe> recipe = parseRecipe("w4");
  TERSE_FUZZ_CHECK(bool(recipe), "recipe");
  StageOptions options;
  options.compress = recipe->pipeline;
  std::string all;
  for (Stage stage : {Stage::Normalize, Stage::Compress, Stage::Integerize}) {
    std::string text = getStagePipeline(stage, options);
    llvm::StringRef passes = text;
    if (passes.consume_front("builtin.module("))
      passes = passes.drop_back();
    all += (all.empty() ? "" : ",") + passes.str();
  }
  return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  constexpr int kRunsPerContext = 100;
  static std::unique_ptr<MLIRContext> context;
  static int runs = 0;
  if (runs++ % kRunsPerContext == 0) {
    static const DialectRegistry *registry = [] {
      auto *made = new DialectRegistry;
      registerAllDialects(*made);
      registerAllExtensions(*made);
      made->insert<TerseDialect, kernel::KernelDialect>();
      registerAllPasses();
#include "FuzzedPasses.inc"
      return made;
    }();
    context = std::make_unique<MLIRContext>(*registry, MLIRContext::Threading::DISABLED);
  }
  bool hadError = false;
  ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &diagnostic) {
    hadError |= diagnostic.getSeverity() == DiagnosticSeverity::Error;
  });
  std::string text(reinterpret_cast<const char *>(data), size);
  OwningOpRef<ModuleOp> module = parseIR(text, "fuzz.mlir", context.get());
  if (!module) {
    TERSE_FUZZ_CHECK(hadError, "refused without an error");
    return 0;
  }
  static const std::string pipeline = getPipeline();
  PassManager manager(context.get());
  TERSE_FUZZ_CHECK(succeeded(parsePassPipeline(pipeline, manager)), pipeline);
  if (failed(manager.run(*module)))
    TERSE_FUZZ_CHECK(hadError, "failed without an error");
  return 0;
}
