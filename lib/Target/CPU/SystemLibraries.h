//===- SystemLibraries.h - what linked files need of a system ---*- C++ -*-===//
#ifndef TERSE_LIB_TARGET_CPU_SYSTEMLIBRARIES_H
#define TERSE_LIB_TARGET_CPU_SYSTEMLIBRARIES_H

#include "terse/Target/CodeGen.h"

namespace terse {

/// The shared library that defines the function `name` and that generated code
/// may use, by its soname; empty if none.
llvm::StringRef findSystemLibrary(llvm::StringRef name);

/// Sonames of the libraries of a program with the runtime in it.
llvm::ArrayRef<llvm::StringLiteral> getProgramLibraries();

/// Where this system keeps the library.
llvm::Expected<std::string> locateSystemLibrary(llvm::StringRef soname);

/// The object that a program begins in: `_start`, which calls `main` through
/// the C library.
llvm::Expected<ObjectCode> emitProgramStart();

} // namespace terse

#endif // TERSE_LIB_TARGET_CPU_SYSTEMLIBRARIES_H
