//===- Rounding.h - values to codes and back --------------------*- C++ -*-===//
//
// The arithmetic of `#terse.scheme`: rounding of rows, packing of codes. Knows
// nothing of the IR, so that every pass that makes or reads codes shares it.
//
//===----------------------------------------------------------------------===//
#ifndef TERSE_COMPRESS_ROUNDING_H
#define TERSE_COMPRESS_ROUNDING_H

#include "compress/Rounding/LevelTable.h"
#include "compress/Rounding/NarrowFloats.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace terse {

/// Packs codes of `bits` bits as a little-endian bit stream into `bytes`, of
/// ceil(codes * bits / 8) bytes.
void packCodes(llvm::ArrayRef<uint8_t> codes, unsigned bits, llvm::MutableArrayRef<uint8_t> bytes);
/// The inverse; `codes` says how many.
void unpackCodes(llvm::ArrayRef<uint8_t> bytes, unsigned bits, llvm::MutableArrayRef<uint8_t> codes);

/// What the scales of groups are stored as.
enum class ScaleFormat {
  F32,
  F16,
  I8, ///< multiples, -127..127, of a scale of the row
};

/// The format of that name: f32, f16 or i8.
std::optional<ScaleFormat> parseScaleFormat(llvm::StringRef text);

/// Makes scales what their format holds.
struct ScaleGrid {
  ScaleFormat format = ScaleFormat::F16;
  float rowScale = 0; ///< of I8; 0: not known yet, scales stay as they are

  /// The one for a row whose groups would have such scales: the largest becomes 127 times the row's.
  static ScaleGrid get(ScaleFormat format, llvm::ArrayRef<float> scales, size_t stride = 1);
  /// The nearest scale of the format.
  float round(float scale) const;
};

/// How to round.
struct RoundingOptions {
  unsigned bits = 4;
  int64_t groupSize = 32; ///< values that share a scale
  bool isSymmetric = true;
  ScaleFormat scales = ScaleFormat::F16; ///< scales are rounded to it before codes are chosen
  bool searchesClipping = true; ///< of several ranges the one of least squared error
  /// What the 16 codes of 4 bits mean in units of the scale, ascending; empty: whole numbers. Without zero points.
  llvm::ArrayRef<int8_t> table = {};
};

/// Rounds rows of k values to codes, with a scale (and a zero point) for each group.
///
/// Symmetric: value = (code - 2^(bits-1)) * scale. The grid has one value more on one side; scale =
/// m / -2^(bits-1), where m is the value of largest magnitude with its sign, puts that side where it is used.
/// Asymmetric: value = (code - zero) * scale; the range includes 0.
/// From a table: value = table[code] * scale; scale = max|x| / 127, or with the search perhaps of the other sign, since tables have
/// more levels on one side.
class RowRounding {
public:
  RowRounding(const RoundingOptions &options, int64_t k);

  enum Status { Ok, NotFinite, ScaleOverflow };
  /// Rounds `row`. `codes` receives k codes, one a byte; `scales` and `zeroPoints` one value a group. With scales in I8 ranges are
  /// chosen twice: by any scale, of which the largest gives the row's, then by multiples of that.
  Status round(llvm::ArrayRef<float> row, llvm::MutableArrayRef<uint8_t> codes, llvm::MutableArrayRef<float> scales,
               llvm::MutableArrayRef<uint8_t> zeroPoints);

  /// What the scales of the last row are multiples of, if of I8.
  float getRowScale() const { return grid.rowScale; }

  /// Sums over the rows so far: of squared errors, of squared values.
  double getSquaredError() const { return squaredError; }
  double getSquaredNorm() const { return squaredNorm; }

private:
  struct Grid {
    float scale = 0, inverse = 0, zero = 0;
  };
  Grid makeGrid(float scale, float zero) const;
  Grid findGrid(llvm::ArrayRef<float> group, float low, float high, double &error) const;
  double measure(llvm::ArrayRef<float> group, const Grid &grid) const;

  RoundingOptions options;
  int64_t k;
  float numLevels; ///< 2^bits
  ScaleGrid grid;  ///< of the row
  std::optional<LevelTable> table;
  double squaredError = 0, squaredNorm = 0;
};

} // namespace terse

#endif // TERSE_COMPRESS_ROUNDING_H
