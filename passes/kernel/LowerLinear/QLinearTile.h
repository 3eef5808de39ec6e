//===- QLinearTile.h - blocks of a quantized layer's results ----*- C++ -*-===//
#ifndef TERSE_LOWERLINEAR_QLINEARTILE_H
#define TERSE_LOWERLINEAR_QLINEARTILE_H

#include "Kernels.h"

namespace terse::linear {

using mlir::Twine;
using llvm::StringRef;
using kernel::MmaInstruction;
using kernel::PackedLayout;
using Names = std::vector<std::string>;

/// The parts with commas between them.
std::string join(llvm::ArrayRef<std::string> parts);
/// The table of a scheme, of which values are 128 more, as unsigned bytes are for instructions: "[1, 40, ..]".
std::string getTableText(SchemeAttr scheme);
/// What tells kernels of layers with weights in codes apart.
std::string getName(const PackedLayout &layout, SchemeAttr scheme, const Epilogue &epilogue);
/// The parameters of the weights' scales and zero points.
void addWeightParameters(KernelSource &source, const PackedLayout &layout, SchemeAttr scheme);

/// The unsigned operand that is 0, where the scheme is symmetric.
inline int64_t getZeroOperand(const PackedLayout &layout, SchemeAttr scheme) {
  return scheme.hasTable() ? 128 : int64_t(1) << (layout.bits - 1);
}
/// What an instruction's products have less than unsigned operands say.
inline int64_t getOffset(MmaInstruction info, const PackedLayout &layout, SchemeAttr scheme) {
  return info.hasSignedWeights() ? getZeroOperand(layout, scheme) : info.getWeightOffset();
}

/// What blocks of results are written with.
class Tile {
public:
  explicit Tile(KernelSource &source) : source(source) {}

  std::string index(int64_t value) { return source.define("c", "arith.constant " + Twine(value) + " : index"); }
  std::string binary(StringRef op, StringRef a, StringRef b, StringRef type = "index") {
    return source.define("v", op + " " + a + ", " + b + " : " + type);
  }
  std::string splat(StringRef value, StringRef type) {
    return source.define("k", "arith.constant dense<" + value + "> : " + type);
  }
  /// Bits of each element of `from`, a vector of integers of `width` bits: those from `at` on become those from `to` on, the others 0.
  std::string field(StringRef from, int64_t at, int64_t to, int64_t bits, StringRef type, int64_t width);
  /// Runs `body`(iteration, values) `count` times: values begin as `inits`, all of `type`, and become what it returns.
  Names loop(int64_t count, const Names &inits, StringRef type, llvm::function_ref<Names(StringRef, const Names &)> body);

  KernelSource &source;
};

/// What blocks of a layer with weights in codes are written with. A register holds `columns` columns, so a panel has
/// 16 / columns of them, and a block rows * panels * 16 / columns sums, in that order.
class CodeTile : public Tile {
public:
  CodeTile(KernelSource &source, const PackedLayout &layout, SchemeAttr scheme, int64_t columns)
      : Tile(source), layout(layout), scheme(scheme), columns(columns), registers(16 / columns),
        lanes(std::to_string(columns)), floatType("vector<" + lanes + "xf32>") {}

  size_t numSums() const { return rows * panels * registers; }

  /// Unsigned operands from a register's codes: 128 more than the table says.
  std::string lookUp(StringRef instruction, StringRef codes, StringRef type) {
    return source.define("w", "kernel.lookup #kernel." + instruction + " " + getTableText(scheme) + " " + codes + " : " + type);
  }

  /// Totals that begin with 0: what `add`(group, its size, totals) makes of them, group by group.
  Names addGroups(llvm::function_ref<Names(StringRef, int64_t, Names)> add);
  /// Sets the block's size and names its panels, from %panel on.
  void start(int64_t rows, int64_t panels);
  /// Values of `from`, of the type `element`, for a group and a register of columns, in f32; zero points in i32.
  std::string floats(StringRef from, mlir::Type element, StringRef group, int64_t panel, int64_t v);
  std::string scale(StringRef group, int64_t panel, int64_t v) {
    return floats("%weight_scales", scheme.getScale(), group, panel, v);
  }
  std::string floatZeros(StringRef group, int64_t panel, int64_t v) {
    return floats("%zero_points", scheme.getZeroType(), group, panel, v);
  }
  /// A panel's sums times the scales of its rows of weights, where it has them.
  std::string scaleByRows(std::string total, int64_t panel);
  std::string zeroPoints(StringRef group, int64_t panel, int64_t v);

  const PackedLayout &layout;
  SchemeAttr scheme;
  int64_t columns, registers;
  int64_t rows = 0, panels = 0;
  std::string lanes, floatType;
  Names panelNames;
};

/// Writes a block of `rows` rows and `panels` panels with a matrix instruction.
class TileWriter : public CodeTile {
public:
  TileWriter(KernelSource &source, const PackedLayout &layout, SchemeAttr scheme, StringRef instruction,
             MmaInstruction info, bool hasZero, kernel::TilingAttr tiling)
      : CodeTile(source, layout, scheme, info.getColumns()), instruction(instruction), info(info), hasZero(hasZero),
        tiling(tiling), offset(getOffset(info, layout, scheme)),
        weightType(typeText(info.getWeightsType())), partialType(typeText(info.getPartialType())),
        sumType(typeText(info.getSumType())) {}

  /// Defines %total_<r>_<p>, the block's results before bias and residual.
  void write(int64_t rows, int64_t panels);

  /// sum + weights * activations by the instruction.
  std::string multiply(StringRef weights, StringRef activations, StringRef sum);
  /// sum + partial, for instructions with partial sums.
  std::string widen(StringRef partial, StringRef sum);
  std::string toFloat(StringRef sum);
  /// The sum of a row's activations in a group.
  std::string activationSum(int64_t row, StringRef group);
  /// `totals` with a group's sums, converted and scaled.
  Names finishGroup(StringRef group, const Names &sums, Names totals);
  /// Defines %total_<r>_<p> from a panel's sum over all groups.
  void finishTotal(int64_t r, int64_t p, std::string total);
  /// Sums of a group, converted and scaled, added to `totals`.
  Names group(StringRef group, int64_t size, Names totals);
  Names startSums(StringRef group);
  /// Adds `count` units from depth and byte on to the partial sums, [place][sum].
  Names units(StringRef depth, StringRef byte, int64_t count, Names partial);
  llvm::SmallVector<kernel::TilingAttr::Prefetch, 2> getPrefetches() const;
  /// Asks for the lines that lie as far behind the unit as the tiling says, maybe behind the last, for so few rows that they would wait.
  void prefetch(StringRef byte, int64_t unit);
  /// The same for the scales that go with these lines.
  void prefetchScales(StringRef group);
  /// The planes of a unit: [panel * registers + register][plane].
  std::vector<Names> loadPlanes(StringRef byte, int64_t unit);
  /// The operands of the unit's steps: [step][panel * registers + register]; `inPlace`: each shifted by its place.
  std::vector<Names> operands(StringRef byte, int64_t unit, bool inPlace = false);
  std::string bits(StringRef plane, int64_t at, int64_t keep, int64_t to = 0) {
    return field(plane, at, to, keep, weightType, 8);
  }
  /// Places are how far up operands lie, from 0 on. Few rows have little arithmetic for a code: they take most codes from where these lie in
  /// planes, which saves shifts, and add up what lies at each place alone, so that fewer additions wait for each other.
  using Places = llvm::SmallVector<int64_t, 4>;
  Places getPlaces() const;
  /// The number of a step's place.
  int64_t getPlaceOf(int64_t step) const {
    int64_t count = getPlaces().size();
    return count == 3 ? (step < 6 ? step % 2 : 2) : step % count;
  }
  /// Sums from those of all places.
  Names addPlaces(Names sums);
  /// What operands are at most in magnitude.
  int64_t getMaxOperand() const {
    return info.hasSignedWeights() ? getZeroOperand() : scheme.hasTable() ? 255 : (int64_t(1) << layout.bits) - 1;
  }
  int64_t getZeroOperand() const { return linear::getZeroOperand(layout, scheme); }

  /// Whether sparse codes meet the activations that are theirs; else they are spread out to operands.
  bool gathers() const { return layout.sparse && info.hasSparse(); }
  /// `units` of codes that gather activations.
  Names sparseUnits(StringRef depth, StringRef byte, int64_t count, Names partial);
  /// Codes for 8 k of a unit's planes, and where they lie among these, as `kernel.mma_sparse` takes them.
  std::pair<std::string, std::string> sparseCodes(const Names &planes, int64_t step);
  /// The operand of `step`, four k with the code of 0 where none is given.
  std::string spread(const Names &planes, int64_t step);

  StringRef instruction;
  MmaInstruction info;
  bool hasZero; ///< of the input
  kernel::TilingAttr tiling;
  int64_t offset; ///< that products have less than codes say
  std::string weightType, partialType, sumType;
};

/// Writes the product for many rows: blocks of weights are unpacked once into memory
/// of the thread's own, sized for the first-level cache, and meet all rows of a chunk, which stays in the second-level one. Their results
/// are collected beside them in f32. Every sum is computed as TileWriter does, in the same order, so that rows are the same however many
/// there are. What activations that are 128 more add to a group's sums, the same for all rows, is known from the weights and taken away.
class UnpackedWriter {
public:
  UnpackedWriter(TileWriter &tile, kernel::TilingAttr tiling, const Epilogue &epilogue)
      : tile(tile), source(tile.source), layout(tile.layout), tiling(tiling), epilogue(epilogue) {}

  /// Defines the memory: at the start of the function.
  void allocate();
  void write();

private:
  bool isBiased() const { return tile.info.hasSignedWeights(); }
  /// Groups that are unpacked together.
  int64_t groupsPerBlock() const;
  int64_t stepsPerGroup(int64_t size) const { return layout.getUnits(size) * layout.getUnit() / 4; }
  /// Unpacks `groups` groups of `size` values and adds their products for all rows of the chunk.
  void block(StringRef firstGroup, int64_t groups, int64_t size);
  void unpack(StringRef firstGroup, int64_t groups, int64_t units);
  /// Unpacks the unit at `byte` to `to`; returns its operands.
  std::vector<Names> unpackUnit(StringRef byte, StringRef to);
  /// The place of what the bias adds to a group's sums, of register i.
  std::string biasOf(StringRef groupOfBlock, int64_t i);
  void takeBias(StringRef groupOfBlock, Names &sums);
  /// `totals` with what a group adds: its weights lie from `firstStep` on.
  Names products(StringRef group, StringRef groupOfBlock, StringRef firstStep, int64_t steps, Names totals);
  /// Results of the chunk's rows, from what was collected.
  void finish();

  TileWriter &tile;
  KernelSource &source;
  const PackedLayout &layout;
  kernel::TilingAttr tiling;
  Epilogue epilogue;
};

} // namespace terse::linear

#endif // TERSE_LOWERLINEAR_QLINEARTILE_H
