//===- FindPart.cpp - parts of a model that can shrink inside ---------------===//
#include "Terse/LayerAttributes.h"
#include "compress/PruneStructured/Structure.h"
#include "compress/Weights/FloatStorage.h"
#include "compress/Weights/WeightRows.h"
#include "normalize/Algebra/Algebra.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace terse;

namespace {
class PartFinder {
public:
  explicit PartFinder(LinearOp writer) { part.writer = writer; }

  std::optional<PrunablePart> run();

private:
  void refuse(const Twine &why) {
    if (part.refusal.empty())
      part.refusal = why.str();
  }
  void findFeedForward();
  void findAttention(AttentionOp attention);
  /// The value before casts, each of which is one of the part's.
  Value followCasts(Value value, int64_t unit);
  void findHeads(Value value, int64_t unit);
  void findCache(Value value, int64_t unit);
  void checkUsers();
  void checkWeight(LinearOp layer);

  PrunablePart part;
  llvm::SetVector<Operation *> ops; ///< of the part, but for the writer
};
} // namespace

/// Makes each element of the last dimension by itself from tensors of its shape.
static bool isElementwise(Operation *op) {
  return op->getNumResults() == 1 && op->getNumRegions() == 0 && isa<RankedTensorType>(op->getResult(0).getType()) &&
         (OpTrait::hasElementwiseMappableTraits(op) || isa<ActivationOp>(op));
}

void PartFinder::findFeedForward() {
  SmallVector<Value> worklist{part.writer.getInput()};
  bool readsMore = false;
  while (!worklist.empty()) {
    Value value = worklist.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || (!isa<LinearOp>(op) && !isElementwise(op))) {
      readsMore = true;
      auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(op);
      if (auto merged = slice ? slice.getSource().getDefiningOp<LinearOp>() : LinearOp())
        refuse("layer '" + getNameOfLayer(merged) + "' makes several values at once");
      continue;
    }
    if (!ops.insert(op))
      continue;
    part.values.push_back({value, 1});
    if (auto linear = dyn_cast<LinearOp>(op))
      part.producers.push_back(linear);
    else
      llvm::append_range(worklist, op->getOperands());
  }
  if (readsMore && !part.producers.empty())
    refuse("it reads more than linear layers through elementwise operations");
}

Value PartFinder::followCasts(Value value, int64_t unit) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<arith::ExtFOp, arith::TruncFOp>(op))
      break;
    ops.insert(op);
    part.values.push_back({value, unit});
    value = op->getOperand(0);
  }
  return value;
}

void PartFinder::findHeads(Value value, int64_t unit) {
  value = followCasts(value, unit);
  if (auto rope = value.getDefiningOp<RopeOp>()) {
    ops.insert(rope);
    part.values.push_back({value, unit});
    part.ropes.push_back(rope);
    value = followCasts(rope.getInput(), unit);
    if (rope.getNumHeads() % part.numUnits)
      refuse("its rotary embedding has other heads");
  }
  auto linear = value.getDefiningOp<LinearOp>();
  if (!linear)
    return refuse("queries, keys or values are not those of a linear layer of their own");
  if (!ops.insert(linear))
    return refuse("queries, keys and values share a linear layer");
  part.values.push_back({value, unit});
  part.producers.push_back(linear);
}

void PartFinder::findCache(Value value, int64_t unit) {
  auto update = value.getDefiningOp<CacheUpdateOp>();
  auto cache = update ? dyn_cast<BlockArgument>(update.getCache()) : BlockArgument();
  if (!cache || !isa<func::FuncOp>(cache.getOwner()->getParentOp()) || !cache.getOwner()->isEntryBlock())
    return refuse("keys and values are not those of a cache");
  for (Operation *user : cache.getUsers()) {
    auto dim = dyn_cast<tensor::DimOp>(user);
    if (user != update && !(dim && dim.getConstantIndex() && *dim.getConstantIndex() != 1))
      return refuse("its cache is read elsewhere");
  }
  ops.insert(update);
  part.caches.push_back(update);
  findHeads(update.getUpdate(), unit);
}

void PartFinder::findAttention(AttentionOp attention) {
  part.attention = attention;
  auto key = cast<RankedTensorType>(attention.getKey().getType()), value = cast<RankedTensorType>(attention.getValue().getType());
  part.numUnits = key.getDimSize(1);
  int64_t group = attention.getNumHeads() / part.numUnits, size = key.getDimSize(3), valueSize = value.getDimSize(3);
  if (followCasts(part.writer.getInput(), group * valueSize) != attention.getResult())
    return refuse("it reads more than the attention");
  ops.insert(attention);
  part.values.push_back({attention.getResult(), group * valueSize});
  bool perHead = attention.getBias() && cast<RankedTensorType>(attention.getBias().getType()).getDimSize(1) != 1;
  if (perHead || attention.getSlopes() || attention.getSinks())
    refuse("its attention has biases, slopes or sinks of each head");
  findHeads(attention.getQuery(), group * size);
  findCache(attention.getKey(), size);
  findCache(attention.getValue(), valueSize);
}

void PartFinder::checkUsers() {
  for (Operation *op : ops)
    for (Operation *user : op->getUsers())
      if (user != part.writer && !ops.contains(user) && !(isa<CacheUpdateOp>(op) && isa<func::ReturnOp>(user)))
        refuse("a value within it is read elsewhere");
  // Its weight made of what it reads, say.
  for (Value operand : part.writer->getOperands().drop_front())
    if (ops.contains(operand.getDefiningOp()))
      refuse("a value within it is read elsewhere");
}

void PartFinder::checkWeight(LinearOp layer) {
  std::string name = getNameOfLayer(layer);
  RoundingSource source = getRoundingSource(layer.getWeight(), layer.getReductionAxis());
  if (!source.weight || source.coded || source.scaled)
    return refuse("the weight of layer '" + name + "' is not plain floats");
  for (Value value = layer.getWeight();; value = value.getDefiningOp()->getOperand(0)) {
    if (!value.hasOneUse())
      return refuse("the weight of layer '" + name + "' is read elsewhere");
    if (value.getDefiningOp() == source.weight)
      break;
  }
  // Two operations may read the same place of a file.
  if (isa<FileAttr>(source.weight.getData()))
    layer->getParentOfType<ModuleOp>().walk([&](WeightOp other) {
      if (other != source.weight && other.getData() == source.weight.getData())
        refuse("the weight of layer '" + name + "' is read elsewhere");
    });
  if (layer != part.writer && layer.getBias() && !isConstantFloats(layer.getBias()))
    refuse("the bias of layer '" + name + "' is no constant");
}

std::optional<PrunablePart> PartFinder::run() {
  Value input = stripCasts(part.writer.getInput());
  if (auto attention = input.getDefiningOp<AttentionOp>())
    findAttention(attention);
  else {
    part.numUnits = part.writer.getReductionSize();
    findFeedForward();
    bool isMerged = !part.refusal.empty() && !ops.empty();
    if (part.producers.empty() && !isMerged)
      return std::nullopt;
  }
  checkUsers();
  checkWeight(part.writer);
  for (LinearOp producer : part.producers)
    checkWeight(producer);
  for (auto [value, unit] : part.values)
    if (cast<RankedTensorType>(value.getType()).getShape().back() != unit * part.numUnits)
      refuse("a value within it has another size");
  return std::move(part);
}

std::optional<PrunablePart> terse::findPart(LinearOp writer) { return PartFinder(writer).run(); }
