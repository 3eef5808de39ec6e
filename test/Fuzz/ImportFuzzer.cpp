//===- ImportFuzzer.cpp - the ONNX importer -----------------------------===//
//
// Any bytes are a model that verifies or give one error.
//
//===----------------------------------------------------------------------===//
#include "Fuzz.h"
#include "terse/Import/OnnxImport.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"

using namespace terse;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::ScratchFolder folder;
  // Types and attributes stay with their context.
  constexpr int kRunsPerContext = 200;
  static std::unique_ptr<mlir::MLIRContext> context;
  static int runs = 0;
  if (runs++ % kRunsPerContext == 0)
    context = std::make_unique<mlir::MLIRContext>(mlir::MLIRContext::Threading::DISABLED);

  static const std::string external = folder.write("external", std::string(4096, '\1'));
  std::string path = folder.write("model.onnx", {reinterpret_cast<const char *>(data), size});
  int errors = 0;
  std::string first;
  mlir::ScopedDiagnosticHandler handler(context.get(), [&](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
      return;
    if (errors++ == 0)
      first = diagnostic.str();
  });
  mlir::OwningOpRef<mlir::ModuleOp> module = importOnnx(path, context.get());
  TERSE_FUZZ_CHECK(module ? errors == 0 : errors == 1, first);
  return 0;
}
