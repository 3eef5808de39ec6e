//===- AttentionHelpers.h - attention as all domains write it ---*- C++ -*-===//
#ifndef TERSE_IMPORT_ONNX_OPS_ATTENTIONHELPERS_H
#define TERSE_IMPORT_ONNX_OPS_ATTENTIONHELPERS_H

#include "Helpers.h"

namespace terse::importer {

/// Operands of `terse.attention`: query [B, S, H * D], key and value
/// [B, KV, T, D], starts [B] of int64, padding [B, T] of bool, bias broadcastable to
/// [B, H, S, T], sinks [H].
struct AttentionParts {
  Tensor *query = nullptr, *key = nullptr, *value = nullptr, *starts = nullptr, *padding = nullptr, *bias = nullptr,
         *sinks = nullptr;
  int64_t heads = 0;
  std::optional<double> scale; // 1 / sqrt(D) if absent
  bool causal = false;
  int64_t window = 0; // keys read, the query's own included; 0 or less: all
  double softcap = 0; // 0: none
};
Tensor *attention(Importer &im, const AttentionParts &parts);

/// Rotary embedding of [B, S, heads * D] with angles [B or 1, S, R / 2].
Tensor *rope(Importer &im, Tensor *t, Tensor *cos, Tensor *sin, int64_t heads, bool interleaved);

/// Rows of a table of angles [positions, R / 2] for tokens of [B, S].
using Position = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Value batch, mlir::Value token)>;
Tensor *gatherAngles(Importer &im, Tensor *table, llvm::ArrayRef<Dim> tokens, Position position);

} // namespace terse::importer

#endif // TERSE_IMPORT_ONNX_OPS_ATTENTIONHELPERS_H
