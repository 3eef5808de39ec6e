//===- CacheRole.cpp - what a KV cache is to attention's kernels ----------===//
#include "terse/Analysis/CacheRole.h"

#include "terse/Analysis/State.h"

using namespace mlir;
using namespace terse;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

static bool isFloat(Type type) { return type.isF32() || type.isF16(); }

bool terse::hasKernel(AttentionOp op) {
  Type element = op.getType().getElementType();
  auto bias = op.getBias() ? tensorType(op.getBias()) : RankedTensorType();
  if (bias && (!isFloat(bias.getElementType()) || bias.getDimSize(3) == 1))
    return false;
  auto isReadable = [&](Value cache, bool isCoded) { return isCoded || tensorType(cache).getElementType() == element; };
  return isFloat(element) && tensorType(op.getQuery()).getElementType() == element &&
         isReadable(op.getKey(), op.getKeyBits().has_value()) && isReadable(op.getValue(), op.getValueBits().has_value()) &&
         !tensorType(op.getQuery()).isDynamicDim(2) && !op.getType().isDynamicDim(2);
}

bool terse::hasKernel(CacheUpdateOp op) {
  Type element = tensorType(op.getUpdate()).getElementType();
  return isFloat(element) && (op.getBits() || op.getType().getElementType() == element) && !tensorType(op.getUpdate()).isDynamicDim(2);
}

std::optional<CacheRole> terse::getCacheRole(CacheUpdateOp update) {
  if (!hasKernel(update))
    return std::nullopt;
  std::optional<CacheRole> role;
  bool isPrivate = isPrivateState(update, [&](OpOperand &use) {
    auto attention = dyn_cast<AttentionOp>(use.getOwner());
    if (!attention || !hasKernel(attention))
      return false;
    bool isKey = &use == &attention.getKeyMutable();
    CacheRole found = isKey ? CacheRole::Key : CacheRole::Value;
    bool isCache = isKey || &use == &attention.getValueMutable();
    bool isSame = !role || *role == found;
    role = found;
    return isCache && isSame;
  });
  return isPrivate ? role : std::nullopt;
}
