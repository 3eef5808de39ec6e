//===- tersec.cpp - the compiler's driver ---------------------------------===//
#include "terse/Pipeline/Compile.h"
#include "terse/Pipeline/Recipe.h"
#include "terse/Support/Plugins.h"
#include "terse/Support/Registry.h"
#include "terse/Target/TemporaryFolder.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/ThreadPool.h"

#include <csignal>
#include <pthread.h>
#include <thread>
#include <unistd.h>

using namespace llvm;
using namespace terse;

namespace {
/// The options. Made after LLVM's own hundreds are taken away: these are of no
/// use here, and some have the same names.
struct Flags {
  cl::OptionCategory category{"Options"};
  cl::opt<std::string> input{cl::Positional, cl::desc("MODEL"), cl::Required,
                             cl::cat(category)};
  cl::opt<std::string> output{"o", cl::desc("the file to write"),
                              cl::value_desc("file"), cl::Required,
                              cl::cat(category)};
  cl::opt<std::string> recipe{
      "recipe", cl::value_desc("NAME[:KEY=VALUE,...]"), cl::init("keep"),
      cl::cat(category),
      cl::desc("how to compress: keep (as the file has it, the default), "
               "f32, f16, w8, w4, w3, w2")};
  cl::opt<int> groupSize{"group-size", cl::value_desc("n"), cl::init(-1),
                         cl::cat(category),
                         cl::desc("weights that share a scale, for the recipes "
                                  "w8 to w2; 0: a whole row")};
  cl::opt<std::string> passPipeline{
      "pass-pipeline", cl::value_desc("passes"), cl::cat(category),
      cl::desc("passes that compress, instead of a recipe")};
  cl::opt<EmitKind> emitKind{
      "emit", cl::desc("what to write"), cl::init(EmitKind::SharedObject),
      cl::cat(category),
      cl::values(
          clEnumValN(EmitKind::SharedObject, "so", "an artifact (default)"),
          clEnumValN(EmitKind::Executable, "exe",
                     "a program: terse-run and artifact in one"),
          clEnumValN(EmitKind::Object, "obj", "an object to link to a program"),
          clEnumValN(EmitKind::LLVM, "llvm", "LLVM IR of one CPU level"),
          clEnumValN(EmitKind::MLIR, "mlir",
                     "the llvm dialect of one CPU level"))};
  cl::opt<bool> plain{
      "O0",
      cl::desc("plain float code of every operation, the oracle of the rest"),
      cl::cat(category)};
  cl::list<std::string> levels{
      "levels", cl::CommaSeparated, cl::value_desc("level,..."),
      cl::cat(category),
      cl::desc("CPU levels to make code for: baseline, avx2, avx512vnni "
               "(default: all)")};
  cl::alias levelAlias{"cpu-level", cl::aliasopt(levels), cl::desc("the same"),
                       cl::cat(category)};
  cl::opt<std::string> emulatedKernels{
      "emulate-kernels", cl::value_desc("level"), cl::cat(category),
      cl::desc("for checks: run this level's kernels on any machine, their "
               "matrix instructions by definition (slow)")};
  cl::opt<bool> keepCacheIO{
      "keep-cache-io", cl::cat(category),
      cl::desc("leave past and present keys and values as inputs and outputs")};
  cl::opt<std::string> tokenizer{
      "tokenizer", cl::value_desc("file"), cl::cat(category),
      cl::desc("tokenizer to embed (SentencePiece or llama2.c), or 'bytes'")};
  cl::opt<int64_t> contextLength{
      "context", cl::value_desc("n"), cl::init(0), cl::cat(category),
      cl::desc(
          "positions that the runtime makes room for unless told otherwise")};
  cl::opt<std::string> stopAfter{
      "stop-after", cl::value_desc("stage"), cl::cat(category),
      cl::desc("write the IR after this stage: import, normalize, compress, "
               "integerize, "
               "layout, kernel, target")};
  cl::opt<std::string> startFrom{
      "start-from", cl::value_desc("stage"), cl::cat(category),
      cl::desc("MODEL is the IR after this stage (as --stop-after wrote it): "
               "go on from it")};
  cl::list<std::string> at{
      "at", cl::value_desc("stage:passes"), cl::cat(category),
      cl::desc("run these passes too, at the stage's end (may be repeated)")};
  cl::opt<std::string> dumpIR{
      "dump-ir-dir", cl::value_desc("folder"), cl::cat(category),
      cl::desc("write the IR after each pass to a numbered file")};
  cl::opt<unsigned> threads{
      "threads", cl::value_desc("n"), cl::init(0), cl::cat(category),
      cl::desc("threads to compile with (default: one a processor)")};
  cl::opt<bool> quiet{"quiet", cl::desc("no progress and no warnings"),
                      cl::cat(category)};
  cl::opt<bool> report{"report",
                       cl::desc("print what each pass did, on standard error"),
                       cl::cat(category)};
  // Taken out of argv before options are read; here for --help.
  cl::list<std::string> passPlugins{
      "load-pass-plugin", cl::value_desc("file"), cl::cat(category),
      cl::desc("load passes from a shared object")};
  cl::list<std::string> dialectPlugins{
      "load-dialect-plugin", cl::value_desc("file"), cl::cat(category),
      cl::desc("load a dialect from a shared object")};
};
} // namespace

/// Ends the process on SIGINT, SIGTERM and SIGHUP with no file left. A thread
/// waits for them: nothing much may be done in a handler.
static void cleanUpOnSignals() {
  static sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGINT, SIGTERM, SIGHUP})
    sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([] {
    int number = 0;
    while (sigwait(&signals, &number) != 0) {
    }
    TemporaryFolder::removeAll();
    signal(number, SIG_DFL);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
    raise(number);
  }).detach();
}

/// Text that may come from a broken file, fit for a terminal.
static std::string makePrintable(StringRef text) {
  std::string result = json::fixUTF8(text);
  for (char &c : result)
    if (static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t')
      c = '?';
  return result;
}

namespace {
/// Prints diagnostics as a compiler does, and remembers whether one was an
/// error.
class DiagnosticPrinter {
public:
  DiagnosticPrinter(mlir::MLIRContext &context, bool quiet)
      : handler(&context, [this, quiet](mlir::Diagnostic &diagnostic) {
          bool isError =
              diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error;
          hadError |= isError;
          if (!isError && quiet)
            return;
          print(diagnostic,
                isError ? "error: "
                : diagnostic.getSeverity() == mlir::DiagnosticSeverity::Warning
                    ? "warning: "
                    : "note: ");
          for (mlir::Diagnostic &note : diagnostic.getNotes())
            if (!StringRef(note.str()).starts_with("see current operation"))
              print(note, "note: ");
        }) {}

  bool hadError = false;

private:
  static void print(mlir::Diagnostic &diagnostic, StringRef severity) {
    std::string text;
    raw_string_ostream stream(text);
    if (!isa<mlir::UnknownLoc>(diagnostic.getLocation()))
      stream << diagnostic.getLocation() << ": ";
    std::string location = text.substr(0, text.find("\n"));
    // `loc("file":1:2): ` reads file:1:2.
    StringRef shown = location;
    if (shown.consume_front("loc(") && shown.consume_back("): "))
      location = shown.str() + ": ";
    std::string message = diagnostic.str();
    // An operation that is printed whole may fill screens.
    if (message.size() > 1000)
      message = message.substr(0, 1000) + " ...";
    errs() << makePrintable(location) << severity << makePrintable(message)
           << '\n';
  }
  mlir::ScopedDiagnosticHandler handler;
};
} // namespace

static Error readStage(StringRef option, StringRef text,
                       std::optional<Stage> &stage) {
  stage = parseStage(text);
  if (stage)
    return Error::success();
  return createStringError("unknown stage '" + text + "' in --" + option +
                           suggestNearest(text, getStageNames()) +
                           " (known: " + join(getStageNames(), ", ") + ")");
}

static Expected<CompileOptions> readOptions(const Flags &f) {
  CompileOptions options;
  options.input = f.input;
  options.output = f.output;
  options.emit = f.emitKind;
  options.recipe = f.recipe;
  if (f.groupSize.getNumOccurrences())
    options.recipe += (StringRef(f.recipe).contains(':') ? "," : ":") +
                      ("group-size=" + std::to_string(f.groupSize));
  if (f.passPipeline.getNumOccurrences()) {
    if (f.recipe.getNumOccurrences() || f.groupSize.getNumOccurrences())
      return createStringError(
          "expected --recipe or --pass-pipeline; got both");
    options.passPipeline = f.passPipeline;
  }
  options.optimize = !f.plain;
  options.keepCacheIO = f.keepCacheIO;
  options.levels.assign(f.levels.begin(), f.levels.end());
  options.emulatedKernels = f.emulatedKernels;
  if (f.stopAfter.getNumOccurrences()) {
    if (Error error = readStage("stop-after", f.stopAfter, options.stopAfter))
      return error;
    if (*options.stopAfter == Stage::Emit)
      options.stopAfter.reset(); // all stages
  }
  if (f.startFrom.getNumOccurrences()) {
    if (Error error = readStage("start-from", f.startFrom, options.startFrom))
      return error;
    if (*options.startFrom == Stage::Emit)
      return createStringError(
          "expected a stage before 'emit' in --start-from");
  }
  for (StringRef text : f.at) {
    auto [name, passes] = text.split(':');
    std::optional<Stage> stage;
    if (passes.empty())
      return createStringError("expected --at=STAGE:PASSES; got '" + text +
                               "'");
    if (Error error = readStage("at", name, stage))
      return error;
    options.extraPasses.emplace_back(*stage, passes.str());
  }
  options.dumpIRFolder = f.dumpIR;
  options.tokenizer = f.tokenizer;
  if (f.contextLength < 0)
    return createStringError("expected a positive --context; got " +
                             Twine(f.contextLength));
  options.context = f.contextLength;
  options.threads = f.threads;
  options.progress = !f.quiet && isatty(STDERR_FILENO);
  options.report = f.report;
  return options;
}

static int fail(Error error, bool alreadySaid) {
  std::string message = toString(std::move(error));
  // Diagnostics have said it better.
  if (!alreadySaid && !message.empty())
    errs() << "tersec: error: " << makePrintable(message) << '\n';
  else if (!alreadySaid)
    errs() << "tersec: error: the model could not be read\n";
  return 1;
}

int main(int argc, char **argv) {
  cleanUpOnSignals();
  // A write beyond a limit fails like one to a full disk.
  signal(SIGXFSZ, SIG_IGN);
  // A reader that goes away (| head) must not keep files from being removed.
  signal(SIGPIPE, SIG_IGN);
  mlir::DialectRegistry registry;
  registerEverything(registry);
  if (Error error = loadPlugins(argc, argv, registry))
    return fail(std::move(error), /*alreadySaid=*/false);
  SmallVector<cl::Option *> others;
  for (auto &entry : cl::getRegisteredOptions())
    if (!StringRef(entry.second->ArgStr).starts_with("help") &&
        entry.second->ArgStr != "version")
      others.push_back(entry.second);
  for (cl::Option *option : others)
    option->removeArgument();
  Flags flags;
  cl::HideUnrelatedOptions(flags.category);
  cl::SetVersionPrinter([](raw_ostream &os) {
    os << "tersec " TERSE_VERSION " (LLVM " LLVM_VERSION_STRING ")\n";
  });
  cl::ParseCommandLineOptions(
      argc, argv,
      "compiles a model to a binary\n\n"
      "  MODEL is an ONNX file, a folder that holds model.onnx, or IR that "
      "--stop-after wrote.\n\n"
      "  tersec model.onnx -o model.so\n"
      "  tersec model.onnx --recipe=w4 --tokenizer=tokenizer.model -o "
      "model.so\n"
      "  tersec model.onnx --recipe=w4:group-size=64,exclude=down_proj "
      "--emit=exe -o model\n");
  Expected<CompileOptions> options = readOptions(flags);
  if (!options)
    return fail(options.takeError(), /*alreadySaid=*/false);

  // Files are numbered in the order of passes only if these run one by one.
  bool serial = flags.threads == 1 || !options->dumpIRFolder.empty();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  std::optional<DefaultThreadPool> pool;
  if (!serial) {
    pool.emplace(hardware_concurrency(flags.threads));
    context.setThreadPool(*pool);
  }
  DiagnosticPrinter printer(context, flags.quiet);
  int status = 0;
  if (Error error = compile(context, *options))
    status = fail(std::move(error), printer.hadError);
  errs().clear_error();
  outs().clear_error();
  return status;
}
