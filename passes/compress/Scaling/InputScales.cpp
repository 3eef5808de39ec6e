//===- InputScales.cpp - scales of the channels of layers' inputs -----------===//
#include "compress/Scaling/InputScales.h"

#include "Terse/LayerAttributes.h"
#include "compress/QuantizeWeights/QuantizeTensor.h"
#include "compress/Scaling/Absorb.h"
#include "compress/Weights/FloatStorage.h"
#include "compress/Weights/LayerNames.h"
#include "compress/Weights/Policy.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

#include <cmath>

using namespace mlir;
using namespace terse;

FailureOr<WeightRows> InputGroup::openWeight(size_t layer) const {
  LinearLike linear = layers[layer];
  int64_t axis = linear.getReductionAxis();
  return WeightRows::open(getRoundingSource(linear.getWeightOperand().get(), axis), axis, linear, names[layer]);
}

std::vector<double> terse::getCandidateAlphas() {
  std::vector<double> alphas;
  for (int i = 0; i <= 20; ++i)
    alphas.push_back(i / 20.0);
  return alphas;
}

static FailureOr<bool> isChosen(LinearLike layer, StringRef name, const ScalingRequest &request, LayerNames &names) {
  bool isNamed = names.contains(name);
  FailureOr<Policy> policy = getPolicy(layer);
  if (failed(policy))
    return failure();
  RoundingSource source = getRoundingSource(layer.getWeightOperand().get(), layer.getReductionAxis());
  return isNamed && !policy->keep && !isFrozen(layer) && source.weight && !source.coded && (request.head || !isHead(layer));
}

LogicalResult terse::findInputGroups(ModuleOp module, const ScalingRequest &request, std::vector<InputGroup> &groups, int64_t &numLeft) {
  LayerNames names(request.layers, request.exclude);
  auto error = [&](const Twine &what) -> LogicalResult {
    return emitError(UnknownLoc::get(module.getContext())) << request.pass << ": " << what;
  };
  if (failed(names.check(error)))
    return failure();
  llvm::MapVector<Value, SmallVector<LinearLike>> readers;
  module.walk([&](LinearLike layer) { readers[layer.getInputOperand().get()].push_back(layer); });
  numLeft = 0;
  for (auto &[input, layers] : readers) {
    InputGroup group{input, layers.front().getReductionSize(), layers, {}};
    bool areChosen = true;
    for (LinearLike layer : layers) {
      group.names.push_back(getNameOfLayer(layer));
      FailureOr<bool> chosen = isChosen(layer, group.names.back(), request, names);
      if (failed(chosen))
        return failure();
      areChosen &= *chosen;
    }
    SmallVector<Operation *> ops(layers.begin(), layers.end());
    if (areChosen && (!request.onlyAbsorbed || findAbsorber(input, ops)))
      groups.push_back(std::move(group));
    else
      numLeft += !isFrozen(layers.front());
  }
  return names.checkUsed(error);
}

static LogicalResult scaleBothSides(InputGroup &group, ArrayRef<float> scales) {
  std::vector<float> inverses;
  for (float scale : scales)
    inverses.push_back(1 / scale);
  Operation *first = group.front();
  auto type = RankedTensorType::get(group.k, Float32Type::get(first->getContext()));
  FailureOr<WeightOp> onInput = addWeight(first, group.names.front() + ".input_scale", type, inverses);
  FailureOr<WeightOp> onWeights = addWeight(first, group.names.front() + ".weight_scale", type, scales);
  if (failed(onInput) || failed(onWeights))
    return failure();
  OpBuilder builder(first);
  int64_t last = cast<RankedTensorType>(group.input.getType()).getRank() - 1;
  Value scaled = ScaleChannelsOp::create(builder, first->getLoc(), group.input, *onInput, last);
  for (LinearLike layer : group.layers) {
    builder.setInsertionPoint(layer);
    OpOperand &weight = layer.getWeightOperand();
    weight.set(ScaleChannelsOp::create(builder, layer.getLoc(), weight.get(), *onWeights, layer.getReductionAxis()));
    layer.getInputOperand().set(scaled);
  }
  return success();
}

LogicalResult terse::scaleInputs(ModuleOp module, const ScalingRequest &request,
                                 llvm::function_ref<FailureOr<ChosenScales>(InputGroup &, LayerStatistics &)> choose) {
  LayerStatistics statistics;
  std::vector<InputGroup> groups;
  int64_t numLeft = 0;
  if (failed(statistics.open(module, request.stats)) || failed(findInputGroups(module, request, groups, numLeft)))
    return failure();
  int64_t numLayers = 0;
  double largest = 1;
  llvm::json::Object alphas;
  for (InputGroup &group : groups) {
    FailureOr<ChosenScales> chosen = choose(group, statistics);
    if (failed(chosen) || failed(scaleBothSides(group, chosen->scales)))
      return failure();
    for (float scale : chosen->scales)
      largest = std::max<double>(largest, std::max(scale, 1 / scale));
    alphas[group.names.front()] = chosen->alpha;
    numLayers += group.layers.size();
  }
  Report &report = module.getContext()->getLoadedDialect<TerseDialect>()->getReport();
  report.add(request.pass, "inputs-scaled", static_cast<int64_t>(groups.size()));
  report.add(request.pass, "inputs-left", numLeft);
  report.add(request.pass, "layers-scaled", numLayers);
  if (!groups.empty()) {
    report.add(request.pass, "largest-scale", largest);
    report.add(request.pass, "alphas", std::move(alphas));
  }
  return success();
}
