//===- Tilings.h - what to choose tilings by --------------------*- C++ -*-===//
#ifndef TERSE_SELECTKERNEL_TILINGS_H
#define TERSE_SELECTKERNEL_TILINGS_H

#include "Kernel/KernelDialect.h"

#include <optional>
#include <vector>

namespace terse::select_kernel {

/// What a tiling depends on.
struct LayerKind {
  std::string format;    ///< as in the pass's description
  int64_t groupSize = 0; ///< 0: one group a channel, or no groups
  int64_t n = 0, k = 0;  ///< 0: any
};

using EmitError = llvm::function_ref<mlir::InFlightDiagnostic()>;
/// The numbers of a tiling, in the attribute's order.
using Numbers = std::array<int64_t, 11>;

/// What is chosen without measurements; nothing if there is no such level.
std::optional<Numbers> findBuiltIn(llvm::StringRef level, llvm::StringRef format);
/// Null, and an error, if numbers are out of bounds.
kernel::TilingAttr makeTiling(const Numbers &numbers, mlir::MLIRContext *context, EmitError emitError);

/// A file of measurements.
class TuningFile {
public:
  /// Errors name the file and the entry.
  static mlir::FailureOr<TuningFile> read(llvm::StringRef path, mlir::MLIRContext *context, EmitError emitError);
  /// The nearest entry of the level and format; null if there is none.
  kernel::TilingAttr find(llvm::StringRef level, const LayerKind &kind) const;

private:
  struct Entry {
    std::string level;
    LayerKind kind;
    kernel::TilingAttr tiling;
  };
  std::vector<Entry> entries;
};

} // namespace terse::select_kernel

#endif // TERSE_SELECTKERNEL_TILINGS_H
