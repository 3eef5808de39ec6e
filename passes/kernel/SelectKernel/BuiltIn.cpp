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

const Numbers *select_kernel::findBuiltIn(llvm::StringRef level) {
  for (const auto &[name, numbers] : builtIn)
    if (name == level)
      return &numbers;
  return nullptr;
}

kernel::TilingAttr select_kernel::makeTiling(const Numbers &numbers, mlir::MLIRContext *context, EmitError emitError) {
  auto [one, fewRows, fewPanels, manyRows, manyPanels, unpackedRows, unpackedPanels, unpackedFrom, prefetch] = numbers;
  return kernel::TilingAttr::getChecked(emitError, context, one, fewRows, fewPanels, manyRows, manyPanels, unpackedRows, unpackedPanels, unpackedFrom,
                                        prefetch);
}
