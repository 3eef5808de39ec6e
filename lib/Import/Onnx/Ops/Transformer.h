//===- Transformer.h - what fused operators share ---------------*- C++ -*-===//
#ifndef TERSE_IMPORT_ONNX_OPS_TRANSFORMER_H
#define TERSE_IMPORT_ONNX_OPS_TRANSFORMER_H

#include "../Importer.h"

namespace terse::importer {

/// `terse.norm` over the dimensions from `axis` on. `bias` may be null.
Tensor *normalize(Importer &im, Tensor *input, Tensor *scale, Tensor *bias, int64_t axis, double epsilon, NormKind kind);

/// [B, heads, S, D] as [B, S, heads * D], and back.
Tensor *toTokenMajor(Importer &im, Tensor *t);
Tensor *toHeads(Importer &im, Tensor *t, int64_t heads);

/// Rotates [B, S, heads * D] by angles [B or 1, S, R/2].
Tensor *rotate(Importer &im, Tensor *input, Tensor *cos, Tensor *sin, int64_t heads, bool interleaved);

/// Rows of a table of angles [rows, R/2]: those of `positions` [B, S], or, without
/// them, first .. first + count as [1, count, R/2]. Rows outside of the table are its nearest.
Tensor *angles(Importer &im, Tensor *table, Tensor *positions, const Dim &first, const Dim &count);

struct AttentionOptions {
  int64_t heads = 0, kvHeads = 0;
  double scale = 0; // 0: 1 / sqrt(head size)
  double softcap = 0;
  int64_t window = 0;
  bool causal = false;
  Tensor *bias = nullptr; // rank 4, broadcastable to [B, heads, S, T]
};

/// Attention of `query` [B, S, H * D] over [past, new] keys and values, the new
/// ones [B, S', KV * D] and the past ones [B, KV, P, D] or null.
struct Attended {
  Tensor *output = nullptr, *presentKey = nullptr, *presentValue = nullptr;
};
Attended attend(Importer &im, Tensor *query, Tensor *key, Tensor *value, Tensor *pastKey, Tensor *pastValue,
                const AttentionOptions &options);

} // namespace terse::importer

#endif // TERSE_IMPORT_ONNX_OPS_TRANSFORMER_H
