//===- Linear.cpp - matrix products ---------------------------------------===//
#include "Helpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

TERSE_ONNX_OP("", MatMul, 13, 2, 2) { return n.yield({im.matmul(n.input(0), n.input(1))}); }

/// alpha A' B' + beta C.
TERSE_ONNX_OP("", Gemm, 13, 2, 3) {
  Tensor *lhs = n.input(0), *rhs = n.input(1), *bias = n.input(2);
  if (!hasRank(im, lhs, 2, "A") || !hasRank(im, rhs, 2, "B"))
    return failure();
  if (n.integer("transA", 0))
    lhs = im.transpose(lhs, {1, 0});
  if (n.integer("transB", 0))
    rhs = im.transpose(rhs, {1, 0});
  double alpha = n.real("alpha", 1), beta = n.real("beta", 1);
  Tensor *result = im.matmul(lhs, rhs);
  if (result && alpha != 1)
    result = multiply(im, result, im.scalar(result->dtype, alpha));
  if (result && bias && beta != 0) {
    if (beta != 1)
      bias = multiply(im, bias, im.scalar(bias->dtype, beta));
    result = add(im, result, bias);
  }
  return n.yield({result});
}
