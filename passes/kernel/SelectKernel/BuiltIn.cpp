//===- BuiltIn.cpp - tilings without measurements -------------------------===//
#include "Tilings.h"
#include "terse/Support/CPULevel.h"

using namespace terse;
using namespace terse::select_kernel;

namespace {
struct Level {
  llvm::StringLiteral name;
  Numbers codes, floats;
  int64_t weightOnlyRows; ///< `many_rows` of codes that meet floats
  int64_t sparseUnpackedFrom;
};
} // namespace

/// Measured: README.md of the stage. One row of float weights goes over several panels, so that additions need not wait for each other.
static const Level levels[] = {
    {"baseline", {2, 1536, 2, 1, 2, 1, 2, 1, 0, 1536, 0}, {4, 0, 2, 1, 2, 1, 2, 1, 0, 0, 0}, 2, 0},
    {"avx2", {1, 1536, 4, 1, 4, 1, 2, 2, 24, 1536, 0}, {4, 0, 4, 1, 4, 1, 2, 2, 24, 0, 0}, 4, 24},
    {"avx512vnni", {1, 5120, 8, 1, 12, 1, 6, 2, 0, 4096, 16384}, {4, 0, 4, 4, 8, 3, 6, 2, 24, 0, 0}, 8, 24},
    {"avx512bf16", {}, {1, 4096, 8, 1, 8, 3, 6, 2, 24, 4096, 16384}, 0, 0}, // for bf16 alone
};
static constexpr size_t kManyRows = 4, kUnpackedFrom = 8;

std::optional<Numbers> select_kernel::findBuiltIn(llvm::StringRef level, llvm::StringRef format) {
  const CPULevel *target = findCPULevel(level);
  if (!target)
    return std::nullopt;
  for (const Level &each : levels) {
    if (each.name != getKernelLevel(*target, format).name)
      continue;
    if (format == "f32" || format == "f16" || format == "bf16")
      return each.floats;
    Numbers numbers = each.codes;
    if (format.ends_with("-float"))
      numbers[kManyRows] = each.weightOnlyRows;
    if (format.contains("2:4"))
      numbers[kUnpackedFrom] = each.sparseUnpackedFrom;
    return numbers;
  }
  return std::nullopt;
}

kernel::TilingAttr select_kernel::makeTiling(const Numbers &numbers, mlir::MLIRContext *context, EmitError emitError) {
  return std::apply([&](auto... each) { return kernel::TilingAttr::getChecked(emitError, context, each...); }, numbers);
}
