//===- Norm.cpp - normalization operators ---------------------------------===//
#include "Transformer.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// Outputs beside the normalized one (mean, deviation) exist for training.
static bool wantsStatistics(Node &n, int first, int last) {
  for (int i = first; i <= last; ++i)
    if (n.wantsOutput(i))
      return true;
  return false;
}

TERSE_ONNX_OP("", RMSNormalization, 23, 2, 2) {
  return n.yield({normalize(im, n.input(0), n.input(1), nullptr, n.integer("axis", -1), n.real("epsilon", 1e-5), NormKind::RMS)});
}

TERSE_ONNX_OP("", LayerNormalization, 17, 2, 3) {
  if (wantsStatistics(n, 1, 2))
    return n.yield({im.error("mean and deviation as outputs are not supported")});
  return n.yield({normalize(im, n.input(0), n.input(1), n.input(2), n.integer("axis", -1), n.real("epsilon", 1e-5), NormKind::Layer)});
}

// ONNX Runtime's, in the standard domain though the standard has none.
TERSE_ONNX_OP("", SimplifiedLayerNormalization, 1, 2, 2) {
  if (wantsStatistics(n, 1, 1))
    return n.yield({im.error("the deviation as an output is not supported")});
  return n.yield({normalize(im, n.input(0), n.input(1), nullptr, n.integer("axis", -1), n.real("epsilon", 1e-5), NormKind::RMS)});
}

/// norm(input + skip + bias); output 3 is the sum.
static LogicalResult importSkip(Importer &im, Node &n, Tensor *shift, Tensor *bias, NormKind kind) {
  if (wantsStatistics(n, 1, 2))
    return n.yield({im.error("mean and deviation as outputs are not supported")});
  Tensor *sum = im.binary<arith::AddFOp>(n.input(0), n.input(1));
  if (bias)
    sum = im.binary<arith::AddFOp>(sum, bias);
  Tensor *result = normalize(im, sum, n.input(2), shift, -1, n.real("epsilon", 1e-12), kind);
  return n.yield({result, nullptr, nullptr, sum});
}

TERSE_ONNX_OP("com.microsoft", SkipSimplifiedLayerNormalization, 1, 3, 4) {
  return importSkip(im, n, nullptr, n.input(3), NormKind::RMS);
}

TERSE_ONNX_OP("com.microsoft", SkipLayerNormalization, 1, 3, 5) {
  return importSkip(im, n, n.input(3), n.input(4), NormKind::Layer);
}
