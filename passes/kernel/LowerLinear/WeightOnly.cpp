//===- WeightOnly.cpp - weights in codes meet float activations -----------===//
#include "QLinearTile.h"

#include "mlir/AsmParser/AsmParser.h"

using namespace mlir;
using namespace terse;
using namespace terse::linear;

namespace {
/// Codes become floats in registers: a word of a plane holds one byte of each of four k of a column.
struct FloatTile : CodeTile {
  FloatTile(KernelSource &source, const PackedLayout &layout, SchemeAttr scheme, StringRef instruction, int64_t registerBytes)
      : CodeTile(source, layout, scheme, kernel::kPanelColumns), instruction(instruction), registerBytes(registerBytes) {}

  /// The planes of a unit from `byte` on as words; of a scheme with a table one for each step, of what the table makes of its codes.
  Names loadWords(StringRef byte, int64_t panel);
  /// The code at depth 4 * step + i of a unit, in each column.
  std::string code(const Names &planes, int64_t step, int64_t i);
  /// `sums` with the products of the first `depth` k of the unit at `byte`, whose input begins at column `k`.
  Names unit(StringRef byte, StringRef k, int64_t depth, const Names &zeros, Names sums);
  Names group(StringRef group, int64_t size, Names totals);
  void write(int64_t rows, int64_t panels);

  StringRef instruction; ///< that looks up codes, so many at once
  int64_t registerBytes;
};
} // namespace

std::string FloatTile::code(const Names &planes, int64_t step, int64_t i) {
  std::string type = "vector<16xi32>";
  if (scheme.hasTable())
    return field(planes[step], 8 * i, 0, 8, type, 32);
  std::string code;
  for (auto [plane, at, to, bits] : layout.getFields(step)) {
    std::string part = field(planes[plane], 8 * i + at, to, bits, type, 32);
    code = code.empty() ? part : binary("arith.ori", code, part, type);
  }
  return code;
}

Names FloatTile::loadWords(StringRef byte, int64_t panel) {
  Names words;
  auto add = [&](StringRef bytes) {
    words.push_back(source.define("w", "vector.bitcast " + bytes + " : vector<64xi8> to vector<16xi32>"));
  };
  for (int64_t plane = 0; plane < layout.getPlanes(); ++plane) {
    std::string at = binary("arith.addi", byte, index(64 * plane));
    std::string bytes = source.define("w", "vector.load %w[" + Twine(panelNames[panel]) + ", " + at + "] : memref<${P}x${PB}xi8>, vector<64xi8>");
    if (!scheme.hasTable()) {
      add(bytes);
      continue;
    }
    std::string type = "vector<" + std::to_string(registerBytes) + "xi8>", all = "vector<64xi8>";
    for (const std::string &codes :
         {binary("arith.andi", bytes, splat("15", all), all), binary("arith.shrui", bytes, splat("4", all), all)}) {
      std::string values = splat("0", all);
      for (int64_t from = 0; from < 64; from += registerBytes) {
        std::string offset = std::to_string(from);
        std::string part = source.define("w", "vector.extract_strided_slice " + codes + " {offsets = [" + offset + "], sizes = [" +
                                                  Twine(registerBytes) + "], strides = [1]} : " + all + " to " + type);
        values = source.define("w", "vector.insert_strided_slice " + Twine(lookUp(instruction, part, type)) + ", " + values +
                                        " {offsets = [" + offset + "], strides = [1]} : " + type + " into " + all);
      }
      add(values);
    }
  }
  return words;
}

Names FloatTile::unit(StringRef byte, StringRef k, int64_t depth, const Names &zeros, Names sums) {
  std::vector<Names> words(panels);
  for (int64_t p = 0; p < panels; ++p)
    words[p] = loadWords(byte, p);
  for (int64_t j = 0; j < depth; ++j) {
    Names weights;
    for (int64_t p = 0; p < panels; ++p) {
      std::string value = code(words[p], j / 4, j % 4);
      if (scheme.getZero() != ZeroPoint::Float)
        value = binary("arith.subi", value, zeros[p], "vector<16xi32>");
      value = source.define("w", "arith.sitofp " + Twine(value) + " : vector<16xi32> to vector<16xf32>");
      if (scheme.getZero() == ZeroPoint::Float)
        value = binary("arith.subf", value, zeros[p], floatType);
      weights.push_back(value);
    }
    std::string at = binary("arith.addi", k, index(j));
    for (int64_t r = 0; r < rows; ++r) {
      std::string x = source.define("x", "memref.load %input[%row_" + Twine(r) + ", " + at + "] : memref<?x${K}xf32>");
      x = source.define("x", "vector.broadcast " + Twine(x) + " : f32 to vector<16xf32>");
      for (int64_t p = 0; p < panels; ++p)
        sums[r * panels + p] = source.multiplyAdd("s", x, weights[p], sums[r * panels + p], floatType);
    }
  }
  return sums;
}

Names FloatTile::group(StringRef group, int64_t size, Names totals) {
  Names zeros;
  for (int64_t p = 0; p < panels; ++p)
    zeros.push_back(scheme.isSymmetric() ? splat(scheme.hasTable() ? "128" : std::to_string(1 << (layout.bits - 1)), "vector<16xi32>")
                    : scheme.getZero() == ZeroPoint::Float ? floatZeros(group, p, 0)
                                                           : zeroPoints(group, p, 0));
  std::string first = binary("arith.muli", group, index(layout.group));
  std::string byte = binary("arith.muli", group, index(layout.getUnits(layout.group) * layout.getUnitBytes()));
  int64_t whole = size / layout.getUnit(), rest = size % layout.getUnit();
  Names sums(numSums(), splat("0.0", floatType));
  auto at = [&](StringRef from, StringRef j, int64_t step) { return binary("arith.addi", from, binary("arith.muli", j, index(step))); };
  if (whole)
    sums = loop(whole, sums, floatType, [&](StringRef j, const Names &now) {
      return unit(at(byte, j, layout.getUnitBytes()), at(first, j, layout.getUnit()), layout.getUnit(), zeros, now);
    });
  if (rest) {
    std::string j = index(whole);
    sums = unit(at(byte, j, layout.getUnitBytes()), at(first, j, layout.getUnit()), rest, zeros, sums);
  }
  for (int64_t p = 0; p < panels; ++p) {
    std::string scale = this->scale(group, p, 0);
    for (int64_t r = 0; r < rows; ++r)
      totals[r * panels + p] = source.multiplyAdd("t", scale, sums[r * panels + p], totals[r * panels + p], floatType);
  }
  return totals;
}

void FloatTile::write(int64_t rowCount, int64_t panelCount) {
  start(rowCount, panelCount);
  std::string none = splat("0.0", floatType);
  Names totals = addGroups([&](StringRef g, int64_t size, Names now) { return group(g, size, std::move(now)); });
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t p = 0; p < panels; ++p)
      source.add(("%total_" + Twine(r) + "_" + Twine(p) + " = arith.addf " + scaleByRows(totals[r * panels + p], p) + ", " + none + " : " + floatType).str());
}

func::FuncOp linear::getWeightOnlyKernel(ModuleOp module, const Level &level, kernel::TilingAttr tiling, const PackedLayout &layout,
                                         SchemeAttr scheme, const Epilogue &epilogue) {
  std::string name = "weight_only_" + getName(layout, scheme, epilogue) + getTilingName(tiling);
  KernelSource source;
  source.set("name", name).set("N", layout.n).set("K", layout.k).set("P", kernel::getNumPanels(layout.n));
  source.set("PB", layout.getPanelBytes());
  setStreamed(source, epilogue);
  source.add("func.func @$name(%input: memref<?x${K}xf32>, %w: memref<${P}x${PB}xi8>${streamed},");
  addWeightParameters(source, layout, scheme);
  addEpilogue(source, epilogue);
  addOutputs(source, epilogue);
  source.add(R"(  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %sixteen = arith.constant 16 : index
  %rows = memref.dim %input, %c0 : memref<?x${K}xf32>)");
  auto info = cast<kernel::MmaInstruction>(parseAttribute(("#kernel." + level.wide).str(), module.getContext()));
  FloatTile tile(source, layout, scheme, level.wide, info.getWeightsType().getNumElements());
  BlockWriter(source, tiling, layout.n, epilogue.tickets).write([&](int64_t rows, int64_t panels) {
    tile.write(rows, panels);
    writeResults(source, layout.n, rows, panels, epilogue);
  });
  source.add("  return\n}");
  return getOrAddKernel(module, name, source);
}
