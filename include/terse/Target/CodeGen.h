//===- CodeGen.h - llvm dialect to machine code -----------------*- C++ -*-===//
#ifndef TERSE_TARGET_CODEGEN_H
#define TERSE_TARGET_CODEGEN_H

#include "terse/Support/CPULevel.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace terse {

/// A relocatable ELF object in memory.
using ObjectCode = llvm::SmallVector<char, 0>;

/// A definition in an object that holds data only.
struct DataSymbol {
  std::string name;
  std::string bytes;
  /// Section to put it into; empty for the usual one.
  std::string section;
  unsigned alignment = 8;
  /// Visible to users of the linked file.
  bool exported = true;
};

/// Translates `module` (llvm dialect) to LLVM IR and optimizes it for `level`.
/// Every function but those in `exported` becomes internal.
llvm::Expected<std::unique_ptr<llvm::Module>>
translateToLLVM(mlir::ModuleOp module, const CPULevel &level,
                llvm::ArrayRef<std::string> exported,
                llvm::LLVMContext &context);

/// The passes of -O2 for `level`.
llvm::Error optimizeLLVM(llvm::Module &module, const CPULevel &level);

/// Machine code of `module`, position-independent.
llvm::Expected<ObjectCode> emitObject(llvm::Module &module,
                                      const CPULevel &level);

/// An object of constant data.
llvm::Expected<ObjectCode> emitDataObject(llvm::ArrayRef<DataSymbol> symbols);

/// Names that `object` uses and does not define, sorted.
llvm::Expected<std::vector<std::string>>
getUndefinedSymbols(const ObjectCode &object);

} // namespace terse

#endif // TERSE_TARGET_CODEGEN_H
