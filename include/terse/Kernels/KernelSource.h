//===- KernelSource.h - kernels written as text -----------------*- C++ -*-===//
#ifndef TERSE_KERNELS_KERNELSOURCE_H
#define TERSE_KERNELS_KERNELSOURCE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"

#include <map>
#include <string>

namespace terse {

/// The text of a kernel function under construction: MLIR assembly in which
/// `$name` (or `${name}`) stands for a parameter. A template shows a kernel as it will run;
/// what depends on the shape (unrolled rows) is appended line by line.
class KernelSource {
public:
  /// Gives `$name` a value in everything appended from now on.
  KernelSource &set(llvm::StringRef name, int64_t value) { return set(name, std::to_string(value)); }
  KernelSource &set(llvm::StringRef name, llvm::StringRef value);
  KernelSource &set(llvm::StringRef name, const char *value) { return set(name, llvm::StringRef(value)); }

  /// Appends `text` with its parameters replaced.
  KernelSource &add(llvm::StringRef text);

  /// Appends `%NAME = text` with a name of its own that begins with `prefix`, and
  /// returns the name.
  std::string define(llvm::StringRef prefix, const llvm::Twine &text);

  /// a * b + c: one instruction where the level has it, never a call.
  std::string multiplyAdd(llvm::StringRef prefix, llvm::StringRef a, llvm::StringRef b, llvm::StringRef c,
                          llvm::StringRef type);

  const std::string &str() const { return text; }

private:
  std::map<std::string, std::string> parameters;
  std::string text;
  unsigned numDefined = 0;
};

/// Finds the kernel `name` in `module`, or parses `source` (one function of that
/// name) and adds it, private. Null, with an error at `module`, when the text is
/// not valid: that is a defect of the generator.
mlir::func::FuncOp getOrAddKernel(mlir::ModuleOp module, llvm::StringRef name, const KernelSource &source);

/// Text of a type: `f32`, `vector<4xi8>`.
std::string typeText(mlir::Type type);

/// Text of a floating-point constant, exact.
std::string floatText(double value);

} // namespace terse

#endif // TERSE_KERNELS_KERNELSOURCE_H
