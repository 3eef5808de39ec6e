//===- Linker.h - objects to ELF files, in process --------------*- C++ -*-===//
#ifndef TERSE_TARGET_LINKER_H
#define TERSE_TARGET_LINKER_H

#include "terse/Target/CodeGen.h"
#include "terse/Target/TemporaryFolder.h"

#include <string>
#include <vector>

namespace terse {

/// Links `objects` to the shared object `output`. Functions of libc and libm
/// that they use are resolved when it is loaded; no file of the system is read.
/// Temporary files go to `folder`.
llvm::Error linkSharedObject(llvm::ArrayRef<ObjectCode> objects,
                             const TemporaryFolder &folder,
                             llvm::StringRef output);

/// Links `objects` and the archives `libraries` (which define `main`) to the
/// position-independent program `output`. libc, libm, libstdc++ and libgcc_s
/// are those of this system; no development files are needed.
llvm::Error linkProgram(llvm::ArrayRef<ObjectCode> objects,
                        llvm::ArrayRef<std::string> libraries,
                        const TemporaryFolder &folder, llvm::StringRef output);

/// Merges `objects` to one relocatable object.
llvm::Error linkRelocatable(llvm::ArrayRef<ObjectCode> objects,
                            const TemporaryFolder &folder,
                            llvm::StringRef output);

} // namespace terse

#endif // TERSE_TARGET_LINKER_H
