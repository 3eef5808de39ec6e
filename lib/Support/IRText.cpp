//===- IRText.cpp - reading IR that anyone may have written ---------------===//
#include "terse/Support/IRText.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace terse;

llvm::Error terse::checkNesting(llvm::StringRef text) {
  // Nested operations have two levels each; tests of MLIR itself reach 30.
  constexpr int kDeepest = 256;
  // `- - 1`, `a + b + c` and `%a:2` inside of one bracket recurse as well.
  constexpr int kMostOperators = 1024;
  if (text.starts_with("ML\xefR"))
    return llvm::Error::success();
  int depth = 0, line = 1, operators = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i], next = i + 1 < text.size() ? text[i + 1] : 0;
    if (c == '\n') {
      ++line;
    } else if (c == '/' && next == '/') {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (c == '"') {
      for (++i; i < text.size() && text[i] != '"' && text[i] != '\n'; ++i)
        i += text[i] == '\\';
    } else if (c == '-' && next == '>') {
      ++i;
      operators = 0;
    } else if (c == '(' || c == '[' || c == '{' || (c == '<' && next != '=')) {
      if (++depth > kDeepest)
        return llvm::createStringError("line " + llvm::Twine(line) + ": brackets are nested too deeply; expected at most " +
                                       llvm::Twine(kDeepest));
      operators = 0;
    } else if (c == ')' || c == ']' || c == '}' || (c == '>' && next != '=')) {
      depth = std::max(depth - 1, 0);
      operators = 0;
    } else if (c == '+' || c == '-' || c == '*') {
      if (++operators > kMostOperators)
        return llvm::createStringError("line " + llvm::Twine(line) + ": an expression is too long; expected at most " +
                                       llvm::Twine(kMostOperators) + " operators");
    } else if (c == ',' || c == '=') {
      operators = 0;
    }
  }
  return llvm::Error::success();
}

OwningOpRef<ModuleOp> terse::parseIR(llvm::StringRef text, llvm::StringRef name, MLIRContext *context) {
  if (llvm::Error error = checkNesting(text)) {
    emitError(FileLineColLoc::get(context, name, 0, 0)) << llvm::toString(std::move(error));
    return nullptr;
  }
  return parseSourceString<ModuleOp>(text, ParserConfig(context), name);
}

OwningOpRef<ModuleOp> terse::parseIRFile(llvm::StringRef path, MLIRContext *context) {
  auto fail = [&](const llvm::Twine &why) -> OwningOpRef<ModuleOp> {
    emitError(FileLineColLoc::get(context, path, 0, 0)) << "cannot read the IR: " << why.str();
    return nullptr;
  };
  // A pipe would never end.
  if (!llvm::sys::fs::is_regular_file(path))
    return fail(llvm::sys::fs::exists(path) ? "not a regular file" : "no such file");
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return fail(buffer.getError().message());
  return parseIR((*buffer)->getBuffer(), path, context);
}
