//===- terse-report.cpp - a report's JSON as a page -----------------------===//
#include "terse/Report/CompressionReport.h"
#include "terse/Support/TemporaryFile.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace terse;

static int fail(const Twine &message) {
  errs() << "terse-report: error: " << message << '\n';
  return 1;
}

int main(int argc, char **argv) {
  SmallVector<cl::Option *> others;
  for (auto &entry : cl::getRegisteredOptions())
    if (!StringRef(entry.second->ArgStr).starts_with("help") && entry.second->ArgStr != "version")
      others.push_back(entry.second);
  for (cl::Option *option : others)
    option->removeArgument();
  cl::OptionCategory category("Options");
  cl::opt<std::string> input(cl::Positional, cl::desc("REPORT.json"), cl::Required, cl::cat(category));
  cl::opt<std::string> output("o", cl::desc("the file to write: .html, or .json for the same with what follows from it"),
                              cl::value_desc("file"), cl::Required, cl::cat(category));
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](raw_ostream &os) { os << "terse-report " TERSE_VERSION "\n"; });
  cl::ParseCommandLineOptions(argc, argv,
                              "writes the page of a report that tersec --report=REPORT.json wrote\n\n"
                              "  lib/Report/README.md names the fields: figures from elsewhere can be added.\n");
  auto buffer = MemoryBuffer::getFile(input, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail("cannot read '" + input + "': " + buffer.getError().message());
  Expected<CompressionReport> report = readReport((*buffer)->getBuffer());
  if (!report)
    return fail("'" + input + "': " + toString(report.takeError()));
  if (Error error = writeReport(*report, output))
    return fail(toString(std::move(error)));
  return 0;
}
