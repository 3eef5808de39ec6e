//===- Linker.h - objects to ELF files, in process --------------*- C++ -*-===//
#ifndef TERSE_TARGET_LINKER_H
#define TERSE_TARGET_LINKER_H

#include "terse/Target/CodeGen.h"

#include <string>
#include <vector>

namespace terse {

/// Links `objects` to a shared object. Functions of libc and libm that they use
/// are resolved when it is loaded; no file of the system is read. The result,
/// as all of these, is the file's bytes: nothing is written to a disk.
llvm::Expected<std::string>
linkSharedObject(llvm::ArrayRef<ObjectCode> objects);

/// Links `objects` and the archives `libraries` (which define `main`) to a
/// position-independent program. libc, libm, libstdc++ and libgcc_s are those
/// of this system; no development files are needed.
llvm::Expected<std::string>
linkProgram(llvm::ArrayRef<ObjectCode> objects,
            llvm::ArrayRef<std::string> libraries);

/// Merges `objects` to one relocatable object.
llvm::Expected<std::string> linkRelocatable(llvm::ArrayRef<ObjectCode> objects);

} // namespace terse

#endif // TERSE_TARGET_LINKER_H
