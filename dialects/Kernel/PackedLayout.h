//===- PackedLayout.h - how weights lie for kernels -------------*- C++ -*-===//
#ifndef TERSE_KERNEL_PACKEDLAYOUT_H
#define TERSE_KERNEL_PACKEDLAYOUT_H

#include "Terse/TerseDialect.h"

namespace terse::kernel {

/// Output columns of a panel of packed weights.
constexpr int64_t kPanelColumns = 16;

/// Panels of a layer with `n` output columns.
inline int64_t getNumPanels(int64_t n) { return (n + kPanelColumns - 1) / kPanelColumns; }

/// The layout of the codes of an [n, k] weight, and of activations quantized to
/// meet them (PackedOps.td describes it). Along k, groups follow each other, each
/// padded to whole units; quantized activations are padded alike, with zeros.
struct PackedLayout {
  int64_t n, k, group;
  unsigned bits;
  bool sparse; ///< two codes of four (2:4)

  PackedLayout(int64_t n, int64_t k, SchemeAttr scheme, bool sparse = false)
      : n(n), k(k), group(std::min(scheme.getGroupSize(k), k)), bits(scheme.getBits()), sparse(sparse) {}

  /// Whether codes of this scheme have a sparse form.
  static bool canBeSparse(SchemeAttr scheme) { return scheme.getBits() == 4 && scheme.isSymmetric() && !scheme.hasTable(); }

  /// The code of 0, of a symmetric scheme.
  uint8_t getZeroCode() const { return 1 << (bits - 1); }
  /// Values of k that are packed together.
  int64_t getUnit() const { return bits == 3 || sparse ? 32 : 32 / bits; }
  /// Bits of a code: those from `at` on of a plane's bytes are those from `to` on of the code.
  struct Field {
    int64_t plane, at, to;
    unsigned bits;
  };
  /// Where the codes of a unit's k 4 step to 4 step + 3 lie, unless they are sparse.
  llvm::SmallVector<Field, 2> getFields(int64_t step) const;
  /// Planes of 64 bytes that hold a unit of a panel.
  int64_t getPlanes() const { return bits == 3 || sparse ? 3 : 1; }
  /// Bytes of a unit of a panel.
  int64_t getUnitBytes() const { return 64 * getPlanes(); }
  int64_t getNumGroups() const { return (k + group - 1) / group; }
  /// Values of group `index`: the last may be partial.
  int64_t getGroupSize(int64_t index) const { return std::min(group, k - index * group); }
  /// Units of a group of `size` values.
  int64_t getUnits(int64_t size) const { return (size + getUnit() - 1) / getUnit(); }
  /// Units before group `index`.
  int64_t getUnitsBefore(int64_t index) const { return index * getUnits(group); }
  int64_t getNumUnits() const {
    int64_t last = getNumGroups() - 1;
    return getUnitsBefore(last) + getUnits(getGroupSize(last));
  }
  /// Length of a row of quantized activations.
  int64_t getPaddedDepth() const { return getNumUnits() * getUnit(); }
  int64_t getPanelBytes() const { return getNumUnits() * getUnitBytes(); }
};

/// Whether float weights of a type lie in pairs along k.
inline bool isPaired(mlir::Type element) { return element.isBF16(); }

/// The shape of packed float weights: [panels, K, 16], or [panels, ceil(K/2), 32] where pairs of k lie together.
inline std::array<int64_t, 3> getFloatShape(int64_t n, int64_t k, mlir::Type element) {
  if (isPaired(element))
    return {getNumPanels(n), (k + 1) / 2, 2 * kPanelColumns};
  return {getNumPanels(n), k, kPanelColumns};
}

/// Whether two zero points of a scheme share a byte.
inline bool hasPairedZeros(SchemeAttr scheme) { return scheme.getZero() == ZeroPoint::Integer && scheme.getBits() <= 4; }

/// Whether of each four codes of a row, counted from the start of each group, at most two are another than 0's.
bool isTwoOfFour(const PackedLayout &layout, llvm::ArrayRef<uint8_t> row);

/// Packs unpacked codes [16][k] of one panel. Rows beyond n are 0, where the layout is sparse its zero code.
void packPanel(const PackedLayout &layout, llvm::ArrayRef<uint8_t> codes, llvm::MutableArrayRef<uint8_t> panel);

} // namespace terse::kernel

#endif // TERSE_KERNEL_PACKEDLAYOUT_H
