//===- Rows.h - which work can share rows without barriers ------*- C++ -*-===//
#ifndef TERSE_TARGET_SPMD_ROWS_H
#define TERSE_TARGET_SPMD_ROWS_H

#include "Outline.h"

#include "llvm/ADT/SmallSet.h"

namespace terse::spmd {

/// Whether `initial` computes nothing but what `op` starts its sums from, so
/// that `op` can compute it itself where it needs it.
bool canAbsorb(mlir::linalg::LinalgOp op, mlir::linalg::LinalgOp initial);

/// Work that runs row by row: a row is one combination of the first
/// loops of every stage, and no stage reads what another wrote in another row. A
/// thread then runs all stages on its rows without meeting the others.
class RowGroup {
public:
  /// Adds a stage if that leaves as many rows as it or the group has.
  bool tryAdd(Stage stage);

  llvm::ArrayRef<Stage> getStages() const { return stages; }
  /// Loops that make a row; 0 for a single stage that is better split otherwise.
  unsigned getNumRowLoops() const;
  bool empty() const { return stages.empty(); }
  /// The last stage if it is `op`'s initial value, taken out of the group.
  mlir::linalg::LinalgOp takeInitial(mlir::linalg::LinalgOp op);
  void clear() { *this = RowGroup(); }

private:
  /// A size, named so that equal names mean equal sizes.
  using SizeName = std::pair<const void *, int64_t>;
  struct Access {
    mlir::Value root;
    /// Leading dimensions indexed by the leading loops.
    unsigned aligned;
    bool isWrite;
  };
  struct Info {
    llvm::SmallVector<Access> accesses;
    unsigned rowLoops = 0;
    /// Names of the sizes of the first loops.
    llvm::SmallVector<llvm::SmallSet<SizeName, 4>> sizes;
  };
  static std::optional<Info> analyze(Stage stage);
  void append(Stage stage, Info info, unsigned loops);

  llvm::SmallVector<Stage> stages;
  llvm::SmallVector<Info> infos;
  unsigned rowLoops = 0;
};

} // namespace terse::spmd

#endif // TERSE_TARGET_SPMD_ROWS_H
