//===- MergeLinears.cpp - layers of one input become one ------------------===//
#include "Terse/DeadWeights.h"
#include "Terse/LayerAttributes.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/MapVector.h"

#include <cstring>

namespace terse {
#define GEN_PASS_DEF_MERGELINEARS
#include "integerize/MergeLinears/MergeLinears.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// A weight that only this layer reads.
static bool isOwnWeight(Value value) {
  auto weight = value.getDefiningOp<WeightOp>();
  return weight && weight->hasOneUse();
}

static Value getBias(Operation *op) {
  if (auto linear = dyn_cast<LinearOp>(op))
    return linear.getBias();
  return cast<QLinearOp>(op).getBias();
}

/// The data of a bias, a weight or a constant; null when it is neither.
static Attribute getData(Value bias) {
  if (auto weight = bias.getDefiningOp<WeightOp>())
    return weight.getData();
  DenseElementsAttr constant;
  return matchPattern(bias, m_Constant(&constant)) ? constant : Attribute();
}

static bool isMergeable(Operation *op) {
  if (Value bias = getBias(op); bias && !getData(bias))
    return false;
  if (auto linear = dyn_cast<LinearOp>(op))
    return isOwnWeight(linear.getWeight());
  auto linear = cast<QLinearOp>(op);
  return isOwnWeight(linear.getCodes()) && isOwnWeight(linear.getScales()) &&
         (!linear.getRowScales() || isOwnWeight(linear.getRowScales())) &&
         (!linear.getZeroPoints() || isOwnWeight(linear.getZeroPoints()));
}

/// Whether two layers differ in nothing but output channels and bias.
static bool agree(Operation *a, Operation *b) {
  if (a->getName() != b->getName() || a->getOperand(0) != b->getOperand(0) || a->getBlock() != b->getBlock() ||
      getElementTypeOrSelf(a->getResult(0)) != getElementTypeOrSelf(b->getResult(0)) ||
      a->getAttr(kSparsityAttr) != b->getAttr(kSparsityAttr))
    return false;
  Value biasA = getBias(a), biasB = getBias(b);
  if (biasA && biasB && getElementTypeOrSelf(biasA) != getElementTypeOrSelf(biasB))
    return false;
  if (auto linear = dyn_cast<LinearOp>(a)) {
    auto other = cast<LinearOp>(b);
    return linear.getReductionAxis() == other.getReductionAxis() &&
           getElementTypeOrSelf(linear.getWeight()) == getElementTypeOrSelf(other.getWeight());
  }
  return cast<QLinearOp>(a).getScheme() == cast<QLinearOp>(b).getScheme() &&
         cast<QLinearOp>(a).getGrid() == cast<QLinearOp>(b).getGrid();
}

static StringRef getLayerName(Operation *op) {
  auto name = op->getAttrOfType<StringAttr>("name");
  return name ? name.getValue() : StringRef();
}

/// "attn.q_proj+k_proj" of "attn.q_proj" and "attn.k_proj": what follows the last dot that all have in common.
static std::string joinNames(ArrayRef<StringRef> names) {
  size_t common = 0;
  for (size_t i = 0; i < names[0].size(); ++i) {
    if (!llvm::all_of(names, [&](StringRef name) { return i < name.size() && name[i] == names[0][i]; }))
      break;
    if (names[0][i] == '.' || names[0][i] == '/')
      common = i + 1;
  }
  std::string joined = names[0].str();
  for (StringRef name : names.drop_front())
    joined += ("+" + name.substr(common)).str();
  return joined;
}

namespace {
struct MergeLinears : terse::impl::MergeLinearsBase<MergeLinears> {
  using MergeLinearsBase::MergeLinearsBase;

  void runOnOperation() override {
    SmallVector<SmallVector<Operation *>> groups;
    llvm::DenseMap<Value, SmallVector<unsigned>> groupsOfInput;
    getOperation()->walk([&](Operation *op) {
      if (!isa<LinearOp, QLinearOp>(op) || !isMergeable(op))
        return;
      SmallVector<unsigned> &candidates = groupsOfInput[op->getOperand(0)];
      for (unsigned index : candidates)
        if (agree(groups[index].front(), op)) {
          groups[index].push_back(op);
          return;
        }
      candidates.push_back(groups.size());
      groups.push_back({op});
    });
    int64_t numLayers = 0, numMerged = 0;
    DeadWeights dead(getOperation());
    for (ArrayRef<Operation *> group : groups) {
      if (group.size() < 2)
        continue;
      if (failed(merge(group, dead)))
        return signalPassFailure();
      numLayers += group.size();
      ++numMerged;
    }
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "layers-merged", numLayers);
    report.add(getArgument(), "merged-layers", numMerged);
  }

private:
  /// The weights joined along `axis` as a new one.
  FailureOr<Value> concatenate(OpBuilder &builder, ArrayRef<Value> parts, int64_t axis, StringRef name) {
    WeightStore &store = getContext().getLoadedDialect<TerseDialect>()->getWeightStore();
    auto first = cast<RankedTensorType>(parts[0].getType());
    SmallVector<int64_t> shape(first.getShape());
    shape[axis] = 0;
    for (Value part : parts)
      shape[axis] += cast<RankedTensorType>(part.getType()).getDimSize(axis);
    auto type = RankedTensorType::get(shape, first.getElementType());
    std::vector<char> bytes(*getByteSize(type));
    // Everything before the axis is an outer loop, the rest one run of bytes.
    int64_t numRuns = 1;
    for (int64_t dim = 0; dim < axis; ++dim)
      numRuns *= shape[dim];
    int64_t stride = numRuns ? bytes.size() / numRuns : 0, offset = 0;
    for (Value part : parts) {
      auto weight = part.getDefiningOp<WeightOp>();
      llvm::Expected<WeightData> data = store.read(weight.getData(), weight.getType());
      if (!data)
        return weight.emitError() << "cannot read weight '" << weight.getName() << "': " << llvm::toString(data.takeError());
      int64_t run = numRuns ? data->bytes().size() / numRuns : 0;
      for (int64_t i = 0; i < numRuns; ++i)
        memcpy(bytes.data() + i * stride + offset, data->bytes().data() + i * run, run);
      offset += run;
    }
    return addWeight(builder, parts[0].getLoc(), type, bytes, name);
  }

  FailureOr<Value> addWeight(OpBuilder &builder, Location loc, RankedTensorType type, ArrayRef<char> bytes, StringRef name) {
    llvm::Expected<Attribute> attr = getContext().getLoadedDialect<TerseDialect>()->getWeightStore().add(type, bytes);
    if (!attr)
      return mlir::emitError(loc) << "cannot store weight '" << name << "': " << llvm::toString(attr.takeError());
    return Value(WeightOp::create(builder, loc, type, builder.getStringAttr(name), *attr));
  }

  /// The biases one after the other, zeros where a layer has none; null when none has.
  FailureOr<Value> joinBiases(OpBuilder &builder, ArrayRef<Operation *> group, StringRef name) {
    WeightStore &store = getContext().getLoadedDialect<TerseDialect>()->getWeightStore();
    Type element;
    int64_t total = 0;
    for (Operation *op : group) {
      if (Value bias = getBias(op))
        element = getElementTypeOrSelf(bias);
      total += cast<RankedTensorType>(op->getResult(0).getType()).getShape().back();
    }
    if (!element)
      return Value();
    auto type = RankedTensorType::get(total, element);
    std::vector<char> bytes(*getByteSize(type));
    size_t offset = 0;
    for (Operation *op : group) {
      int64_t size = cast<RankedTensorType>(op->getResult(0).getType()).getShape().back();
      auto part = RankedTensorType::get(size, element);
      if (Value bias = getBias(op)) {
        llvm::Expected<WeightData> data = store.read(getData(bias), part);
        if (!data)
          return op->emitError() << "cannot read the bias: " << llvm::toString(data.takeError());
        memcpy(bytes.data() + offset, data->bytes().data(), data->bytes().size());
      }
      offset += *getByteSize(part);
    }
    return addWeight(builder, group.front()->getLoc(), type, bytes, name);
  }

  LogicalResult merge(ArrayRef<Operation *> group, DeadWeights &dead) {
    Operation *first = group.front();
    // The input is there, the weights need not be: new ones are made here.
    OpBuilder builder(first);
    SmallVector<StringRef> names;
    for (Operation *op : group)
      names.push_back(getLayerName(op));
    StringAttr name;
    if (llvm::none_of(names, [](StringRef name) { return name.empty(); }))
      name = builder.getStringAttr(joinNames(names));
    SmallVector<int64_t> widths;
    for (Operation *op : group)
      widths.push_back(cast<RankedTensorType>(op->getResult(0).getType()).getShape().back());
    auto firstType = cast<RankedTensorType>(first->getResult(0).getType());
    SmallVector<int64_t> shape(firstType.getShape());
    shape.back() = 0;
    for (int64_t width : widths)
      shape.back() += width;
    auto type = RankedTensorType::get(shape, firstType.getElementType());

    auto join = [&](auto get, int64_t axis) -> FailureOr<Value> {
      SmallVector<Value> parts;
      SmallVector<StringRef> partNames;
      for (Operation *op : group) {
        Value part = get(op);
        if (!part)
          return Value();
        parts.push_back(part);
        partNames.push_back(part.getDefiningOp<WeightOp>().getName());
      }
      return concatenate(builder, parts, axis, joinNames(partNames));
    };
    FailureOr<Value> bias = joinBiases(builder, group, name ? (name.getValue() + ".bias").str() : std::string("bias"));
    if (failed(bias))
      return failure();
    Value merged;
    if (auto linear = dyn_cast<LinearOp>(first)) {
      FailureOr<Value> weight = join([](Operation *op) { return cast<LinearOp>(op).getWeight(); }, 1 - linear.getReductionAxis());
      if (failed(weight))
        return failure();
      merged = LinearOp::create(builder, linear.getLoc(), type, linear.getInput(), *weight, *bias,
                                linear.getReductionAxisAttr(), name);
    } else {
      auto qlinear = cast<QLinearOp>(first);
      FailureOr<Value> codes = join([](Operation *op) { return cast<QLinearOp>(op).getCodes(); }, 0);
      FailureOr<Value> scales = join([](Operation *op) { return cast<QLinearOp>(op).getScales(); }, 0);
      FailureOr<Value> rowScales = join([](Operation *op) -> Value { return cast<QLinearOp>(op).getRowScales(); }, 0);
      FailureOr<Value> zeros = join([](Operation *op) -> Value { return cast<QLinearOp>(op).getZeroPoints(); }, 0);
      if (failed(codes) || failed(scales) || failed(rowScales) || failed(zeros))
        return failure();
      merged = QLinearOp::create(builder, qlinear.getLoc(), type, qlinear.getInput(), *codes, *scales, *rowScales, *zeros,
                                 *bias, qlinear.getSchemeAttr(), name, qlinear.getGridAttr());
    }

    if (Attribute sparsity = first->getAttr(kSparsityAttr))
      merged.getDefiningOp()->setAttr(kSparsityAttr, sparsity);

    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, merged.getLoc(), merged);
    SmallVector<OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0)), strides(type.getRank(), builder.getIndexAttr(1));
    int64_t offset = 0;
    for (auto [op, width] : llvm::zip(group, widths)) {
      offsets.back() = builder.getIndexAttr(offset);
      sizes.back() = builder.getIndexAttr(width);
      offset += width;
      auto resultType = cast<RankedTensorType>(op->getResult(0).getType());
      Value slice = tensor::ExtractSliceOp::create(builder, op->getLoc(), resultType, merged, offsets, sizes, strides);
      op->getResult(0).replaceAllUsesWith(slice);
    }
    for (Operation *op : group)
      dead.eraseWithWeights(op);
    return success();
  }
};
} // namespace
