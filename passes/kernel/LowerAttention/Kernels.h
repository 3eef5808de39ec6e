//===- Kernels.h - sources of the attention kernels -------------*- C++ -*-===//
#ifndef TERSE_LOWERATTENTION_KERNELS_H
#define TERSE_LOWERATTENTION_KERNELS_H

#include "Terse/TerseDialect.h"
#include "terse/Kernels/KernelSource.h"
#include "terse/Kernels/RowView.h"

#include <optional>

namespace terse::attention {

/// Keys in a tile.
constexpr int64_t kTile = 16;
/// Keys for which maxima are taken and sums of values are corrected together.
constexpr int64_t kKeyBlock = 64;
/// Codes that lie side by side in a tile of a quantized cache, as integer products take them: bytes of a key, or keys of a byte of values.
constexpr int64_t kCodeGroup = 4;
/// Bytes of a key of `codeBytes` that lie side by side.
constexpr int64_t getKeyGroup(int64_t codeBytes) { return codeBytes % kCodeGroup ? 1 : kCodeGroup; }

/// What a RoPE kernel needs to know of its operation.
struct RopeShape {
  int64_t heads, headSize, angles;
  int64_t sourceWidth, sourceOffset;
  bool interleaved;
  mlir::Type element, angleElement;

  /// None when the operation's sizes are not static.
  static std::optional<RopeShape> of(RopeOp op);
};

/// (source [B, S, width], cos, sin) -> [B, S, heads * headSize].
mlir::func::FuncOp getRopeKernel(mlir::ModuleOp module, const RopeShape &shape);

/// How rows enter a cache [B, KV, capacity, size], or one of codes, [B, KV, capacity, bytes].
struct UpdateShape {
  int64_t heads, size;
  int64_t sourceWidth, sourceOffset;
  mlir::Type element;
  /// Elements of a row are a tile's width apart: keys, not values.
  bool tiled;
  /// Of codes in a quantized cache; 0: the cache has the update's elements.
  int64_t bits;
  /// Each sequence begins at a place of its own: starts [B] of i64 follow the position.
  bool starts;
  /// With rope: the update is rotated on its way; cos and sin follow the source.
  std::optional<RopeShape> rope;
};

/// (source [B, S, width], [cos, sin,] position[, starts]) -> cache.
mlir::func::FuncOp getCacheUpdateKernel(mlir::ModuleOp module, const UpdateShape &shape);

/// (keys [B, KV, T, D], length) -> [B, KV, ceil(T / 16) * 16, D] in tiles.
mlir::func::FuncOp getTileKeysKernel(mlir::ModuleOp module, int64_t heads, int64_t size, mlir::Type element);

struct AttentionShape {
  int64_t heads, kvHeads, keySize, valueSize;
  int64_t sourceWidth, sourceOffset;
  /// Values are rows of tokens [B, T, width] that hold all heads from `valueOffset` on, not a cache.
  std::optional<int64_t> valueWidth;
  int64_t valueOffset;
  double scale;
  bool causal, starts, padding, slopes, sinks;
  mlir::Type bias; // element type, if there is one
  std::optional<int64_t> window;
  std::optional<double> softcap;
  /// Of codes in quantized caches; 0: floats.
  int64_t keyBits, valueBits;
  mlir::Type element;
  /// What multiplies codes by integers, an instruction of the kernel dialect; empty: codes become floats.
  std::string instruction;
};

/// Rows computed together: of few tokens, and of many.
struct KernelRows {
  int64_t few, many;
};

/// (query source, tiled keys, values, length[, starts of i64][, padding of i8][, bias][, slopes of f32]
/// [, sinks of f32]) -> [B, S, heads * valueSize]. Results do not depend on `rows`.
mlir::func::FuncOp getAttentionKernel(mlir::ModuleOp module, const AttentionShape &shape, KernelRows rows);

} // namespace terse::attention

#endif // TERSE_LOWERATTENTION_KERNELS_H
