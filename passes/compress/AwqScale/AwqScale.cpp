//===- AwqScale.cpp - enlarges the weights of channels with large inputs --===//
#include "compress/Rounding/SecondOrder.h"
#include "compress/Scaling/InputScales.h"
#include "compress/Weights/Policy.h"
#include "terse/Passes.h"

#include "mlir/IR/Threading.h"

#include <cmath>

namespace terse {
#define GEN_PASS_DEF_AWQSCALE
#include "compress/AwqScale/AwqScale.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// mean|x|^alpha, so that the largest and the smallest are each other's inverse.
static std::vector<float> makeScales(ArrayRef<float> means, double alpha) {
  std::vector<float> scales;
  for (float mean : means)
    scales.push_back(std::max(std::pow(double(mean), alpha), 1e-4));
  auto [least, largest] = std::minmax_element(scales.begin(), scales.end());
  float middle = std::sqrt(*least * *largest);
  for (float &scale : scales)
    scale /= middle;
  return scales;
}

/// At most `limit` rows [.., k] of a weight, evenly spaced.
static std::vector<float> sampleRows(MLIRContext *context, const WeightRows &weight, int64_t limit) {
  const int64_t n = weight.getNumRows(), k = weight.getRowSize(), count = std::min(n, limit);
  std::vector<float> rows(count * k);
  parallelFor(context, 0, count, [&](size_t i) {
    int64_t row = i * n / count;
    weight.read(row, row + 1, rows.data() + i * k);
  });
  return rows;
}

namespace {
struct AwqScale : terse::impl::AwqScaleBase<AwqScale> {
  using AwqScaleBase::AwqScaleBase;

  LogicalResult initializeOptions(StringRef text, function_ref<LogicalResult(const Twine &)> error) override {
    if (failed(AwqScaleBase::initializeOptions(text, error)))
      return failure();
    auto refuse = [&](const Twine &what) { return error(getArgument() + ": expected " + what); };
    if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
      return refuse("bits of 2, 3, 4 or 8; got " + Twine(bits.getValue()));
    if (groupSize < 0)
      return refuse("a group size of 0 or more; got " + Twine(groupSize.getValue()));
    if (!parseScaleFormat(scale))
      return refuse("scale to be f16, f32 or i8; got '" + scale + "'");
    if (format != "int" && format != "nf4")
      return refuse("format to be int or nf4; got '" + format + "'");
    if (rows < 1)
      return refuse("1 row or more; got " + Twine(rows.getValue()));
    return success();
  }

  void runOnOperation() override {
    ScalingRequest request{getArgument(), layers, exclude, stats, head, onlyAbsorbed};
    if (failed(scaleInputs(getOperation(), request, [&](InputGroup &group, LayerStatistics &statistics) { return choose(group, statistics); })))
      signalPassFailure();
  }

private:
  RoundingOptions getRounding(const Policy &policy, int64_t k) {
    int64_t group = policy.groupSize.value_or(groupSize);
    RoundingOptions rounding{static_cast<unsigned>(policy.bits.value_or(bits)), group == 0 || group > k ? k : group, symmetric,
                             *parseScaleFormat(scale)};
    if (format == "nf4" && rounding.bits == 4) {
      Builder builder(&getContext());
      rounding.table = SchemeAttr::get(builder.getContext(), builder.getIntegerType(4), 0, builder.getF16Type(), ZeroPoint::None,
                                       Codebook::NF4)
                           .getTable();
    }
    return rounding;
  }

  FailureOr<ChosenScales> choose(InputGroup &group, LayerStatistics &statistics) {
    FailureOr<TapStatistics> tap =
        statistics.find(group.front(), group.names.front(), group.k, {Measure::AbsMean, Measure::SecondMoment});
    if (failed(tap))
      return failure();
    std::vector<double> alphas = getCandidateAlphas(), errors(alphas.size());
    for (size_t layer = 0; layer < group.layers.size(); ++layer) {
      FailureOr<WeightRows> weight = group.openWeight(layer);
      FailureOr<Policy> policy = getPolicy(group.layers[layer]);
      if (failed(weight) || failed(policy))
        return failure();
      std::vector<float> sample = sampleRows(&getContext(), *weight, rows);
      double part = double(weight->getNumRows()) / std::min<int64_t>(rows, weight->getNumRows());
      for (size_t c = 0; c < alphas.size(); ++c) {
        FailureOr<double> error = tryScales(group.layers[layer], group.names[layer], sample, *tap, makeScales(tap->absMean, alphas[c]),
                                            getRounding(*policy, group.k));
        if (failed(error))
          return failure();
        errors[c] += part * *error;
      }
    }
    size_t best = std::min_element(errors.begin(), errors.end()) - errors.begin();
    return ChosenScales{makeScales(tap->absMean, alphas[best]), alphas[best]};
  }

  /// The squared error of the outputs of rows [.., k] that are scaled and rounded.
  FailureOr<double> tryScales(Operation *layer, StringRef name, ArrayRef<float> sample, const TapStatistics &tap, ArrayRef<float> scales,
                              const RoundingOptions &rounding) {
    const int64_t k = tap.size, count = sample.size() / k, numGroups = (k + rounding.groupSize - 1) / rounding.groupSize;
    std::vector<float> hessian(tap.secondMoment.size());
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j)
        hessian[i * k + j] = tap.secondMoment[i * k + j] / (scales[i] * scales[j]);
    SecondOrderProblem problem{k, hessian};
    std::vector<double> errors((count + kLanes - 1) / kLanes);
    std::vector<char> failed(errors.size());
    parallelFor(&getContext(), 0, errors.size(), [&](size_t block) {
      int64_t begin = block * kLanes, size = std::min<int64_t>(count - begin, kLanes);
      std::vector<float> rows(size * k), rowScales(size * numGroups);
      std::vector<uint8_t> codes(size * k), zeros(size * numGroups);
      for (int64_t i = 0; i < size * k; ++i)
        rows[i] = sample[begin * k + i] * scales[i % k];
      SecondOrderRounding rounder({rounding}, problem);
      failed[block] = rounder.round(rows, size, codes, rowScales, zeros) != RowRounding::Ok;
      errors[block] = rounder.errors.outputError;
    });
    if (llvm::is_contained(failed, true))
      return layer->emitError() << "expected finite weights and scales of codes within range; got others in layer '" << name << "'";
    double sum = 0;
    for (double error : errors)
      sum += error;
    return sum;
  }
};
} // namespace
