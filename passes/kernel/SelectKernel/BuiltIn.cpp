//===- BuiltIn.cpp - tilings without measurements -------------------------===//
#include "Tilings.h"

using namespace terse;
using namespace terse::select_kernel;

namespace {
struct Level {
  llvm::StringLiteral name;
  Numbers codes, sparse, floats;
};
} // namespace

/// One row of float weights goes over several panels, so that additions need not wait for each other.
/// A level that unpacks no faster than it multiplies (baseline), or among products that wait for each other (avx512vnni), gains nothing by it;
/// 2:4 codes are spread out by it.
static const Level levels[] = {
    {"baseline", {2, 1536, 2, 1, 2, 1, 2, 1, 0, 1536}, {2, 1536, 2, 1, 2, 1, 2, 1, 0, 1536}, {4, 0, 2, 1, 2, 1, 2, 1, 0, 0}},
    {"avx2", {1, 1536, 4, 1, 4, 1, 2, 2, 24, 1536}, {1, 1536, 4, 1, 4, 1, 2, 2, 24, 1536}, {4, 0, 4, 1, 4, 1, 2, 2, 24, 0}},
    {"avx512vnni", {1, 4096, 4, 1, 8, 1, 6, 2, 0, 4096}, {1, 4096, 4, 1, 8, 1, 6, 2, 24, 4096}, {4, 0, 4, 4, 8, 3, 6, 2, 24, 0}},
};

std::optional<Numbers> select_kernel::findBuiltIn(llvm::StringRef level, llvm::StringRef format) {
  bool floats = format == "f32" || format == "f16" || format == "bf16";
  for (const Level &each : levels)
    if (each.name == level)
      return floats ? each.floats : format.contains("2:4") ? each.sparse : each.codes;
  return std::nullopt;
}

kernel::TilingAttr select_kernel::makeTiling(const Numbers &numbers, mlir::MLIRContext *context, EmitError emitError) {
  return std::apply([&](auto... each) { return kernel::TilingAttr::getChecked(emitError, context, each...); }, numbers);
}
