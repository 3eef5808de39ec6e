//===- Driver.cpp - a compile in a context of its own ---------------------===//
#include "Compiler.h"

#include "terse/Support/Registry.h"

#include "mlir/IR/Action.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"
#include "llvm/Support/ThreadPool.h"

#include <mutex>

using namespace mlir;
using namespace terse;

/// "model.mlir:3:8", "model.onnx: /layers.0/MatMul".
static std::string describe(Location location) {
  if (isa<UnknownLoc>(location))
    return "";
  if (auto file = dyn_cast<FileLineColLoc>(location)) {
    std::string text = file.getFilename().str();
    if (file.getLine()) // a model has no lines
      text += ":" + std::to_string(file.getLine()) + ":" +
              std::to_string(file.getColumn());
    return text;
  }
  if (auto name = dyn_cast<NameLoc>(location)) {
    std::string inner = describe(name.getChildLoc());
    return (inner.empty() ? "" : inner + ": ") + name.getName().str();
  }
  std::string text;
  llvm::raw_string_ostream(text) << location;
  llvm::StringRef shown = text;
  if (shown.consume_front("loc(") && shown.consume_back(")"))
    return shown.str();
  return text;
}

namespace {
/// Passes the diagnostics of a context on to a listener, one at a time.
class Reporter {
public:
  Reporter(MLIRContext &context, CompileListener &listener)
      : listener(listener), handler(&context, [this](Diagnostic &diagnostic) {
          report(diagnostic);
        }) {}

  void say(const Message &message) {
    std::lock_guard<std::mutex> lock(mutex);
    hadError |= message.kind == Message::Kind::Error;
    listener.onMessage(message);
  }
  bool saidError() const { return hadError; }

private:
  void report(Diagnostic &diagnostic) {
    Message::Kind kind = Message::Kind::Note;
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      kind = Message::Kind::Error;
    else if (diagnostic.getSeverity() == DiagnosticSeverity::Warning)
      kind = Message::Kind::Warning;
    say({kind, describe(diagnostic.getLocation()), shorten(diagnostic.str())});
    for (Diagnostic &note : diagnostic.getNotes())
      if (!llvm::StringRef(note.str()).starts_with("see current operation"))
        say({Message::Kind::Note, describe(note.getLocation()),
             shorten(note.str())});
  }
  /// An operation that is printed whole may fill screens.
  static std::string shorten(std::string text) {
    return text.size() > 1000 ? text.substr(0, 1000) + " ..." : text;
  }

  CompileListener &listener;
  std::mutex mutex;
  bool hadError = false;
  ScopedDiagnosticHandler handler;
};
} // namespace

bool terse::compile(const CompileOptions &options, CompileListener &listener) {
  DialectRegistry registry;
  if (llvm::Error error = fillRegistry(registry, options.plugins)) {
    listener.onMessage(
        {Message::Kind::Error, "", llvm::toString(std::move(error))});
    return false;
  }
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  // Files are numbered in the order of passes only if these run one by one.
  std::optional<llvm::DefaultThreadPool> pool;
  if (options.threads != 1 && options.dumpIRFolder.empty()) {
    pool.emplace(llvm::hardware_concurrency(options.threads));
    context.setThreadPool(*pool);
  }
  // Once cancelled, every pass that is still to run is left out.
  context.registerActionHandler(
      [&](llvm::function_ref<void()> run, const tracing::Action &) {
        if (!listener.cancelled)
          run();
      });
  context.getOrLoadDialect<TerseDialect>()->getWeightStore().setCancellation(
      &listener.cancelled);

  Reporter reporter(context, listener);
  llvm::Error error = Compiler(context, options, listener).run();
  if (!error)
    return true;
  std::string text = llvm::toString(std::move(error));
  // Diagnostics have said it better.
  if (!reporter.saidError())
    reporter.say({Message::Kind::Error, "",
                  text.empty() ? "the model could not be read" : text});
  return false;
}
