//===- Quantize.h - shared by operators on integer codes --------*- C++ -*-===//
#ifndef TERSE_IMPORT_ONNX_OPS_QUANTIZE_H
#define TERSE_IMPORT_ONNX_OPS_QUANTIZE_H

#include "Helpers.h"

namespace terse::importer {

/// (codes - zero) * scale as `dtype`; `zero` may be null. The scale is one for all, one for each index of `axis`, or, with
/// `block` above 0, one for each `block` values along `axis`. A matrix of the file stays in codes; codes
/// that the graph made are replaced by what their quantization makes of its source.
Tensor *dequantize(Importer &im, Tensor *codes, Tensor *scale, Tensor *zero, int64_t axis, int64_t block, DType dtype);
/// round(t / scale) + zero within the range of `dtype`, ties to even.
Tensor *quantize(Importer &im, Tensor *t, Tensor *scale, Tensor *zero, int64_t axis, int64_t block, DType dtype);

} // namespace terse::importer

#endif // TERSE_IMPORT_ONNX_OPS_QUANTIZE_H
