//===- NoteDialect.cpp - the least dialect that a plug-in can bring -------===//
#include "terse/Support/PluginVersion.h"

#include "mlir/IR/Dialect.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

#ifdef STALE
#undef TERSE_PLUGIN_VERSION
#define TERSE_PLUGIN_VERSION "terse 0.0.1, llvm 14.0.6"
// Code of a refused plug-in must not run, not even its static constructors.
static bool ran = (llvm::errs() << "a refused plug-in ran\n", true);
#endif
TERSE_DEFINE_PLUGIN_VERSION;

namespace {
/// `note.mark`: does nothing, and says that the dialect is there.
struct MarkOp : Op<MarkOp, OpTrait::ZeroOperands, OpTrait::ZeroResults> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MarkOp)
  using Op::Op;
  static StringRef getOperationName() { return "note.mark"; }
  static ArrayRef<StringRef> getAttributeNames() { return {}; }
};

struct NoteDialect : Dialect {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(NoteDialect)
  explicit NoteDialect(MLIRContext *context)
      : Dialect(getDialectNamespace(), context, TypeID::get<NoteDialect>()) {
    addOperations<MarkOp>();
  }
  static StringRef getDialectNamespace() { return "note"; }
};
} // namespace

extern "C" __attribute__((visibility("default"))) DialectPluginLibraryInfo
mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "NoteDialect", TERSE_VERSION_STRING,
          [](DialectRegistry *registry) { registry->insert<NoteDialect>(); }};
}
