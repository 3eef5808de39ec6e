//===- tersec.cpp - the compiler's driver ---------------------------------===//
#include "terse/Pipeline/Options.h"
#include "terse/Search/Search.h"
#include "terse/Support/TemporaryFile.h"

#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/JSON.h"

#include <csignal>
#include <pthread.h>
#include <thread>
#include <unistd.h>

using namespace llvm;
using namespace terse;

namespace {
/// The command line: the options of a compile, and those of a program. Made
/// after LLVM's own hundreds are taken away: these are of no use here, and some
/// have the same names.
class CommandLine {
public:
  CommandLine();
  Error read(CompileOptions &options) const;

  cl::OptionCategory category{"Options"};
  cl::opt<std::string> input{cl::Positional, cl::desc("MODEL"), cl::Required,
                             cl::cat(category)};
  cl::opt<std::string> output{"o", cl::desc("the file to write"),
                              cl::value_desc("file"), cl::Required,
                              cl::cat(category)};
  cl::opt<bool> quiet{"quiet", cl::desc("no progress and no warnings"),
                      cl::cat(category)};

private:
  // One for each option of the table; a flag, or a list with what was given.
  std::vector<std::unique_ptr<cl::opt<bool>>> flags;
  std::vector<std::unique_ptr<cl::list<std::string>>> values;
  std::unique_ptr<cl::alias> levelAlias;
};
} // namespace

CommandLine::CommandLine() {
  for (const OptionInfo &option : getOptions()) {
    flags.emplace_back();
    values.emplace_back();
    if (option.kind == OptionInfo::Kind::Flag) {
      flags.back().reset(new cl::opt<bool>(
          StringRef(option.name), cl::desc(option.help), cl::cat(category)));
      continue;
    }
    values.back().reset(new cl::list<std::string>(
        StringRef(option.name), cl::desc(option.help),
        cl::value_desc(option.value), cl::cat(category)));
    if (option.kind != OptionInfo::Kind::List)
      values.back()->setNumOccurrencesFlag(cl::Optional);
    if (option.kind == OptionInfo::Kind::OptionalText)
      values.back()->setValueExpectedFlag(cl::ValueOptional);
    if (option.name == "levels")
      levelAlias.reset(new cl::alias("cpu-level", cl::aliasopt(*values.back()),
                                     cl::desc("the same"), cl::cat(category)));
  }
}

Error CommandLine::read(CompileOptions &options) const {
  options.input = input;
  options.output = output;
  for (auto [index, option] : enumerate(getOptions())) {
    if (flags[index] && *flags[index])
      if (Error error = setOption(options, option.name, "true"))
        return error;
    if (values[index])
      for (const std::string &value : *values[index])
        if (Error error = setOption(options, option.name, value))
          return createStringError("--" + toString(std::move(error)));
  }
  return Error::success();
}

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
    TemporaryFile::removeAll();
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

/// Prints a message on standard error as compilers do.
static void print(const Message &message) {
  StringRef severity;
  switch (message.kind) {
  case Message::Kind::Error:
    severity = "error: ";
    break;
  case Message::Kind::Warning:
    severity = "warning: ";
    break;
  case Message::Kind::Note:
    severity = "note: ";
    break;
  case Message::Kind::Progress:
  case Message::Kind::Report:
    errs() << makePrintable(message.text) << '\n';
    return;
  }
  std::string place = message.location;
  if (place.empty() && message.kind != Message::Kind::Note)
    place = "tersec";
  errs() << makePrintable(place) << (place.empty() ? "" : ": ") << severity
         << makePrintable(message.text) << '\n';
}

int main(int argc, char **argv) {
  cleanUpOnSignals();
  // A write beyond a limit fails like one to a full disk.
  signal(SIGXFSZ, SIG_IGN);
  // A reader that goes away (| head) must not keep files from being removed.
  signal(SIGPIPE, SIG_IGN);
  SmallVector<cl::Option *> others;
  for (auto &entry : cl::getRegisteredOptions())
    if (!StringRef(entry.second->ArgStr).starts_with("help") &&
        entry.second->ArgStr != "version")
      others.push_back(entry.second);
  for (cl::Option *option : others)
    option->removeArgument();
  CommandLine line;
  cl::HideUnrelatedOptions(line.category);
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
  CompileOptions options;
  if (Error error = line.read(options)) {
    print({Message::Kind::Error, "", toString(std::move(error))});
    return 1;
  }
  bool showProgress = !line.quiet && isatty(STDERR_FILENO);
  CompileListener listener;
  bool quiet = false; // an error's notes are shown, a warning's are not
  listener.onMessage = [&](const Message &message) {
    if (message.kind == Message::Kind::Error)
      quiet = false;
    else if (message.kind == Message::Kind::Warning)
      quiet = line.quiet;
    bool shown = message.kind == Message::Kind::Progress ? showProgress
                 : message.kind == Message::Kind::Report ? true
                                                         : !quiet;
    if (shown)
      print(message);
  };
  int status = compileWithinLoss(options, listener) ? 0 : 1;
  errs().clear_error();
  outs().clear_error();
  return status;
}
