//===- SplitOutliers.cpp - outlier channels in layers of their own --------===//
#include "Terse/LayerAttributes.h"
#include "compress/Scaling/InputScales.h"
#include "compress/Weights/FloatStorage.h"
#include "compress/Weights/Policy.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"
#include "terse/Support/Share.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>
#include <numeric>

namespace terse {
#define GEN_PASS_DEF_SPLITOUTLIERS
#include "compress/SplitOutliers/SplitOutliers.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// `input`, [.., K], at `places` of its last dimension only.
static Value gatherChannels(OpBuilder &builder, Location loc, Value input, ArrayRef<int32_t> places) {
  auto type = cast<RankedTensorType>(input.getType());
  const int64_t rank = type.getRank();
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = places.size();
  SmallVector<Value> sizes;
  for (int64_t dim = 0; dim < rank; ++dim)
    if (type.isDynamicDim(dim))
      sizes.push_back(tensor::DimOp::create(builder, loc, input, dim));
  Value empty = tensor::EmptyOp::create(builder, loc, shape, type.getElementType(), sizes);
  auto placesType = RankedTensorType::get(static_cast<int64_t>(places.size()), builder.getI32Type());
  Value indices = arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(placesType, places));
  SmallVector<AffineMap> maps{AffineMap::get(rank, 0, builder.getAffineDimExpr(rank - 1)), builder.getMultiDimIdentityMap(rank)};
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(builder, loc, empty.getType(), indices, empty, maps, iterators,
                                           [&](OpBuilder &b, Location at, ValueRange arguments) {
                                             SmallVector<Value> position;
                                             for (int64_t dim = 0; dim + 1 < rank; ++dim)
                                               position.push_back(linalg::IndexOp::create(b, at, dim));
                                             position.push_back(arith::IndexCastOp::create(b, at, b.getIndexType(), arguments[0]));
                                             linalg::YieldOp::create(b, at, tensor::ExtractOp::create(b, at, input, position).getResult());
                                           });
  return generic.getResult(0);
}

namespace {
struct SplitOutliers : terse::impl::SplitOutliersBase<SplitOutliers> {
  using SplitOutliersBase::SplitOutliersBase;

  /// Values are checked with the text: a pipeline that cannot run is refused before any work.
  LogicalResult initializeOptions(StringRef text, function_ref<LogicalResult(const Twine &)> error) override {
    if (failed(SplitOutliersBase::initializeOptions(text, error)))
      return failure();
    return parseOptions([&](const Twine &what) { return error(getArgument() + ": " + what); });
  }

  void runOnOperation() override {
    if (failed(run()))
      signalPassFailure();
  }

private:
  LogicalResult parseOptions(function_ref<LogicalResult(const Twine &)> error) {
    std::optional<double> parsed = parseProperShare(share);
    if (!parsed)
      return error("expected a share of 0 or more and less than 1, such as 1%; got '" + share + "'");
    part = *parsed;
    if (bits != 8 && bits != 16)
      return error("expected bits to be 16 or 8; got " + Twine(bits.getValue()));
    if (criterion != "mean-square" && criterion != "range")
      return error("expected a criterion of mean-square or range; got '" + criterion + "'");
    return success();
  }

  LogicalResult run() {
    auto refuse = [&](const Twine &what) -> LogicalResult {
      return emitError(UnknownLoc::get(&getContext())) << getArgument() << ": " << what;
    };
    ScalingRequest request{getArgument(), layers, exclude, stats, head, /*onlyAbsorbed=*/false};
    LayerStatistics statistics;
    std::vector<InputGroup> groups;
    int64_t numLeft = 0, numInputs = 0, numLayers = 0, numChannels = 0;
    if (failed(parseOptions(refuse)) || failed(statistics.open(getOperation(), stats)) ||
        failed(findInputGroups(getOperation(), request, groups, numLeft)))
      return failure();
    for (InputGroup &group : groups) {
      int64_t count = part > 0 ? std::max<int64_t>(1, std::llround(part * group.k)) : 0;
      if (!llvm::all_of(group.layers, llvm::IsaPred<LinearOp>) || count == 0 || count >= group.k) {
        ++numLeft;
        continue;
      }
      FailureOr<std::vector<int32_t>> outliers = choose(group, count, statistics);
      if (failed(outliers) || failed(split(group, *outliers)))
        return failure();
      ++numInputs;
      numLayers += group.layers.size();
      numChannels += count;
    }
    getOperation()->walk([](func::FuncOp function) {
      for (Block &block : function.getBody())
        eraseDead(block);
    });
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "inputs-split", numInputs);
    report.add(getArgument(), "inputs-left", numLeft);
    report.add(getArgument(), "layers-split", numLayers);
    report.add(getArgument(), "outlier-channels", numChannels);
    return success();
  }

  /// The channels of the largest scores, in order.
  FailureOr<std::vector<int32_t>> choose(InputGroup &group, int64_t count, LayerStatistics &statistics) {
    bool isByRange = criterion == "range";
    FailureOr<TapStatistics> tap =
        statistics.find(group.front(), group.names.front(), group.k, isByRange ? Measure::AbsMax : Measure::SecondMoment);
    if (failed(tap))
      return failure();
    const int64_t k = group.k;
    std::vector<double> scores(k);
    for (int64_t j = 0; j < k; ++j)
      scores[j] = isByRange ? tap->absMax[j] : tap->secondMoment[j * (k + 1)];
    if (!llvm::all_of(scores, [](double score) { return std::isfinite(score); }))
      return group.front()->emitError() << "expected finite statistics of the input of layer '" << group.names.front() << "'";
    std::vector<int32_t> order(k);
    std::iota(order.begin(), order.end(), 0);
    llvm::sort(order, [&](int32_t a, int32_t b) { return std::pair(-scores[a], a) < std::pair(-scores[b], b); });
    order.resize(count);
    llvm::sort(order);
    return order;
  }

  LogicalResult split(InputGroup &group, ArrayRef<int32_t> outliers) {
    Operation *first = group.front();
    OpBuilder builder(first);
    std::vector<float> mask(group.k, 1);
    for (int32_t channel : outliers)
      mask[channel] = 0;
    FailureOr<WeightOp> onInput =
        addWeight(first, group.names.front() + ".outlier_mask", RankedTensorType::get(group.k, builder.getF32Type()), mask);
    if (failed(onInput))
      return failure();
    int64_t last = cast<RankedTensorType>(group.input.getType()).getRank() - 1;
    Value rest = ScaleChannelsOp::create(builder, first->getLoc(), group.input, *onInput, last);
    Value channels = gatherChannels(builder, first->getLoc(), group.input, outliers);
    for (size_t layer = 0; layer < group.layers.size(); ++layer)
      if (failed(splitLayer(group, layer, rest, channels, outliers)))
        return failure();
    return success();
  }

  LogicalResult splitLayer(const InputGroup &group, size_t layer, Value rest, Value channels, ArrayRef<int32_t> outliers) {
    auto linear = cast<LinearOp>(LinearLike(group.layers[layer]).getOperation());
    FailureOr<WeightRows> rows = group.openWeight(layer);
    if (failed(rows))
      return failure();
    std::vector<float> values(rows->getNumRows() * rows->getRowSize());
    rows->read(0, rows->getNumRows(), values.data());
    const int64_t k = group.k, n = values.size() / k, count = outliers.size();
    std::vector<float> taken;
    taken.reserve(n * count);
    for (int64_t row = 0; row < n; ++row)
      for (int32_t channel : outliers) {
        taken.push_back(values[row * k + channel]);
        values[row * k + channel] = 0;
      }
    OpBuilder builder(linear);
    RoundingSource source = getRoundingSource(linear.getWeight(), linear.getReductionAxis());
    Type element = source.weight.getType().getElementType();
    std::string name = source.weight.getName().str();
    FailureOr<WeightOp> main = addWeight(linear, name, RankedTensorType::get({n, k}, element), values);
    FailureOr<WeightOp> added =
        addWeight(linear, name + ".outliers", RankedTensorType::get({n, count}, bits == 16 ? builder.getF16Type() : element), taken);
    if (failed(main) || failed(added))
      return failure();
    Type computed = getElementTypeOrSelf(linear.getWeight());
    builder.setInsertionPointAfter(linear);
    auto second = cast<LinearOp>(builder.clone(*linear));
    second.setName(group.names[layer] + ".outliers");
    second->removeAttr(kSparsityAttr);
    second->setAttr(kOutliersAttr, builder.getUnitAttr());
    second.getBiasMutable().clear();
    Policy policy;
    if (bits == 16) {
      policy.keep = true;
    } else {
      policy.bits = 8;
      policy.groupSize = 0;
      policy.method = "rtn";
    }
    second->setAttr(kPolicyAttr, policy.toAttr(&getContext()));
    linear.setName(group.names[layer]);
    auto give = [&](LinearOp op, Value input, Value weight) {
      OpBuilder before(op);
      op.getInputMutable().assign(input);
      op.replaceWeight(castElements(before, weight, computed));
    };
    give(linear, rest, *main);
    give(second, channels, *added);
    Value sum = arith::AddFOp::create(builder, linear.getLoc(), linear.getResult(), second.getResult());
    linear.getResult().replaceAllUsesExcept(sum, sum.getDefiningOp());
    return success();
  }

  double part = 0;
};
} // namespace
