//===- PruneLayers.cpp - what passes that prune have in common --------------===//
#include "compress/Pruning/PruneLayers.h"

#include "Terse/LayerAttributes.h"
#include "compress/QuantizeWeights/QuantizeTensor.h"
#include "compress/Weights/FloatStorage.h"
#include "compress/Weights/LayerNames.h"
#include "normalize/Algebra/Algebra.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Threading.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace terse;

namespace {
class Pruner {
public:
  Pruner(ModuleOp module, const PruneRequest &request, llvm::function_ref<LogicalResult(PrunedLayer &, LayerStatistics &)> prune)
      : module(module), request(request), prune(prune), names(request.layers, request.exclude) {}

  LogicalResult run();

private:
  InFlightDiagnostic error() { return emitError(UnknownLoc::get(module.getContext())) << request.pass << ": "; }
  LogicalResult refuse(const Twine &what) { return error() << what; }

  /// What became of a weight.
  struct Result {
    WeightOp weight;
    SparsityPattern pattern;
  };

  LogicalResult check();
  /// Unset if the layer is left.
  FailureOr<std::optional<PruneOptions>> getOptions(LinearLike layer, StringRef name);
  FailureOr<Result> pruneWeight(LinearLike layer, StringRef name, RoundingSource source, const PruneOptions &options);
  void report();

  ModuleOp module;
  const PruneRequest &request;
  llvm::function_ref<LogicalResult(PrunedLayer &, LayerStatistics &)> prune;
  LayerNames names;
  LayerStatistics statistics;
  SparsityPattern pattern;
  int64_t numPruned = 0, numLeft = 0, numZeros = 0, numWeights = 0;
  RoundingErrors errors;
  double worstError = -1;
  std::string worst;
  llvm::json::Object layerErrors; ///< by name
};
} // namespace

LogicalResult Pruner::check() {
  if (!(request.sparsity >= 0 && request.sparsity < 1))
    return error() << "expected a sparsity of 0 or more and less than 1; got " << request.sparsity;
  if (request.numSweeps < 0)
    return error() << "expected sweeps of 0 or more; got " << request.numSweeps;
  std::optional<SparsityPattern> parsed = SparsityPattern::parse(request.pattern);
  if (!parsed)
    return error() << "expected a pattern N:M with 0 < N < M <= 64; got '" << request.pattern << "'";
  pattern = *parsed;
  if (failed(names.check([&](const Twine &what) { return refuse(what); })))
    return failure();
  return statistics.open(module, request.stats);
}

FailureOr<std::optional<PruneOptions>> Pruner::getOptions(LinearLike layer, StringRef name) {
  FailureOr<Policy> policy = getPolicy(layer);
  if (failed(policy))
    return failure();
  bool isNamed = names.contains(name);
  bool isAsked = policy->sparsity || policy->pattern || request.head || !isHead(layer);
  if (!isNamed || !isAsked || policy->keep || isFrozen(layer))
    return std::optional<PruneOptions>();
  PruneOptions options{policy->sparsity.value_or(request.sparsity), policy->pattern.value_or(pattern), request.numSweeps};
  // A sparsity of its own is of zeros anywhere, unless it has a pattern too.
  if (policy->sparsity && !policy->pattern)
    options.pattern = {};
  if (!options.pattern.isStructured() && options.sparsity == 0)
    return std::optional<PruneOptions>();
  return std::optional<PruneOptions>(options);
}

FailureOr<Pruner::Result> Pruner::pruneWeight(LinearLike layer, StringRef name, RoundingSource source, const PruneOptions &options) {
  FailureOr<WeightRows> rows = WeightRows::open(source, layer.getReductionAxis(), layer, name);
  if (failed(rows))
    return failure();
  PrunedLayer pruned{layer, name.str(), rows->getNumRows(), rows->getRowSize(), {}, options, {}};
  pruned.weights.resize(pruned.n * pruned.k);
  constexpr int64_t kRowsAtOnce = 32;
  parallelFor(module.getContext(), 0, (pruned.n + kRowsAtOnce - 1) / kRowsAtOnce, [&](size_t block) {
    int64_t begin = block * kRowsAtOnce;
    rows->read(begin, std::min(pruned.n, begin + kRowsAtOnce), pruned.weights.data() + begin * pruned.k);
  });
  for (size_t i = 0; i < pruned.weights.size(); ++i)
    if (!std::isfinite(pruned.weights[i]))
      return layer->emitError() << "expected finite weights; got NaN or infinity in output channel " << i / pruned.k << " of layer '" << name << "'";
  if (failed(prune(pruned, statistics)))
    return failure();

  for (float value : pruned.weights)
    numZeros += value == 0;
  numWeights += pruned.weights.size();
  errors += pruned.errors;
  bool known = pruned.errors.outputNorm > 0;
  double part = known ? pruned.errors.outputError : pruned.errors.squaredError;
  double whole = known ? pruned.errors.outputNorm : pruned.errors.squaredNorm;
  double error = whole > 0 ? std::sqrt(std::max(0.0, part) / whole) : 0;
  layerErrors[name.str()] = error;
  if (error > worstError) {
    worstError = error;
    worst = name.str();
  }
  Type element = source.coded ? Float32Type::get(module.getContext()) : source.getType().getElementType();
  auto type = RankedTensorType::get({pruned.n, pruned.k}, element);
  WeightStore &store = module.getContext()->getLoadedDialect<TerseDialect>()->getWeightStore();
  llvm::Expected<Attribute> data = store.add(type, storeFloats(pruned.weights, element));
  if (!data)
    return layer->emitError() << "cannot store the weight of layer '" << name << "': " << llvm::toString(data.takeError());
  OpBuilder builder(module.getContext());
  builder.setInsertionPointAfter(source.weight);
  auto weight = WeightOp::create(builder, source.weight.getLoc(), type, builder.getStringAttr(source.weight.getName() + ".pruned"), *data);
  return Result{weight, options.pattern};
}

LogicalResult Pruner::run() {
  if (failed(check()))
    return failure();
  SmallVector<LinearLike> layers;
  module.walk([&](LinearLike layer) { layers.push_back(layer); });
  llvm::MapVector<std::tuple<Operation *, Operation *, int64_t>, Result> done;
  for (LinearLike layer : layers) {
    int64_t axis = layer.getReductionAxis();
    RoundingSource source = getRoundingSource(layer.getWeightOperand().get(), axis);
    if (!source.weight) {
      numLeft += !isFrozen(layer);
      continue;
    }
    std::string name = getNameOfLayer(layer);
    FailureOr<std::optional<PruneOptions>> options = getOptions(layer, name);
    if (failed(options))
      return failure();
    if (!*options) {
      numLeft += !isFrozen(layer);
      continue;
    }
    auto key = std::make_tuple(source.weight.getOperation(), source.scaled.getOperation(), axis);
    if (!done.count(key)) {
      FailureOr<Result> result = pruneWeight(layer, name, source, **options);
      if (failed(result))
        return failure();
      done.insert({key, *result});
    }
    Result result = done.find(key)->second;
    OpBuilder builder(layer);
    layer.replaceWeight(castElements(builder, result.weight->getResult(0), getElementTypeOrSelf(layer.getWeightOperand().get())));
    layer->setAttr(kSparsityAttr, builder.getStringAttr(result.pattern.str()));
    ++numPruned;
  }
  if (failed(names.checkUsed([&](const Twine &what) { return refuse(what); })))
    return failure();
  module.walk([](func::FuncOp func) {
    for (Block &block : func.getBody())
      eraseDead(block);
  });
  report();
  return success();
}

void Pruner::report() {
  Report &report = module.getContext()->getLoadedDialect<TerseDialect>()->getReport();
  report.add(request.pass, "layers-pruned", numPruned);
  report.add(request.pass, "layers-left", numLeft);
  if (numWeights)
    report.add(request.pass, "zeros", static_cast<double>(numZeros) / numWeights);
  if (errors.squaredNorm > 0)
    report.add(request.pass, "relative-error", std::sqrt(errors.squaredError / errors.squaredNorm));
  if (errors.outputNorm > 0)
    report.add(request.pass, "output-error", std::sqrt(std::max(0.0, errors.outputError) / errors.outputNorm));
  if (!layerErrors.empty())
    report.add(request.pass, "layer-errors", std::move(layerErrors));
  if (!worst.empty())
    report.add(request.pass, "worst-layer", worst + " (" + llvm::formatv("{0:f4}", worstError).str() + ")");
}

LogicalResult terse::pruneLayers(ModuleOp module, const PruneRequest &request,
                                 llvm::function_ref<LogicalResult(PrunedLayer &, LayerStatistics &)> prune) {
  return Pruner(module, request, prune).run();
}
