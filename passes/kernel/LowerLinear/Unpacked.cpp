//===- Unpacked.cpp - many rows meet weights that are unpacked once -------===//
#include "QLinearTile.h"

using namespace mlir;
using namespace terse;
using namespace terse::linear;

/// Weights that are unpacked together, if a group is no more: half of a first-level cache.
static constexpr int64_t kBlockBytes = 16 << 10;
/// Weights of a group may take this much, part of a second-level cache.
static constexpr int64_t kMostBytes = 256 << 10;
/// Rows that meet all weights of a thread before others do: as many as lie in a second-level cache, which unpacking for them must be worth.
static constexpr int64_t kChunkBytes = 384 << 10, kFewestChunkRows = 128, kMostChunkRows = 256;
/// Steps of the product's loop that are written out.
static constexpr int64_t kUnroll = 8;

static int64_t chunkRows(kernel::TilingAttr tiling, const PackedLayout &layout) {
  int64_t rows = std::clamp(kChunkBytes / layout.getPaddedDepth(), kFewestChunkRows, kMostChunkRows);
  return llvm::alignTo(rows, tiling.getUnpackedRows());
}

int64_t UnpackedWriter::groupsPerBlock() const {
  int64_t groupBytes = layout.getUnits(layout.group) * layout.getUnit() * tiling.getUnpackedPanels() * kernel::kPanelColumns;
  return std::max<int64_t>(1, kBlockBytes / groupBytes);
}

bool linear::isUnpacked(kernel::TilingAttr tiling, const PackedLayout &layout) {
  // Bytes are operands as they lie.
  if (layout.bits == 8 || !tiling.getUnpackedFrom())
    return false;
  int64_t depth = layout.getUnits(layout.group) * layout.getUnit();
  return depth * tiling.getUnpackedPanels() * kernel::kPanelColumns <= kMostBytes;
}

bool linear::isBiased(const Level &level, kernel::TilingAttr tiling, const PackedLayout &layout, SchemeAttr scheme) {
  return !level.biased.empty() && isUnpacked(tiling, layout) && !scheme.hasTable();
}

void UnpackedWriter::allocate() {
  int64_t depth = groupsPerBlock() * layout.getUnits(layout.group) * layout.getUnit();
  source.set("operandBytes", depth * tiling.getUnpackedPanels() * kernel::kPanelColumns);
  source.set("chunk", chunkRows(tiling, layout)).set("width", tiling.getUnpackedPanels() * kernel::kPanelColumns).set("groups", groupsPerBlock());
  source.add(R"(  %operands = memref.alloca() {alignment = 64 : i64} : memref<${operandBytes}xi8>
  %collected = memref.alloca() {alignment = 64 : i64} : memref<${chunk}x${width}xf32>)");
  if (isBiased())
    source.add("  %biases = memref.alloca() {alignment = 64 : i64} : memref<${groups}x${width}xi32>");
}

std::vector<Names> UnpackedWriter::unpackUnit(StringRef byte, StringRef to) {
  std::vector<Names> operands = tile.operands(byte, 0);
  for (size_t s = 0; s < operands.size(); ++s)
    for (size_t i = 0; i < operands[s].size(); ++i) {
      std::string at = tile.binary("arith.addi", to, tile.index(s * tile.panels * 64 + i * 4 * tile.columns));
      source.add("vector.store " + operands[s][i] + ", %operands[" + at + "] : memref<${operandBytes}xi8>, " + tile.weightType);
    }
  return operands;
}

void UnpackedWriter::unpack(StringRef firstGroup, int64_t groups, int64_t units) {
  std::string unitBytes = tile.index(layout.getUnitBytes()), operandBytes = tile.index(layout.getUnit() * tile.panels * 16);
  std::string groupUnits = tile.index(layout.getUnits(layout.group)), count = tile.index(units), ones;
  if (isBiased())
    ones = tile.splat("1", "vector<4xi8>");
  std::string g = tile.index(groups) + "_g";
  source.add("scf.for " + g + " = %c0 to " + tile.index(groups) + " step %c1 {");
  std::string group = tile.binary("arith.addi", firstGroup, g);
  std::string first = tile.binary("arith.muli", group, groupUnits), firstTo = tile.binary("arith.muli", g, count);
  auto unit = [&](StringRef u) {
    std::string byte = tile.binary("arith.muli", tile.binary("arith.addi", first, u), unitBytes);
    return unpackUnit(byte, tile.binary("arith.muli", tile.binary("arith.addi", firstTo, u), operandBytes));
  };
  if (isBiased()) {
    Names none(tile.panels * tile.registers, tile.splat("0", tile.sumType));
    std::string zero = tile.splat("0", tile.partialType);
    Names sums = tile.loop(units, none, tile.sumType, [&](StringRef u, Names sums) {
      for (const Names &step : unit(u))
        for (auto [sum, operand] : llvm::zip(sums, step))
          sum = tile.widen(tile.multiply(operand, ones, zero), sum);
      return sums;
    });
    for (auto [i, sum] : llvm::enumerate(sums)) {
      std::string bias = tile.binary("arith.shli", sum, tile.splat("7", tile.sumType), tile.sumType);
      source.add("vector.store " + bias + ", " + biasOf(g, i));
    }
  } else {
    std::string u = count + "_u";
    source.add("scf.for " + u + " = %c0 to " + count + " step %c1 {");
    unit(u);
    source.add("}");
  }
  source.add("}");
}

std::string UnpackedWriter::biasOf(StringRef groupOfBlock, int64_t i) {
  return ("%biases[" + groupOfBlock + ", " + tile.index(i * tile.columns) + "] : memref<${groups}x${width}xi32>, " + tile.sumType).str();
}

void UnpackedWriter::takeBias(StringRef groupOfBlock, Names &sums) {
  Names biases;
  for (int64_t i = 0; i < tile.panels * tile.registers; ++i)
    biases.push_back(source.define("s", "vector.load " + Twine(biasOf(groupOfBlock, i))));
  for (size_t i = 0; i < sums.size(); ++i)
    sums[i] = tile.binary("arith.subi", sums[i], biases[i % biases.size()], tile.sumType);
}

Names UnpackedWriter::products(StringRef group, StringRef groupOfBlock, StringRef firstStep, int64_t steps, Names totals) {
  size_t numSums = tile.numSums(), numRegisters = tile.panels * tile.registers;
  bool partial = tile.info.hasPartialSums();
  // Steps of an iteration: a divisor of all, within what partial sums hold.
  int64_t each = std::min(kUnroll, tile.info.getMaxSteps(tile.getMaxOperand()));
  while (steps % each)
    --each;
  Names sums = tile.loop(steps / each, tile.startSums(group), tile.sumType, [&](StringRef j, const Names &now) {
    std::string begin = tile.binary("arith.muli", j, tile.index(each));
    std::string depth = tile.binary(
        "arith.addi", tile.binary("arith.muli", group, tile.index(layout.getUnits(layout.group) * layout.getUnit())),
        tile.binary("arith.muli", begin, tile.index(4)));
    std::string from = tile.binary("arith.muli", tile.binary("arith.addi", firstStep, begin), tile.index(tile.panels * 64));
    Names added = partial ? Names(numSums, tile.splat("0", tile.partialType)) : now;
    for (int64_t s = 0; s < each; ++s) {
      Names weights;
      for (size_t i = 0; i < numRegisters; ++i) {
        std::string at = tile.binary("arith.addi", from, tile.index(s * tile.panels * 64 + i * 4 * tile.columns));
        weights.push_back(source.define("w", "vector.load %operands[" + Twine(at) + "] : memref<${operandBytes}xi8>, " + tile.weightType));
      }
      std::string k = tile.binary("arith.addi", depth, tile.index(4 * s));
      for (int64_t r = 0; r < tile.rows; ++r) {
        std::string a = source.define("a", "vector.load %a[%row_" + Twine(r) + ", " + k + "] : memref<?x${depth}xi8>, vector<4xi8>");
        for (size_t i = 0; i < numRegisters; ++i)
          added[r * numRegisters + i] = tile.multiply(weights[i], a, added[r * numRegisters + i]);
      }
    }
    if (partial)
      for (size_t i = 0; i < numSums; ++i)
        added[i] = tile.widen(added[i], now[i]);
    return added;
  });
  if (isBiased())
    takeBias(groupOfBlock, sums);
  return tile.finishGroup(group, sums, std::move(totals));
}

void UnpackedWriter::block(StringRef firstGroup, int64_t groups, int64_t size) {
  unpack(firstGroup, groups, layout.getUnits(size));
  source.set("rowsPerBlock", tile.rows);
  source.add(R"(      %rows_each = arith.constant $rowsPerBlock : index
      scf.for %slot_0 = %c0 to %rows_here step %rows_each {)");
  for (int64_t r = 0; r < tile.rows; ++r) {
    source.set("r", r);
    source.add("        %ahead_$r = arith.constant $r : index");
    if (r)
      source.add("        %slot_$r = arith.addi %slot_0, %ahead_$r : index");
    source.add(R"(        %wanted_$r = arith.addi %first_row, %slot_$r : index
        %row_$r = arith.minui %wanted_$r, %final_row : index)");
  }
  size_t numSums = tile.numSums(), numRegisters = tile.panels * tile.registers;
  Names places, totals;
  for (size_t i = 0; i < numSums; ++i) {
    places.push_back("%collected[%slot_" + std::to_string(i / numRegisters) + ", " +
                     tile.index(i % numRegisters * tile.columns) + "] : memref<${chunk}x${width}xf32>, " + tile.floatType);
    totals.push_back(source.define("f", "vector.load " + Twine(places.back())));
  }
  totals = tile.loop(groups, totals, tile.floatType, [&](StringRef g, const Names &now) {
    std::string step = tile.binary("arith.muli", g, tile.index(stepsPerGroup(size)));
    return products(tile.binary("arith.addi", firstGroup, g), g, step, stepsPerGroup(size), now);
  });
  for (size_t i = 0; i < numSums; ++i)
    source.add("vector.store " + totals[i] + ", " + places[i]);
  source.add("      }");
}

void UnpackedWriter::finish() {
  source.add(R"(      scf.for %slot = %c0 to %chunk_rows step %c1 {
        %row_0 = arith.addi %first_row, %slot : index)");
  for (int64_t p = 0; p < tile.panels; ++p) {
    source.set("p", p).set("column", p * kernel::kPanelColumns);
    source.add(R"(        %at_$p = arith.constant $column : index
        %unscaled_$p = vector.load %collected[%slot, %at_$p] : memref<${chunk}x${width}xf32>, vector<16xf32>)");
    tile.finishTotal(0, p, "%unscaled_" + std::to_string(p));
  }
  writeResults(source, layout.n, 1, tile.panels, epilogue);
  source.add("      }");
}

void UnpackedWriter::write() {
  int64_t panels = std::min(tiling.getUnpackedPanels(), kernel::getNumPanels(layout.n));
  BlockWriter blocks(source, tiling, layout.n, /*tickets=*/false);
  source.add("  %final_row = arith.subi %rows, %c1 : index");
  source.set("rowsPerBlock", tiling.getUnpackedRows());
  source.add(R"(    %chunk_size = arith.constant $chunk : index
    %tile_rows = arith.constant $rowsPerBlock : index
    %no_total = arith.constant dense<0.0> : vector<16xf32>
    scf.for %first_row = %c0 to %rows step %chunk_size {
    %rows_left = arith.subi %rows, %first_row : index
    %chunk_rows = arith.minui %rows_left, %chunk_size : index
    %tiles = arith.ceildivui %chunk_rows, %tile_rows : index
    %rows_here = arith.muli %tiles, %tile_rows : index)");
  blocks.writePanels(panels, [&](int64_t count) {
    tile.start(tiling.getUnpackedRows(), count);
    source.set("columnsHere", count * kernel::kPanelColumns);
    source.add(R"(      %columns_here = arith.constant $columnsHere : index
      scf.for %slot = %c0 to %rows_here step %c1 {
        scf.for %at = %c0 to %columns_here step %sixteen {
          vector.store %no_total, %collected[%slot, %at] : memref<${chunk}x${width}xf32>, vector<16xf32>
        }
      })");
    int64_t last = layout.getNumGroups() - 1;
    int64_t whole = layout.getGroupSize(last) == layout.group ? last + 1 : last, each = groupsPerBlock();
    if (whole >= each) {
      std::string end = tile.index(whole / each * each), size = tile.index(each);
      source.add("scf.for " + end + "_b = %c0 to " + end + " step " + size + " {");
      block(end + "_b", each, layout.group);
      source.add("}");
    }
    auto alone = [&](int64_t first, int64_t groups, int64_t size) {
      source.add("scf.execute_region {");
      block(tile.index(first), groups, size);
      source.add("scf.yield\n}");
    };
    if (whole % each)
      alone(whole / each * each, whole % each, layout.group);
    if (whole == last)
      alone(last, 1, layout.getGroupSize(last));
    finish();
  });
  source.add("    }");
}
