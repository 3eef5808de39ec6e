//===- SimplifyAttention.cpp - attention that the file already had --------===//
#include "AttentionPattern.h"

#include "terse/Analysis/TokenMajor.h"

using namespace mlir;
using namespace terse;

/// Turns what of a bias is a mask into attributes and padding.
static bool simplifyBias(func::FuncOp function, AttentionOp attention) {
  Value bias = attention.getBias();
  // With starts of their own, positions are not where a mask has them.
  if (!bias || attention.getPadding() || attention.getStarts() || attention.getSlopes())
    return false;
  ShapeFunction shape = [=](ElementEvaluator &evaluator) mutable -> std::optional<Index> {
    std::optional<int64_t> batch = evaluator.getSize(attention.getQuery(), 0),
                           queries = evaluator.getSize(attention.getQuery(), 1),
                           keys = evaluator.evaluateScalar(attention.getLength()).getInteger();
    if (!batch || !queries || !keys)
      return std::nullopt;
    return Index{*batch, int64_t(attention.getNumHeads()), *queries, *keys};
  };
  Scores parts;
  splitBias(function, bias, shape, parts);
  // What is added to all keys alike is seen by a sink.
  bool slopes = llvm::any_of(parts.masks, [](const MaskFunction &mask) { return !mask.slopes.empty(); });
  if (parts.masks.empty() || (slopes && attention.getSinks()))
    return false;
  attention.getBiasMutable().clear();
  applyMasks(attention, parts);
  return true;
}

/// Reads keys and values as near to the cache as they can be had.
static bool simplifyKeysAndValues(func::FuncOp function, AttentionOp attention) {
  std::optional<CacheSource> key = findCacheSource(function, attention.getKey(), false),
                             value = findCacheSource(function, attention.getValue(), false);
  if (!key || !value || value->factor != 1)
    return false;
  auto keyType = cast<RankedTensorType>(key->tensor.getType()),
       valueType = cast<RankedTensorType>(value->tensor.getType());
  bool same = key->tensor == attention.getKey() && value->tensor == attention.getValue();
  if (same || keyType.getDimSize(1) != valueType.getDimSize(1))
    return false;
  attention.getKeyMutable().assign(key->tensor);
  attention.getValueMutable().assign(value->tensor);
  if (key->factor != 1)
    attention.setScale(APFloat(attention.getScale().convertToDouble() * key->factor));
  return true;
}

/// Takes queries as rows of tokens from where they come from.
static bool simplifyQueries(func::FuncOp function, AttentionOp attention) {
  Value query = attention.getQuery();
  if (!isa_and_nonnull<tensor::CollapseShapeOp, linalg::TransposeOp, tensor::ExpandShapeOp>(query.getDefiningOp()))
    return false;
  Probes probes(function, Environment());
  std::optional<Access> access = fitAccess(probes, query);
  if (!access || access->base == query || access->base.getType() != query.getType() || !access->coversBase() ||
      access->factor != 1)
    return false;
  for (unsigned c = 0; c < 3; ++c)
    if (access->getDimOf(c).value_or(c) != c)
      return false;
  attention.getQueryMutable().assign(access->base);
  return true;
}

bool terse::simplifyAttention(func::FuncOp function, AttentionOp attention) {
  bool changed = simplifyBias(function, attention);
  changed |= simplifyKeysAndValues(function, attention);
  changed |= simplifyQueries(function, attention);
  return changed;
}
