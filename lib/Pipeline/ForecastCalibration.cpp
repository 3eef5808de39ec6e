//===- ForecastCalibration.cpp - what calibration will take ---------------===//
#include "ForecastCalibration.h"

#include "Terse/TerseDialect.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Analysis/Blocks.h"
#include "terse/Analysis/ElementEvaluator.h"
#include "terse/Statistics/Statistics.h"

using namespace mlir;
using namespace terse;

// Measured on Llamas of 2 M and 8 M parameters. Seconds of one thread: the code of a block, and an operation in it; a multiplication
// and addition of a layer's product, of x x^T, and of rounding by it.
static constexpr double kBlockTime = 0.35, kBlockOperationTime = 2e-3, kProductTime = 0.12e-9, kGramTime = 0.06e-9, kFeedbackTime = 0.15e-9;
// Bytes: copies of the model's and the blocks' IR, and what LLVM leaves behind.
static constexpr uint64_t kCopiesMemory = 25'000'000;
// Bytes of a block's code.
static constexpr uint64_t kBlockCode = 60'000;

namespace {
/// What one block needs.
struct BlockCost {
  uint64_t statistics = 0; ///< bytes of its file
  uint64_t light = 0;      ///< without second moments, as of traffic
  uint64_t weights = 0;    ///< bytes of its layers, as floats
  uint64_t output = 0;     ///< bytes of all that it gives to the next one
  uint64_t values = 0;     ///< bytes of its layers' inputs and outputs in one run
  uint64_t moments = 0;    ///< bytes of sums of x x^T
  uint64_t largest = 0;    ///< bytes of a layer's weight and second moments, largest
  // Multiplications and additions: of a run, of x x^T of it, and of rounding.
  double products = 0, gram = 0, feedback = 0;
};

/// Sweeps of coordinate descent of terse-quantize-weights: as the passes say, else its default.
double findSweeps(StringRef passes) {
  int64_t sweeps = 6;
  passes.substr(std::min(passes.size(), passes.find("sweeps="))).split('=').second.consumeInteger(10, sweeps);
  return static_cast<double>(sweeps);
}

class CalibrationCost {
public:
  CalibrationCost(const ForecastOptions &options, bool hasFeedback)
      : options(options), hasFeedback(hasFeedback), numSweeps(findSweeps(options.compress)), evaluator([&] {
          Environment environment;
          for (auto &symbol : options.sizes.symbols)
            environment.symbols[symbol.first()] = symbol.second;
          return environment;
        }()) {}

  BlockCost measure(ModelBlock &block) {
    BlockCost cost;
    DenseSet<Value> taps;
    for (LinearLike layer : block.layers) {
      auto weight = stripCasts(layer.getWeightOperand().get()).getDefiningOp<WeightOp>();
      if (!weight || !weight.getType().getNumElements())
        continue;
      double k = layer.getReductionSize(), n = weight.getType().getNumElements() / k;
      Value input = layer.getInputOperand().get();
      double rows = countElements(input) / k;
      cost.products += rows * n * k;
      cost.weights += 4 * n * k;
      cost.values += 4 * rows * n;
      if (hasFeedback)
        // Once as the codes are chosen, and in each sweep forth and back.
        cost.feedback += n * k * k / 2 * (1 + 2 * numSweeps) + k * k * k / 3;
      cost.largest = std::max<uint64_t>(cost.largest, 4 * (2 * n * k + 3 * k * k));
      if (!taps.insert(input).second)
        continue;
      uint64_t light = 3 * 4 * k + 8 * kHistogramBins + 300;
      cost.light += light;
      cost.statistics += light + 4 * k * k;
      cost.moments += 6 * k * k; // half of it as it is summed up, then all
      cost.values += 2 * 4 * rows * k; // once in the model, once as an output
      cost.gram += rows * k * k / 2;
    }
    if (block.output)
      cost.output = countElements(block.output) * options.sizes.numParts *
                    cast<RankedTensorType>(block.output.getType()).getElementTypeBitWidth() / 8;
    return cost;
  }

private:
  double countElements(Value value) {
    double count = 1;
    auto type = cast<RankedTensorType>(value.getType());
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      count *= type.isDynamicDim(dim) ? evaluator.getSize(value, dim).value_or(1) : type.getDimSize(dim);
    return count;
  }

  const ForecastOptions &options;
  bool hasFeedback;
  double numSweeps;
  ElementEvaluator evaluator;
};
} // namespace

CalibrationForecast terse::forecastCalibration(ModuleOp module, const ForecastOptions &options) {
  CalibrationForecast forecast;
  auto function = module.lookupSymbol<func::FuncOp>(TerseDialect::kEntryName);
  if (!function || function.isExternal())
    return forecast;
  std::vector<ModelBlock> blocks = findBlocks(function);
  bool measuresSpans = options.compress.contains("terse-prune-blocks");
  bool hasFeedback = options.compress.contains("method=gptq") || options.compress.contains("method:gptq") || options.compress.contains("terse-prune-sparsegpt");
  CalibrationCost costs(options, hasFeedback);
  const CalibrationOptions &calibration = *options.calibration;
  int64_t numOperations = 0;
  module.walk([&](Operation *) { ++numOperations; });
  // Of the traffic no more windows run than of the calibration, and its statistics are small.
  double streams = calibration.traffic.empty() ? 1 : 1 + std::min(1.0, 32.0 / calibration.windows);
  uint64_t statistics = 0, artifact = 0, outputs = 0, before = 0;
  double products = 0, rest = 0;
  for (auto [i, block] : llvm::enumerate(blocks)) {
    BlockCost cost = costs.measure(block);
    bool isLast = i + 1 == blocks.size();
    statistics += cost.statistics + (calibration.traffic.empty() ? 0 : cost.light);
    outputs = std::max(outputs, before + cost.output);
    artifact = std::max(artifact, cost.weights);
    before = cost.output;
    // Its input is mapped, and so are its weights.
    uint64_t running = cost.weights + cost.values + cost.moments + cost.output;
    forecast.memoryBytes = std::max(forecast.memoryBytes, std::max(running, cost.largest));
    unsigned runs = (isLast || calibration.fromOriginal ? 1 : 2) + (measuresSpans && !isLast);
    forecast.codeSeconds += runs * (kBlockTime + kBlockOperationTime * numOperations / blocks.size());
    products += runs * cost.products;
    rest += cost.gram * options.sizes.numParts * kGramTime + cost.feedback * kFeedbackTime;
  }
  forecast.memoryBytes += kCopiesMemory;
  forecast.diskBytes = (calibration.statistics.empty() ? 1 : 2) * statistics + streams * outputs + artifact + kBlockCode;
  forecast.arithmeticSeconds = (streams * products * options.sizes.numParts * kProductTime + rest) / options.threads;
  return forecast;
}
