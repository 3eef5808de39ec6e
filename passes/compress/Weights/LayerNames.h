//===- LayerNames.h - layers chosen by their names --------------*- C++ -*-===//
#ifndef TERSE_COMPRESS_LAYERNAMES_H
#define TERSE_COMPRESS_LAYERNAMES_H

#include "mlir/Support/LLVM.h"
#include "llvm/Support/Regex.h"

#include <string>

namespace terse {

/// The options `layers` and `exclude` of passes: regular expressions of the names that are chosen (empty: all), and of those that are not after
/// all (empty: none).
class LayerNames {
public:
  LayerNames(llvm::StringRef layers, llvm::StringRef exclude);

  /// Calls `error` with what was expected if one is no regular expression.
  mlir::LogicalResult check(llvm::function_ref<mlir::LogicalResult(const llvm::Twine &)> error) const;
  bool contains(llvm::StringRef name);
  /// Calls `error` if `layers` matched no name that was asked for.
  mlir::LogicalResult checkUsed(llvm::function_ref<mlir::LogicalResult(const llvm::Twine &)> error) const;

private:
  std::string layers, exclude;
  llvm::Regex included, excluded;
  bool isUsed;
};

} // namespace terse

#endif // TERSE_COMPRESS_LAYERNAMES_H
