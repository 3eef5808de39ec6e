//===- IRDump.cpp - the IR after each pass --------------------------------===//
#include "IRDump.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace {
class IRDump : public PassInstrumentation {
public:
  IRDump(std::string folder, std::string stage, unsigned &count)
      : folder(std::move(folder)), stage(std::move(stage)), count(count) {}

  void runAfterPass(Pass *pass, Operation *op) override {
    llvm::StringRef name = pass->getArgument();
    auto module = dyn_cast<ModuleOp>(op);
    if (!module) {
      // One file for all functions, when the adaptor around is through with
      // them.
      if (!name.empty() && !llvm::is_contained(nested, name))
        nested.push_back(name.str());
      return;
    }
    if (name.empty() && nested.empty())
      return;
    std::string label =
        stage + "-" + (name.empty() ? llvm::join(nested, "+") : name.str());
    nested.clear();
    llvm::SmallString<128> path(folder);
    std::string number = std::to_string(++count);
    number.insert(0, number.size() < 4 ? 4 - number.size() : 0, '0');
    llvm::sys::path::append(path, number + "-" + label + ".mlir");
    std::error_code error;
    llvm::raw_fd_ostream stream(path, error);
    if (!error) {
      module->print(stream, OpPrintingFlags().useLocalScope());
      stream << '\n';
      stream.flush();
      error = stream.error();
      stream.clear_error();
    }
    if (error && !warned) {
      warned = true;
      emitWarning(module.getLoc())
          << "cannot write '" << path << "': " << error.message();
    }
  }

private:
  std::string folder, stage;
  unsigned &count;
  std::vector<std::string> nested;
  bool warned = false;
};
} // namespace

std::unique_ptr<PassInstrumentation>
terse::makeIRDump(std::string folder, std::string stage, unsigned &count) {
  return std::make_unique<IRDump>(std::move(folder), std::move(stage), count);
}
