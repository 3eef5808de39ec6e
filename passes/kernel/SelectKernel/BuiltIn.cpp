//===- BuiltIn.cpp - tilings without measurements -------------------------===//
#include "Tilings.h"

using namespace terse;
using namespace terse::select_kernel;

/// A level that unpacks no faster than it multiplies (baseline) gains nothing by it.
static const std::pair<llvm::StringLiteral, Numbers> builtIn[] = {
    {"baseline", {2, 2, 1, 2, 1, 2, 1, 0, 1536}},
    {"avx2", {1, 2, 1, 4, 1, 2, 2, 24, 1536}},
    {"avx512vnni", {4, 4, 4, 8, 2, 6, 2, 24, 1536}},
};

/// Panels that one row of float weights goes over, so that additions need not wait for each other.
static constexpr int64_t kFloatPanels = 4;

std::optional<Numbers> select_kernel::findBuiltIn(llvm::StringRef level, llvm::StringRef format) {
  for (const auto &[name, numbers] : builtIn)
    if (name == level) {
      Numbers found = numbers;
      if (format == "f32" || format == "f16" || format == "bf16")
        found[0] = std::max(found[0], kFloatPanels);
      return found;
    }
  return std::nullopt;
}

kernel::TilingAttr select_kernel::makeTiling(const Numbers &numbers, mlir::MLIRContext *context, EmitError emitError) {
  auto [one, fewRows, fewPanels, manyRows, manyPanels, unpackedRows, unpackedPanels, unpackedFrom, prefetch] = numbers;
  return kernel::TilingAttr::getChecked(emitError, context, one, fewRows, fewPanels, manyRows, manyPanels, unpackedRows, unpackedPanels, unpackedFrom,
                                        prefetch);
}
