//===- IRText.cpp - reading IR that anyone may have written ---------------===//
#include "terse/Support/IRText.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace terse;

/// What follows blanks and comments.
static llvm::StringRef skipBlanks(llvm::StringRef text) {
  for (;;) {
    text = text.ltrim();
    if (!text.starts_with("//"))
      return text;
    text = text.drop_until([](char c) { return c == '\n'; });
  }
}

/// True if `text` begins with `= [1, -2]`. MLIR's parser of linalg's transpose,
/// reduce and broadcast crashes where it expects just this and gets another.
static bool beginsWithAxes(llvm::StringRef text) {
  text = skipBlanks(text);
  if (!text.consume_front("="))
    return false;
  text = skipBlanks(text);
  if (!text.consume_front("["))
    return false;
  text = skipBlanks(text);
  if (text.starts_with("]"))
    return true;
  for (;;) {
    text.consume_front("-");
    llvm::StringRef digits = text.take_while(llvm::isDigit);
    if (digits.empty() || digits.size() > 18)
      return false;
    text = skipBlanks(text.drop_front(digits.size()));
    if (text.starts_with("]"))
      return true;
    if (!text.consume_front(","))
      return false;
    text = skipBlanks(text);
  }
}

llvm::Error terse::checkIRText(llvm::StringRef text) {
  // Nested operations have two levels each; tests of MLIR itself reach 30.
  constexpr int kDeepest = 256;
  // `- - 1`, `a + b + c` and `%a:2` inside of one bracket recurse as well.
  constexpr int kMostOperators = 1024;
  if (text.starts_with("ML\xefR"))
    return llvm::Error::success();
  int depth = 0, line = 1, operators = 0;
  char before = 0; // the last character that is no blank
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i], next = i + 1 < text.size() ? text[i + 1] : 0;
    if (c == '\n') {
      ++line;
    } else if (c == '/' && next == '/') {
      i = std::min(text.find('\n', i), text.size()) - 1;
      continue;
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
    } else if (llvm::isAlpha(c) || c == '_') {
      llvm::StringRef word =
          text.drop_front(i).take_while([](char c) { return llvm::isAlnum(c) || c == '_' || c == '.' || c == '$'; });
      // Inside of braces it is an attribute like any other.
      bool named = before == '{' || before == ',' || before == '%' || before == '@' || before == '#' || before == '!';
      if (!named && (word == "permutation" || word == "dimensions") &&
          !beginsWithAxes(text.drop_front(i + word.size())))
        return llvm::createStringError("line " + llvm::Twine(line) + ": expected a list of integers for '" + word + "'");
      i += word.size() - 1;
      c = text[i];
    }
    if (!llvm::isSpace(c))
      before = c;
  }
  return llvm::Error::success();
}

OwningOpRef<ModuleOp> terse::parseIR(llvm::StringRef text, llvm::StringRef name, MLIRContext *context) {
  if (llvm::Error error = checkIRText(text)) {
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
