//===- Streams.cpp - residual streams by dataflow ---------------------------===//
#include "Streams.h"

#include "compress/Weights/FloatStorage.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Analysis/State.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace terse;

WeightOp terse::getPlainWeight(LinearOp linear) {
  auto weight = stripCasts(linear.getWeight()).getDefiningOp<WeightOp>();
  bool isPlain = weight && isa<FloatType>(getElementTypeOrSelf(weight.getType())) && weight.getType().getRank() == 2 &&
                 (!linear.getBias() || isConstantFloats(linear.getBias()));
  return isPlain ? weight : WeightOp();
}

static int64_t getLastSize(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() && isa<FloatType>(type.getElementType()) ? type.getShape().back() : ShapedType::kDynamic;
}

/// Whether reshapes with these groups keep the last dimension by itself.
static bool keepsLast(ArrayRef<ReassociationIndices> groups) { return !groups.empty() && groups.back().size() == 1; }

/// The operands that `op` gives on, each row of channels as a whole: sums, changes of type and of the order of rows, products with a number. Empty
/// if it does something else. Signs do not matter.
static SmallVector<OpOperand *> getPassedOn(Operation *op) {
  auto operand = [&](unsigned i) { return SmallVector<OpOperand *>{&op->getOpOperand(i)}; };
  if (isa<arith::AddFOp, arith::SubFOp>(op))
    return {&op->getOpOperand(0), &op->getOpOperand(1)};
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::NegFOp, tensor::CastOp>(op))
    return operand(0);
  if (isa<arith::MulFOp, arith::DivFOp>(op)) {
    if (getSplat(op->getOperand(1)))
      return operand(0);
    return isa<arith::MulFOp>(op) && getSplat(op->getOperand(0)) ? operand(1) : SmallVector<OpOperand *>();
  }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return keepsLast(expand.getReassociationIndices()) ? operand(0) : SmallVector<OpOperand *>();
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    return keepsLast(collapse.getReassociationIndices()) ? operand(0) : SmallVector<OpOperand *>();
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    int64_t last = slice.getSourceType().getRank() - 1;
    bool isWhole = last >= 0 && !slice.getDroppedDims().test(last) && slice.getStaticOffsets()[last] == 0 &&
                   slice.getStaticSizes()[last] == slice.getSourceType().getDimSize(last);
    return isWhole ? operand(0) : SmallVector<OpOperand *>();
  }
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    ArrayRef<int64_t> order = transpose.getPermutation();
    return !order.empty() && order.back() == int64_t(order.size()) - 1 ? operand(0) : SmallVector<OpOperand *>();
  }
  if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
    int64_t last = cast<ShapedType>(broadcast.getInit().getType()).getRank() - 1;
    return llvm::is_contained(broadcast.getDimensions(), last) ? SmallVector<OpOperand *>() : operand(0);
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op))
    if (int64_t(concat.getDim()) != concat.getResultType().getRank() - 1)
      return llvm::map_to_vector(op->getOpOperands(), [](OpOperand &operand) { return &operand; });
  return {};
}

namespace {
/// Follows one stream from a value in it, until something is no part of one.
class StreamWalk {
public:
  bool run(Value seed) {
    stream.size = getLastSize(seed);
    if (ShapedType::isDynamic(stream.size))
      return fail("its channels are of no static number");
    worklist.push_back(seed);
    while (!worklist.empty()) {
      Value value = worklist.pop_back_val();
      if (!seen.insert(value).second)
        continue;
      if (getLastSize(value) != stream.size)
        return fail("its channels change in number");
      if (!visitProducer(value))
        return false;
      for (OpOperand &use : value.getUses())
        if (!visitUse(use))
          return false;
    }
    bool hasLayer = llvm::any_of(stream.norms, [](StreamNorm &n) { return n.norm.getKind() == NormKind::Layer; });
    bool hasOther = !stream.readers.empty() || llvm::any_of(stream.norms, [](StreamNorm &n) { return n.norm.getKind() != NormKind::Layer; });
    if (hasLayer && hasOther)
      return fail("layer norms and others read it");
    stream.isCentred = hasLayer;
    return true;
  }

  Stream stream;
  std::string reason;

private:
  bool fail(const Twine &what) {
    reason = what.str();
    return false;
  }
  bool failAt(StringRef what, Operation *op) { return fail(what + " '" + op->getName().getStringRef() + "'"); }

  bool visitProducer(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return fail("the caller gives it");
    if (auto linear = dyn_cast<LinearOp>(op)) {
      stream.writers.insert(linear);
      return getPlainWeight(linear) ? true : fail("a layer without plain constant weights writes it");
    }
    if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
      auto table = stripCasts(embedding.getTable()).getDefiningOp<WeightOp>();
      stream.tables.insert(embedding);
      return table && isa<FloatType>(getElementTypeOrSelf(table.getType())) ? true : fail("a table without constant floats is in it");
    }
    SmallVector<OpOperand *> operands = getPassedOn(op);
    if (operands.empty())
      return failAt("it is made by", op);
    for (OpOperand *operand : operands)
      if (isConstantFloats(operand->get()) && getLastSize(operand->get()) == stream.size)
        stream.constants.push_back(operand);
      else
        worklist.push_back(operand->get());
    return true;
  }

  bool visitUse(OpOperand &use) {
    Operation *op = use.getOwner();
    if (isa<tensor::DimOp>(op))
      return true;
    if (auto norm = dyn_cast<NormOp>(op)) {
      if (use.getOperandNumber() != 0 || !isConstantFloats(norm.getScale()) || (norm.getBias() && !isConstantFloats(norm.getBias())))
        return fail("a norm without constant gains reads it");
      stream.norms.push_back({norm, {}});
      return visitNormed(norm.getResult(), stream.norms.back());
    }
    if (auto linear = dyn_cast<LinearOp>(op)) {
      stream.readers.push_back(linear);
      return use.getOperandNumber() == 0 && getPlainWeight(linear) ? true : fail("a layer without plain constant weights reads it");
    }
    if (isa<func::ReturnOp>(op))
      return fail("the caller gets it");
    if (!llvm::is_contained(getPassedOn(op), &use))
      return failAt("it is read by", op);
    worklist.push_back(op->getResult(0));
    return true;
  }

  /// What reads a norm.
  bool visitNormed(Value value, StreamNorm &norm) {
    for (OpOperand &use : value.getUses()) {
      Operation *op = use.getOwner();
      if (isa<tensor::DimOp>(op))
        continue;
      if (auto linear = dyn_cast<LinearOp>(op); linear && use.getOperandNumber() == 0) {
        if (!getPlainWeight(linear))
          return fail("a layer without plain constant weights reads a norm of it");
        norm.readers.push_back(linear);
        continue;
      }
      // A sum would be of something that is not rotated.
      SmallVector<OpOperand *> operands = getPassedOn(op);
      if (operands.size() != 1 || operands.front() != &use || isa<arith::MulFOp, arith::DivFOp, arith::NegFOp>(op))
        return failAt("a norm of it is read by", op);
      if (!visitNormed(op->getResult(0), norm))
        return false;
    }
    return true;
  }

  SmallVector<Value> worklist;
  DenseSet<Value> seen;
};
} // namespace

std::vector<Stream> terse::findStreams(ModuleOp module, llvm::MapVector<StringRef, int64_t> &left) {
  std::vector<Stream> streams;
  DenseSet<Operation *> known;
  module.walk([&](NormOp norm) {
    if (known.contains(norm))
      return;
    StreamWalk walk;
    if (!walk.run(norm.getInput())) {
      ++left[StringAttr::get(module.getContext(), walk.reason).getValue()];
      return;
    }
    for (StreamNorm &found : walk.stream.norms)
      known.insert(found.norm);
    streams.push_back(std::move(walk.stream));
  });
  return streams;
}

/// The one use of a value beside its sizes; null if there are none or more.
static OpOperand *getOnlyUse(Value value) {
  OpOperand *only = nullptr;
  for (OpOperand &use : value.getUses()) {
    if (isa<tensor::DimOp>(use.getOwner()))
      continue;
    if (only)
      return nullptr;
    only = &use;
  }
  return only;
}

/// The linear layer, and the first of its channels, that `value`, [B, S, heads * size], is; nobody else reads these channels.
static std::pair<LinearOp, int64_t> findWriter(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto linear = dyn_cast<LinearOp>(op))
      return {getPlainWeight(linear) ? linear : LinearOp(), 0};
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
      // One of several that lie side by side in a layer's output.
      auto linear = slice.getSource().getDefiningOp<LinearOp>();
      int64_t last = slice.getSourceType().getRank() - 1, begin = slice.getStaticOffsets()[last], end = begin + slice.getStaticSizes()[last];
      if (!linear || !getPlainWeight(linear) || ShapedType::isDynamic(begin) || slice.getStaticStrides()[last] != 1)
        return {};
      for (OpOperand &use : linear.getResult().getUses()) {
        auto other = dyn_cast<tensor::ExtractSliceOp>(use.getOwner());
        if (other == slice || isa<tensor::DimOp>(use.getOwner()))
          continue;
        if (!other || other.getSourceType().getRank() != last + 1 || ShapedType::isDynamic(other.getStaticOffsets()[last]) ||
            other.getStaticStrides()[last] != 1 ||
            (other.getStaticOffsets()[last] < end && other.getStaticOffsets()[last] + other.getStaticSizes()[last] > begin))
          return {};
      }
      return {linear, begin};
    }
    if (!isa<arith::ExtFOp, arith::TruncFOp, tensor::CastOp>(op) || !getOnlyUse(op->getOperand(0)))
      return {};
    value = op->getOperand(0);
  }
  return {};
}

std::optional<ValueHeads> terse::findValueHeads(AttentionOp attention) {
  ValueHeads heads;
  heads.attention = attention;
  auto type = cast<RankedTensorType>(attention.getValue().getType());
  heads.size = type.getDimSize(3);
  Value value = attention.getValue();
  if (ShapedType::isDynamic(heads.size) || type.isDynamicDim(1))
    return std::nullopt;
  heads.count = type.getDimSize(1) * heads.size;
  if (auto update = value.getDefiningOp<CacheUpdateOp>()) {
    if (!isPrivateState(update, [&](OpOperand &use) { return &use == &attention.getValueMutable(); }))
      return std::nullopt;
    value = update.getUpdate();
  } else {
    // [B, S, KV * D] -> [B, S, KV, D] -> [B, KV, S, D]
    auto transpose = value.getDefiningOp<linalg::TransposeOp>();
    auto expand = transpose ? transpose.getInput().getDefiningOp<tensor::ExpandShapeOp>() : tensor::ExpandShapeOp();
    if (!expand || transpose.getPermutation() != ArrayRef<int64_t>{0, 2, 1, 3} || !getOnlyUse(value) || !getOnlyUse(expand.getResult()) ||
        expand.getSrcType().getRank() != 3)
      return std::nullopt;
    value = expand.getSrc();
  }
  if (!getOnlyUse(value) || getLastSize(value) != heads.count)
    return std::nullopt;
  std::tie(heads.writer, heads.begin) = findWriter(value);
  SmallVector<Value> results{attention.getResult()};
  while (!results.empty())
    for (OpOperand &use : results.pop_back_val().getUses()) {
      if (isa<tensor::DimOp>(use.getOwner()))
        continue;
      if (auto linear = dyn_cast<LinearOp>(use.getOwner()); linear && use.getOperandNumber() == 0 && getPlainWeight(linear))
        heads.readers.push_back(linear);
      else if (isa<arith::ExtFOp, arith::TruncFOp, tensor::CastOp>(use.getOwner()))
        results.push_back(use.getOwner()->getResult(0));
      else
        return std::nullopt;
    }
  if (!heads.writer || heads.readers.empty())
    return std::nullopt;
  return heads;
}
