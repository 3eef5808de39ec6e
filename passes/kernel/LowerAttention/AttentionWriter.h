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
  /// Values of which the sums of all rows stay in registers while the keys of a block are walked: `size` from dimension `start` on, which lie at
  /// `place` of a row, in the high halves of its bytes if `isHigh`.
  struct Slice {
    int64_t start, size, place;
    bool isHigh;
  };
  static constexpr int64_t kSliceLanes = 16;

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
  /// Loads `size` groups of bytes of codes as f32: `%NAME_i` of byte i of each, and of 4-bit codes `%NAME_high_i` of its high half.
  void loadCodes(llvm::StringRef name, llvm::StringRef memref, llvm::StringRef index, int64_t size, int64_t group, int64_t bits);
  /// Loads `%NAME_scales_loaded` and `%NAME_lows_loaded` of the coded tile at `tile`.
  void loadParameters(llvm::StringRef name, llvm::StringRef memref, llvm::StringRef tile, int64_t codeBytes);
  /// Writes what `writeValueScales` reads of the tile at `%tile_key`.
  void storeValueParameters();

  /// Whether products with codes are the instruction's; queries and weights are integers then.
  bool hasIntegerKeys() const;
  bool hasIntegerValues() const;

  void writeHead();
  void openTaskLoop();
  void locateTask(llvm::StringRef suffix, llvm::StringRef index);
  void locateHead(llvm::StringRef suffix);
  void writeExponentialHead();
  void writeStart();
  void writeRow(llvm::StringRef name, llvm::StringRef index);
  void writeRange();
  void openRowLoop();
  void writeQueries();
  void openBlockLoop();
  void prefetch(llvm::StringRef what, llvm::StringRef place);
  void prefetchQuery();
  void addProducts(llvm::StringRef key, llvm::StringRef column, llvm::StringRef sums, llvm::StringRef next);
  void writeDots();
  void writeScores();
  void compareLanes(llvm::StringRef name, llvm::StringRef predicate, llvm::StringRef end);
  void writeBias();
  void writeMasks();
  void exponential(llvm::StringRef name, llvm::StringRef x);
  void addUp(llvm::StringRef name, llvm::StringRef from);
  void addGreater(llvm::StringRef name, llvm::StringRef a, llvm::StringRef b);
  std::string addGreatestOfRows(llvm::StringRef name, std::vector<std::string> parts);
  void writeMaxima();
  void writeWeights();
  void writeValueScales();
  void placeValue();
  void addWeighted(llvm::StringRef value, llvm::StringRef key, llvm::StringRef sums, llvm::StringRef next, int64_t size);
  void writeFloatValues(const Slice &slice);
  void writeValues();
  void writeResults();

  void writeIntegerHead();
  void writeUnits(llvm::StringRef most);
  void writeHalves(llvm::StringRef name, int64_t size);
  void writeIntegerQuery();
  void addIntegerProducts(llvm::StringRef codes, llvm::StringRef memref, llvm::StringRef type, llvm::StringRef place, llvm::StringRef before,
                          llvm::StringRef after);
  void joinHalves(llvm::StringRef name, llvm::StringRef sums);
  void splitNibbles();
  void writeIntegerScores();
  void storeMagnitudes();
  void writeIntegerWeights();
  void writeIntegerValues(const Slice &slice);

  const AttentionShape &shape;
  int64_t rows, row = 0;
  std::vector<Slice> slices;
  KernelSource source;
};

} // namespace terse::attention

#endif // TERSE_LOWERATTENTION_ATTENTIONWRITER_H
