//===- Kernels.h - sources of the kernels of linear layers ------*- C++ -*-===//
#ifndef TERSE_LOWERLINEAR_KERNELS_H
#define TERSE_LOWERLINEAR_KERNELS_H

#include "Kernel/KernelDialect.h"
#include "Kernel/PackedLayout.h"
#include "terse/Kernels/KernelSource.h"
#include "terse/Kernels/NormSource.h"

namespace terse::linear {

/// What a CPU level has for linear layers.
struct Level {
  llvm::StringLiteral name;
  /// The instruction for weights of up to 4 bits, and for 8 bits: with activations in -127..127, and with any.
  llvm::StringLiteral narrow, wide, wideFull;
  /// The instruction for unpacked weights of up to 4 bits, signed, where activations are 128 more; empty: `narrow`.
  llvm::StringLiteral biased;
  /// The instruction for pairs of bf16; empty: weights are widened to f32.
  llvm::StringLiteral bf16;
  bool fma; ///< multiplies and adds in one rounding
};
const Level *findLevel(llvm::StringRef name);

/// Whether `tiling.getUnpackedFrom()` rows or more meet weights that are unpacked once: a group's weights must fit.
bool isUnpacked(kernel::TilingAttr tiling, const kernel::PackedLayout &layout);
/// Whether activations of so many rows are 128 more than they are, unsigned.
bool isBiased(const Level &level, kernel::TilingAttr tiling, const kernel::PackedLayout &layout, SchemeAttr scheme);
/// What the sums of a group's products begin with, as a multiple of the sum of its activations: takes away that operands of
/// weights are more than their codes stand for. 1 where weights have zero points of their own.
int64_t getSumFactor(mlir::MLIRContext *context, const Level &level, const kernel::PackedLayout &layout, SchemeAttr scheme, bool anyCode);
/// For the names of kernels.
std::string getTilingName(kernel::TilingAttr tiling);

/// Activations of K channels rounded for weights of this layout: groups follow each other, each
/// padded with zeros to whole units.
struct QuantizedRows {
  int64_t k, group, unit;
  int64_t biasedFrom; ///< codes of so many rows or more are 128 more; 0: none
  int64_t sumFactor;  ///< what sums of codes are stored times

  QuantizedRows(const kernel::PackedLayout &layout, int64_t biasedFrom, int64_t sumFactor)
      : k(layout.k), group(layout.group), unit(layout.getUnit()), biasedFrom(biasedFrom), sumFactor(sumFactor) {}
  int64_t groups() const { return (k + group - 1) / group; }
  int64_t paddedGroup() const { return (group + unit - 1) / unit * unit; }
  int64_t lastGroup() const { return k - (groups() - 1) * group; }
  int64_t depth() const { return (groups() - 1) * paddedGroup() + (lastGroup() + unit - 1) / unit * unit; }
  auto key() const { return std::make_tuple(k, group, unit, biasedFrom, sumFactor); }
};

/// Defines %name in f32: the `$n` columns at `column` of row %row of %input, [rows, $K] of $I, which is `element`.
void addInput(KernelSource &source, mlir::Type element, llvm::StringRef name, llvm::StringRef column);

/// (input [rows, K] of `element`[, parameters of `norm`][, the grid: see below]) -> codes [rows, depth] i8, sums [rows, groups]
/// i32 times the factor, scales [rows] f32[, zero points [rows] f32]: of the input, or of what `norm` makes of it. Codes and zero points are
/// less than the grid's by its offset.
/// A fixed grid is given as scale and zero point, f32; that of a tensor as the rows' lowest and highest values [rows] f32.
/// Without a zero point there is no output for it. `fma`: the level multiplies and adds in one rounding; results are the same.
mlir::func::FuncOp getQuantizeRowsKernel(mlir::ModuleOp module, const QuantizedRows &rows, mlir::Type element, const NormSource *norm,
                                         GridAttr grid, bool fma);

/// (input [rows, K] of `element`) -> least and greatest value of each row and 0, [rows] f32.
mlir::func::FuncOp getRowRangesKernel(mlir::ModuleOp module, int64_t k, mlir::Type element);

/// Values of a row of K channels that is rounded to bf16: whole pairs, and a line more where the same columns of a block's rows
/// would all lie in one set of the first-level cache, or in few.
inline int64_t getRoundedDepth(int64_t k) {
  constexpr int64_t line = 32;
  int64_t pairs = (k + 1) / 2 * 2;
  return pairs % (8 * line) ? pairs : pairs + line;
}

/// (input [rows, K] of `element`[, parameters of `norm`]) -> [rows, depth] bf16: of the input, or of what `norm` makes of it. An odd K has a
/// zero behind it.
mlir::func::FuncOp getRoundRowsKernel(mlir::ModuleOp module, int64_t k, mlir::Type element, const NormSource *norm);

/// Operands beside input and weights, and the sizes.
struct Epilogue {
  mlir::Type element; ///< of results and residual; what is computed, in f32, is rounded to it before the residual is added
  bool bias, residual;
  bool zero = false; ///< the input has a zero point, and the weights sums of columns
  /// Behind the output: [1] i64, 0 at first, how many parts of the last quarter of the panels threads have taken. Worth it where
  /// memory gives threads unequal speeds.
  bool tickets = false;

  /// For the names of kernels.
  std::string getSuffix() const { return element.isF32() ? "" : "_to_" + typeText(element); }
};

/// (codes, sums, scales, weight codes, weight scales[, scales of rows][, zero points][, input's zero points, column sums][, bias][, residual])
/// -> [rows, N]. `anyCode`: activations may be -128.
mlir::func::FuncOp getQLinearKernel(mlir::ModuleOp module, const Level &level, kernel::TilingAttr tiling,
                                    const kernel::PackedLayout &layout, SchemeAttr scheme, const Epilogue &epilogue, bool anyCode);

/// (input [rows, K] f32, weight codes, weight scales[, scales of rows][, zero points][, bias][, residual]) -> [rows, N]: products in float.
mlir::func::FuncOp getWeightOnlyKernel(mlir::ModuleOp module, const Level &level, kernel::TilingAttr tiling,
                                       const kernel::PackedLayout &layout, SchemeAttr scheme, const Epilogue &epilogue);

/// (input [rows, K] f32, packed weight[, bias][, residual]) -> [rows, N]. With an `instruction` for pairs of bf16 the input is
/// [rows, depth] bf16, rounded.
mlir::func::FuncOp getLinearKernel(mlir::ModuleOp module, kernel::TilingAttr tiling, int64_t n, int64_t k, mlir::Type element,
                                   llvm::StringRef instruction, const Epilogue &epilogue);

/// Opens the loops over this thread's blocks: for each block of `panels` panels
/// (%panel) and of rows (%row0), calls `tile` with the text parameters set; closes
/// them. One row has blocks of its own, as has each number of a few rows, be they all or what blocks of many leave over: so
/// rows of a block lie at fixed distances, and one address serves all of them.
class BlockWriter {
public:
  BlockWriter(KernelSource &source, kernel::TilingAttr tiling, int64_t n, bool tickets)
      : source(source), tiling(tiling), n(n), tickets(tickets) {}
  /// tile(rows, panels): %panel, %row_0 ... are defined.
  using Tile = llvm::function_ref<void(int64_t rows, int64_t panels)>;
  void write(Tile tile);
  /// The loop over blocks of panels alone: body(panels) with %panel defined. With tickets, once in a kernel's run: a thread
  /// takes its share of the first three quarters, then parts of the rest until there are none.
  void writePanels(int64_t panelsPerBlock, llvm::function_ref<void(int64_t)> body);

private:
  void writeTakenPanels(int64_t panelsPerBlock, int64_t whole, int64_t rest, llvm::function_ref<void(int64_t)> body);
  void writeRows(int64_t rows);
  /// One case for each number of rows in %count from `least` to `most`.
  void writeFew(int64_t least, int64_t most, int64_t panels, Tile tile);
  KernelSource &source;
  kernel::TilingAttr tiling;
  int64_t n;
  bool tickets;
};

/// Sets $streamed, which follows the type of the weights: the attribute if the layer is large.
void setStreamed(KernelSource &source, const Epilogue &epilogue);
/// The parameters of an epilogue.
void addEpilogue(KernelSource &source, const Epilogue &epilogue);
/// The parameters behind these, up to the function's body.
void addOutputs(KernelSource &source, const Epilogue &epilogue);

/// Adds bias and residual to %total_<r>_<p>, vectors of 16 columns, and stores
/// them.
void writeResults(KernelSource &source, int64_t n, int64_t rows, int64_t panels, const Epilogue &epilogue);

} // namespace terse::linear

#endif // TERSE_LOWERLINEAR_KERNELS_H
