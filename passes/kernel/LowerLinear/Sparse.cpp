//===- Sparse.cpp - two weights of four -----------------------------------===//
#include "QLinearTile.h"

using namespace mlir;
using namespace terse;
using namespace terse::linear;

/// A vector constant that repeats `values` in each column.
static std::string constantOfColumns(ArrayRef<int64_t> values, int64_t columns) {
  Names parts;
  for (int64_t column = 0; column < columns; ++column)
    for (int64_t value : values)
      parts.push_back(std::to_string(value));
  return "[" + join(parts) + "]";
}

std::pair<std::string, std::string> TileWriter::sparseCodes(const Names &planes, int64_t step) {
  std::string values = step % 2 ? binary("arith.shrui", planes[step / 2], splat("4", weightType), weightType)
                                : bits(planes[step / 2], 0, 4);
  std::string second = splat(constantOfColumns({0, 0, 4, 4}, columns), weightType);
  return {values, binary("arith.ori", bits(planes[2], 2 * step, 2), second, weightType)};
}

Names TileWriter::sparseUnits(StringRef depth, StringRef byte, int64_t count, Names partial) {
  size_t numRegisters = panels * registers;
  for (int64_t unit = 0; unit < count; ++unit) {
    std::vector<Names> planes = loadPlanes(byte, unit);
    prefetch(byte, unit);
    for (int64_t step = 0; step < layout.getUnit() / 8; ++step) {
      std::string k = binary("arith.addi", depth, index(unit * layout.getUnit() + 8 * step));
      std::vector<std::pair<std::string, std::string>> codes;
      for (const Names &plane : planes)
        codes.push_back(sparseCodes(plane, step));
      for (int64_t r = 0; r < rows; ++r) {
        std::string a = source.define("a", "vector.load %a[%row_" + Twine(r) + ", " + k + "] : memref<?x${depth}xi8>, vector<8xi8>");
        for (auto [i, code] : llvm::enumerate(codes)) {
          std::string &sum = partial[r * numRegisters + i];
          sum = source.define("s", "kernel.mma_sparse #kernel." + instruction + " " + code.first + ", " + code.second + ", " + a + ", " +
                                       sum + " : " + weightType + ", vector<8xi8>, " + partialType);
        }
      }
    }
  }
  return partial;
}

/// Each of a column's four bytes is the first value where the first place is its own, else the second where that is, else 8.
std::string TileWriter::spread(const Names &planes, int64_t step) {
  auto [values, places] = sparseCodes(planes, step / 2);
  int64_t first = 2 * (step % 2), base = 4 * (step % 2);
  std::string maskType = "vector<" + std::to_string(4 * columns) + "xi1>";
  std::string own = splat(constantOfColumns({base, base + 1, base + 2, base + 3}, columns), weightType);
  std::string result = splat("8", weightType);
  for (int64_t i : {first + 1, first}) {
    Names lanes;
    for (int64_t lane = 0; lane < 4 * columns; ++lane)
      lanes.push_back(std::to_string(lane / 4 * 4 + i));
    auto repeat = [&](StringRef from) {
      return source.define("r", "vector.shuffle " + from + ", " + from + " [" + join(lanes) + "] : " + weightType + ", " + weightType);
    };
    std::string is = source.define("m", "arith.cmpi eq, " + Twine(repeat(places)) + ", " + own + " : " + weightType);
    result = source.define("w", "arith.select " + Twine(is) + ", " + repeat(values) + ", " + result + " : " + maskType + ", " + weightType);
  }
  return result;
}
