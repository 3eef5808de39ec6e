//===- KernelSource.cpp - kernels written as text -------------------------===//
#include "terse/Kernels/KernelSource.h"

#include "mlir/IR/SymbolTable.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;

KernelSource &KernelSource::set(StringRef name, StringRef value) {
  parameters[name.str()] = value.str();
  return *this;
}

KernelSource &KernelSource::add(StringRef part) {
  while (!part.empty()) {
    size_t dollar = part.find('$');
    text += part.substr(0, dollar);
    if (dollar == StringRef::npos)
      break;
    part = part.substr(dollar + 1);
    StringRef name;
    if (part.consume_front("{")) {
      name = part.take_until([](char c) { return c == '}'; });
      part = part.drop_front(name.size() + 1);
    } else {
      name = part.take_while([](char c) { return llvm::isAlnum(c); });
      part = part.drop_front(name.size());
    }
    auto found = parameters.find(name.str());
    assert(found != parameters.end() && "a template names a parameter that was not set");
    text += found->second;
  }
  text += '\n';
  return *this;
}

std::string KernelSource::define(StringRef prefix, const Twine &rhs) {
  std::string name = ("%" + prefix + "_n" + Twine(numDefined++)).str();
  add((Twine(name) + " = " + rhs).str());
  return name;
}

std::string KernelSource::multiplyAdd(StringRef prefix, StringRef a, StringRef b, StringRef c, StringRef type) {
  return define(prefix, "llvm.intr.fmuladd(" + a + ", " + b + ", " + c + ") : (" + type + ", " + type + ", " + type +
                            ") -> " + type);
}

func::FuncOp terse::getOrAddKernel(ModuleOp module, StringRef name, const KernelSource &source) {
  if (auto function = module.lookupSymbol<func::FuncOp>(name))
    return function;
  OwningOpRef<ModuleOp> parsed =
      parseSourceString<ModuleOp>(source.str(), ParserConfig(module.getContext()), "kernel " + name.str());
  auto function = parsed ? parsed->lookupSymbol<func::FuncOp>(name) : nullptr;
  if (!function) {
    module.emitError("kernel '") << name << "' is not valid IR";
    return nullptr;
  }
  function->remove();
  function.setPrivate();
  module.push_back(function);
  return function;
}

std::string terse::typeText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

std::string terse::floatText(double value) { return llvm::formatv("{0:E17}", value); }
