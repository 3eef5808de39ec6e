//===- QLinear.cpp - layers in integer arithmetic -------------------------===//
#include "QLinearTile.h"

#include "mlir/AsmParser/AsmParser.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
using namespace terse::linear;
using kernel::MmaInstruction;
using kernel::PackedLayout;

/// Units of a group that are written out.
static constexpr int64_t kUnroll = 8;
/// How far ahead scales are asked for into the first-level cache: with 640 bytes codes of 2 and 3 bits come a tenth slower.
static constexpr int64_t kMostScaleBytes = 512;

std::string linear::join(ArrayRef<std::string> parts) {
  std::string text;
  for (const std::string &part : parts)
    text += (text.empty() ? "" : ", ") + part;
  return text;
}

Names Tile::loop(int64_t count, const Names &inits, StringRef type,
                 llvm::function_ref<Names(StringRef, const Names &)> body) {
  std::string id = index(count);
  Names arguments, starts, results, types(inits.size(), type.str());
  for (size_t i = 0; i < inits.size(); ++i) {
    arguments.push_back(id + "_" + std::to_string(i));
    starts.push_back(arguments.back() + " = " + inits[i]);
    results.push_back(id + "_r#" + std::to_string(i));
  }
  source.add(id + "_r:" + std::to_string(inits.size()) + " = scf.for " + id + "_i = %c0 to " + id + " step %c1 iter_args(" +
             join(starts) + ") -> (" + join(types) + ") {");
  source.add("scf.yield " + join(body(id + "_i", arguments)) + " : " + join(types) + "\n}");
  return results;
}

SmallVector<kernel::TilingAttr::Prefetch, 2> TileWriter::getPrefetches() const {
  return tiling.getPrefetches(rows, static_cast<double>(layout.getUnit()) / 4 / layout.getPlanes());
}

void TileWriter::prefetchScales(StringRef group) {
  for (auto [ahead, locality] : getPrefetches()) {
    int64_t groups = ahead / (layout.getUnits(layout.group) * layout.getUnitBytes());
    if (locality != 2)
      groups = std::min<int64_t>(groups, kMostScaleBytes / (kernel::kPanelColumns * scheme.getScale().getIntOrFloatBitWidth() / 8));
    if (!groups)
      continue;
    for (const std::string &panel : panelNames) {
      std::string later = binary("arith.addi", group, index(groups));
      source.add("memref.prefetch %weight_scales[" + panel + ", " + later + ", %c0], read, locality<" + std::to_string(locality) + ">, data : memref<${P}x${G}x16x${S}>");
    }
  }
}

void TileWriter::prefetch(StringRef byte, int64_t unit) {
  for (auto [ahead, locality] : getPrefetches())
    for (const std::string &panel : panelNames)
      for (int64_t line = 0; line < layout.getPlanes(); ++line) {
        std::string at = binary("arith.addi", byte, index(unit * layout.getUnitBytes() + 64 * line + ahead));
        source.add(("memref.prefetch %w[" + panel + ", " + at + "], read, locality<" + std::to_string(locality) + ">, data : memref<${P}x${PB}xi8>"));
      }
}

Names TileWriter::units(StringRef depth, StringRef byte, int64_t count, Names partial) {
  if (gathers())
    return sparseUnits(depth, byte, count, std::move(partial));
  for (int64_t unit = 0; unit < count; ++unit) {
    std::vector<Names> weights = operands(byte, unit, /*inPlace=*/true);
    prefetch(byte, unit);
    for (auto [s, registersOfStep] : llvm::enumerate(weights)) {
      std::string k = binary("arith.addi", depth, index(unit * layout.getUnit() + 4 * s));
      for (int64_t r = 0; r < rows; ++r) {
        std::string a = source.define("a", "vector.load %a[%row_" + Twine(r) + ", " + k + "] : memref<?x${depth}xi8>, vector<4xi8>");
        for (auto [i, w] : llvm::enumerate(registersOfStep)) {
          std::string &sum = partial[getPlaceOf(s) * numSums() + r * registersOfStep.size() + i];
          sum = multiply(w, a, sum);
        }
      }
    }
  }
  return partial;
}

std::string TileWriter::multiply(StringRef weights, StringRef activations, StringRef sum) {
  return source.define("s", "kernel.mma #kernel." + instruction + " " + weights + ", " + activations + ", " + sum + " : " +
                                weightType + ", vector<4xi8>, " + partialType);
}

std::string TileWriter::widen(StringRef partial, StringRef sum) {
  return source.define("s", "kernel.mma_sum #kernel." + instruction + " " + partial + ", " + sum + " : " + partialType + ", " + sumType);
}

std::string CodeTile::floats(StringRef from, Type element, StringRef group, int64_t panel, int64_t v) {
  std::string type = typeText(element), narrow = "vector<" + lanes + "x" + type + ">";
  std::string value = source.define("q", "vector.load " + from + "[" + Twine(panelNames[panel]) + ", " + group + ", " +
                                             index(v * columns) + "] : memref<${P}x${G}x16x" + type + ">, " + narrow);
  if (!element.isF32())
    value = source.define("q", (isa<FloatType>(element) ? "arith.extf " : "arith.sitofp ") + Twine(value) + " : " + narrow + " to " + floatType);
  return value;
}

std::string CodeTile::scaleByRows(std::string total, int64_t panel) {
  if (!scheme.hasRowScales())
    return total;
  std::string scales = source.define("q", "vector.load %row_scales[" + Twine(panelNames[panel]) + ", %c0] : memref<${P}x16xf32>, vector<16xf32>");
  return binary("arith.mulf", total, scales, "vector<16xf32>");
}

std::string TileWriter::toFloat(StringRef sum) {
  return source.define("f", "arith.sitofp " + Twine(sum) + " : " + sumType + " to " + floatType);
}

std::string CodeTile::zeroPoints(StringRef group, int64_t panel, int64_t v) {
  std::string bytes, type = "vector<" + lanes + "xi8>", place = "%zero_points[" + panelNames[panel] + ", " + group.str() + ", ";
  if (!kernel::hasPairedZeros(scheme)) {
    bytes = source.define("z", "vector.load " + place + index(v * columns) + "] : memref<${P}x${G}x16xi8>, " + type);
  } else {
    // Columns 0-7 lie in the low nibbles, 8-15 in the high ones.
    int64_t width = std::min<int64_t>(columns, 8);
    std::string half = "vector<" + std::to_string(width) + "xi8>";
    std::string pairs = source.define("z", "vector.load " + place + index(v * columns % 8) + "] : memref<${P}x${G}x8xi8>, " + half);
    std::string low = binary("arith.andi", pairs, splat("15", half), half), high = binary("arith.shrui", pairs, splat("4", half), half);
    if (columns == 16)
      bytes = source.define("z", "vector.shuffle " + low + ", " + high + " [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] : " +
                                     half + ", " + half);
    else
      bytes = v * columns < 8 ? low : high;
  }
  return source.define("z", "arith.extui " + Twine(bytes) + " : " + type + " to vector<" + lanes + "xi32>");
}

std::string TileWriter::activationSum(int64_t row, StringRef group) {
  return source.define("t", "memref.load %sums[%row_" + Twine(row) + ", " + group + "] : memref<?x${G}xi32>");
}

/// Sums start at -(zero - offset) * (sum of the group's activations), which is stored where zero is the scheme's; at 0 where
/// zero points are floats.
Names TileWriter::startSums(StringRef group) {
  if (scheme.getZero() == ZeroPoint::Float || (scheme.isSymmetric() && getZeroOperand() == offset))
    return Names(numSums(), splat("0", sumType));
  Names sums;
  std::vector<Names> zeros(panels);
  if (!scheme.isSymmetric())
    for (int64_t p = 0; p < panels; ++p)
      for (int64_t v = 0; v < registers; ++v) // negative: the offset minus the zero point
        zeros[p].push_back(binary("arith.subi", splat(std::to_string(offset), sumType), zeroPoints(group, p, v), sumType));
  for (int64_t r = 0; r < rows; ++r) {
    std::string all = source.define("t", "vector.broadcast " + Twine(activationSum(r, group)) + " : i32 to " + sumType);
    for (int64_t p = 0; p < panels; ++p)
      for (int64_t v = 0; v < registers; ++v)
        sums.push_back(scheme.isSymmetric() ? all : binary("arith.muli", all, zeros[p][v], sumType));
  }
  return sums;
}

Names TileWriter::finishGroup(StringRef group, const Names &sums, Names totals) {
  Names activations;
  if (scheme.getZero() == ZeroPoint::Float)
    for (int64_t r = 0; r < rows; ++r) {
      std::string sum = source.define("t", "arith.sitofp " + Twine(activationSum(r, group)) + " : i32 to f32");
      activations.push_back(source.define("t", "vector.broadcast " + Twine(sum) + " : f32 to " + floatType));
    }
  for (int64_t p = 0; p < panels; ++p)
    for (int64_t v = 0; v < registers; ++v) {
      std::string scale = this->scale(group, p, v), zero;
      if (!activations.empty())
        zero = binary("arith.subf", splat(floatText(offset), floatType), floatZeros(group, p, v), floatType);
      for (int64_t r = 0; r < rows; ++r) {
        int64_t i = (r * panels + p) * registers + v;
        std::string sum = toFloat(sums[i]);
        if (!zero.empty())
          sum = source.multiplyAdd("f", zero, activations[r], sum, floatType);
        totals[i] = source.multiplyAdd("f", scale, sum, totals[i], floatType);
      }
    }
  return totals;
}

Names TileWriter::group(StringRef group, int64_t size, Names totals) {
  int64_t count = layout.getUnits(size);
  int64_t most = gathers() ? info.getMaxSparseSteps() / (layout.getUnit() / 8)
                           : info.getMaxSteps(getMaxOperand()) / (layout.getUnit() / 4);
  bool partial = info.hasPartialSums();
  int64_t each = std::clamp<int64_t>(partial ? most : kUnroll, 1, count), whole = count / each, rest = count % each;
  std::string depth = binary("arith.muli", group, index(layout.getUnits(layout.group) * layout.getUnit()));
  std::string byte = binary("arith.muli", group, index(layout.getUnits(layout.group) * layout.getUnitBytes()));
  prefetchScales(group);
  Names sums = gathers() ? Names(numSums(), splat("0", sumType)) : startSums(group);
  sums.resize(getPlaces().size() * numSums(), splat("0", sumType));

  auto chunk = [&](StringRef depth, StringRef byte, int64_t units, Names sums) {
    if (!partial)
      return this->units(depth, byte, units, std::move(sums));
    Names added = this->units(depth, byte, units, Names(numSums(), splat("0", partialType)));
    for (auto [sum, more] : llvm::zip(sums, added))
      sum = widen(more, sum);
    return sums;
  };
  if (whole)
    sums = loop(whole, sums, sumType, [&](StringRef j, const Names &now) {
      std::string d = binary("arith.addi", depth, binary("arith.muli", j, index(each * layout.getUnit())));
      std::string w = binary("arith.addi", byte, binary("arith.muli", j, index(each * layout.getUnitBytes())));
      return chunk(d, w, each, now);
    });
  if (rest) {
    std::string d = binary("arith.addi", depth, index(whole * each * layout.getUnit()));
    std::string w = binary("arith.addi", byte, index(whole * each * layout.getUnitBytes()));
    sums = chunk(d, w, rest, sums);
  }

  return finishGroup(group, addPlaces(std::move(sums)), std::move(totals));
}

Names CodeTile::addGroups(llvm::function_ref<Names(StringRef, int64_t, Names)> add) {
  Names totals(numSums(), splat("0.0", floatType));
  int64_t last = layout.getNumGroups() - 1, size = layout.getGroupSize(last);
  int64_t looped = last && size == layout.group ? last + 1 : last;
  if (looped)
    totals = loop(looped, totals, floatType, [&](StringRef g, const Names &now) { return add(g, layout.group, now); });
  return looped > last ? totals : add(index(last), size, std::move(totals));
}

void CodeTile::start(int64_t rowCount, int64_t panelCount) {
  rows = rowCount;
  panels = panelCount;
  panelNames.clear();
  for (int64_t p = 0; p < panels; ++p)
    panelNames.push_back(binary("arith.addi", "%panel", index(p)));
}

void TileWriter::write(int64_t rowCount, int64_t panelCount) {
  start(rowCount, panelCount);
  Names totals = addGroups([&](StringRef g, int64_t size, Names now) { return group(g, size, std::move(now)); });

  for (int64_t r = 0; r < rows; ++r)
    for (int64_t p = 0; p < panels; ++p) {
      std::string total = totals[(r * panels + p) * registers];
      if (registers > 1) {
        total = splat("0.0", "vector<16xf32>");
        for (int64_t v = 0; v < registers; ++v)
          total = source.define("x", "vector.insert_strided_slice " + Twine(totals[(r * panels + p) * registers + v]) + ", " + total +
                                         " {offsets = [" + Twine(v * columns) + "], strides = [1]} : " + floatType + " into vector<16xf32>");
      }
      finishTotal(r, p, total);
    }
}

void TileWriter::finishTotal(int64_t r, int64_t p, std::string total) {
  auto ofRow = [&](StringRef from) {
    std::string value = source.define("x", "memref.load " + from + "[%row_" + Twine(r) + "] : memref<?xf32>");
    return source.define("x", "vector.broadcast " + Twine(value) + " : f32 to vector<16xf32>");
  };
  total = scaleByRows(std::move(total), p);
  if (hasZero) { // what the zero point of the input adds to every product
    std::string sums = source.define("x", "vector.load %column_sums[" + Twine(panelNames[p]) + ", %c0] : memref<${P}x16xf32>, vector<16xf32>");
    std::string less = source.define("x", "arith.negf " + Twine(ofRow("%zeros")) + " : vector<16xf32>");
    total = source.multiplyAdd("x", less, sums, total, "vector<16xf32>");
  }
  source.add(("%total_" + Twine(r) + "_" + Twine(p) + " = arith.mulf " + total + ", " + ofRow("%scales") + " : vector<16xf32>").str());
}

std::string linear::getTableText(SchemeAttr scheme) {
  Names bytes;
  for (int8_t level : scheme.getTable())
    bytes.push_back(std::to_string(static_cast<int8_t>(level + 128)));
  return "[" + join(bytes) + "]";
}

std::string linear::getName(const PackedLayout &layout, SchemeAttr scheme, const Epilogue &epilogue) {
  StringRef zero = scheme.isSymmetric() ? "" : scheme.getZero() == ZeroPoint::Float ? "_float" : "_zero";
  return llvm::formatv("n{0}k{1}_w{2}{3}g{4}_{5}{6}{7}{8}{9}{10}", layout.n, layout.k, layout.bits, layout.sparse ? "sparse" : scheme.hasTable() ? "table" : "",
                       layout.group, typeText(scheme.getScale()), zero, epilogue.zero ? "_sums" : "", epilogue.bias ? "_bias" : "",
                       epilogue.residual ? "_residual" : "", epilogue.getSuffix());
}

void linear::addWeightParameters(KernelSource &source, const PackedLayout &layout, SchemeAttr scheme) {
  source.set("G", layout.getNumGroups()).set("S", typeText(scheme.getScale())).set("Z", typeText(scheme.getZeroType()));
  source.add("    %weight_scales: memref<${P}x${G}x16x${S}>,");
  if (scheme.hasRowScales())
    source.add("    %row_scales: memref<${P}x16xf32>,");
  if (!scheme.isSymmetric())
    source.add(kernel::hasPairedZeros(scheme) ? "    %zero_points: memref<${P}x${G}x8xi8>," : "    %zero_points: memref<${P}x${G}x16x${Z}>,");
}

static MmaInstruction findInstruction(MLIRContext *context, StringRef name) {
  auto info = dyn_cast_or_null<MmaInstruction>(parseAttribute(("#kernel." + name).str(), context));
  assert(info && "a level names an instruction");
  return info;
}

static StringRef getInstruction(const Level &level, const PackedLayout &layout, SchemeAttr scheme, bool anyCode) {
  return layout.bits < 8 && !scheme.hasTable() ? level.narrow : anyCode ? level.wideFull : level.wide;
}

int64_t linear::getSumFactor(MLIRContext *context, const Level &level, const PackedLayout &layout, SchemeAttr scheme, bool anyCode) {
  if (!scheme.isSymmetric())
    return 1;
  MmaInstruction info = findInstruction(context, getInstruction(level, layout, scheme, anyCode));
  return getOffset(info, layout, scheme) - getZeroOperand(layout, scheme);
}

func::FuncOp linear::getQLinearKernel(ModuleOp module, const Level &level, kernel::TilingAttr tiling, const PackedLayout &layout,
                                      SchemeAttr scheme, const Epilogue &epilogue, bool anyCode) {
  StringRef instruction = getInstruction(level, layout, scheme, anyCode);
  MmaInstruction info = findInstruction(module.getContext(), instruction);
  std::string name = "qlinear_" + getName(layout, scheme, epilogue) +
                     (instruction == level.wideFull && instruction != level.wide ? "_any" : "") + getTilingName(tiling);
  if (isUnpacked(tiling, layout))
    name += llvm::formatv("_{0}x{1}from{2}", tiling.getUnpackedRows(), tiling.getUnpackedPanels(), tiling.getUnpackedFrom());
  KernelSource source;
  source.set("name", name).set("N", layout.n).set("P", kernel::getNumPanels(layout.n)).set("PB", layout.getPanelBytes());
  source.set("G", layout.getNumGroups()).set("depth", layout.getPaddedDepth());
  setStreamed(source, epilogue);
  source.add(R"(func.func @$name(%a: memref<?x${depth}xi8>, %sums: memref<?x${G}xi32>, %scales: memref<?xf32>,
    %w: memref<${P}x${PB}xi8>${streamed},)");
  addWeightParameters(source, layout, scheme);
  addEpilogue(source, epilogue);
  addOutputs(source, epilogue);
  source.add(R"(  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %sixteen = arith.constant 16 : index
  %rows = memref.dim %a, %c0 : memref<?x${depth}xi8>)");
  TileWriter tile(source, layout, scheme, instruction, info, epilogue.zero, tiling);
  auto writeBlocks = [&] {
    BlockWriter(source, tiling, layout.n, epilogue.tickets).write([&](int64_t rows, int64_t panels) {
      tile.write(rows, panels);
      writeResults(source, layout.n, rows, panels, epilogue);
    });
  };
  if (isUnpacked(tiling, layout)) {
    std::optional<TileWriter> biased;
    if (isBiased(level, tiling, layout, scheme))
      biased.emplace(source, layout, scheme, level.biased, findInstruction(module.getContext(), level.biased), epilogue.zero, tiling);
    UnpackedWriter unpacked(biased ? *biased : tile, tiling, epilogue);
    source.set("fewest", tiling.getUnpackedFrom());
    unpacked.allocate();
    source.add(R"(  %fewest_rows = arith.constant $fewest : index
  %are_few = arith.cmpi ult, %rows, %fewest_rows : index
  scf.if %are_few {)");
    writeBlocks();
    source.add("  } else {");
    unpacked.write();
    source.add("  }");
  } else {
    writeBlocks();
  }
  source.add("  return\n}");
  return getOrAddKernel(module, name, source);
}
