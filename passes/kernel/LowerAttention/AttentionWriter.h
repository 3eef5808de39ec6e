//===- AttentionWriter.h - the parts of an attention kernel -----*- C++ -*-===//
#ifndef TERSE_LOWERATTENTION_ATTENTIONWRITER_H
#define TERSE_LOWERATTENTION_ATTENTIONWRITER_H

#include "Kernels.h"

namespace terse::attention {

/// The kernel's arguments: names, and types after a colon.
std::string getArguments(const AttentionShape &shape);

/// Writes the kernel for blocks of `rows` rows. A row is a query head of a token;
/// rows of one block share a KV head.
class AttentionWriter {
public:
  AttentionWriter(const AttentionShape &shape, llvm::StringRef name, int64_t rows);

  const KernelSource &write();

private:
  /// Calls `body` with `$r` set to each row.
  template <typename Body> void forRows(Body body) {
    for (row = 0; row < rows; ++row) {
      source.set("r", row);
      body();
    }
  }
  /// `format` for each row, with commas.
  std::string list(llvm::StringRef format);
  /// Loads `%name`, `size` values as f32.
  void load(llvm::StringRef name, llvm::StringRef memref, llvm::StringRef index, int64_t size);

  void writeHead();
  void writeStart();
  void writeRow();
  void writeRange();
  void openTileLoop();
  void writeScores();
  void compareLanes(llvm::StringRef name, llvm::StringRef predicate, llvm::StringRef end);
  void writeLeft();
  void writeBias();
  void writeMask();
  void writeSoftmax();
  void writeValues();
  void closeTileLoop();
  void writeResults();

  const AttentionShape &shape;
  int64_t rows, row = 0;
  KernelSource source;
};

} // namespace terse::attention

#endif // TERSE_LOWERATTENTION_ATTENTIONWRITER_H
