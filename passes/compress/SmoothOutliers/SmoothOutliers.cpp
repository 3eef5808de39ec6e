//===- SmoothOutliers.cpp - moves outliers of activations into weights ----===//
#include "compress/Scaling/InputScales.h"
#include "terse/Passes.h"

#include "mlir/IR/Threading.h"

#include <cmath>

namespace terse {
#define GEN_PASS_DEF_SMOOTHOUTLIERS
#include "compress/SmoothOutliers/SmoothOutliers.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

constexpr int64_t kRowsAtOnce = 32;

/// What `measure` adds up of the rows [.., k] of each weight of a group, [size] each: 32 rows at a time, in parallel, joined in their order by `join`.
template <typename T>
static FailureOr<std::vector<T>> measureWeights(const InputGroup &group, size_t size,
                                                llvm::function_ref<void(ArrayRef<float>, std::vector<T> &)> measure,
                                                llvm::function_ref<T(T, T)> join) {
  std::vector<T> all(size);
  for (size_t layer = 0; layer < group.layers.size(); ++layer) {
    FailureOr<WeightRows> weight = group.openWeight(layer);
    if (failed(weight))
      return failure();
    const int64_t n = weight->getNumRows(), k = weight->getRowSize();
    std::vector<std::vector<T>> parts((n + kRowsAtOnce - 1) / kRowsAtOnce);
    parallelFor(group.front()->getContext(), 0, parts.size(), [&](size_t block) {
      int64_t begin = block * kRowsAtOnce, end = std::min<int64_t>(n, begin + kRowsAtOnce);
      std::vector<float> rows((end - begin) * k);
      weight->read(begin, end, rows.data());
      parts[block].assign(size, 0);
      measure(rows, parts[block]);
    });
    for (const std::vector<T> &part : parts)
      for (size_t i = 0; i < size; ++i)
        all[i] = join(all[i], part[i]);
    if (!llvm::all_of(all, [](T value) { return std::isfinite(value); }))
      return LinearLike(group.layers[layer]).emitError()
             << "expected finite weights; got NaN or infinity in layer '" << group.names[layer] << "'";
  }
  return all;
}

/// Unlike std::max, NaN if either is.
static float findLarger(float a, float b) { return a >= b || std::isnan(a) ? a : b; }

/// The largest magnitudes of the columns of all weights of a group.
static FailureOr<std::vector<float>> findLargestWeights(const InputGroup &group) {
  return measureWeights<float>(
      group, group.k,
      [&](ArrayRef<float> rows, std::vector<float> &largest) {
        for (size_t i = 0; i < rows.size(); ++i)
          largest[i % group.k] = findLarger(largest[i % group.k], std::fabs(rows[i]));
      },
      findLarger);
}

static std::vector<float> makeScales(ArrayRef<float> inputs, ArrayRef<float> weights, double alpha) {
  std::vector<float> scales(inputs.size(), 1);
  for (size_t j = 0; j < inputs.size(); ++j)
    if (inputs[j] > 0 && weights[j] > 0)
      scales[j] = std::min(std::max(std::pow(double(inputs[j]), alpha) / std::pow(double(weights[j]), 1 - alpha), 1e-5), 1e5);
  return scales;
}

/// The noise that 8-bit rounding of both sides adds to the outputs, for each of several scales, [candidates]: of the input with one step d,
/// d^2 / 12 times the squares of the weights; of each weight's row with its step, that times the mean squares of the input.
static FailureOr<std::vector<double>> predictNoise(const InputGroup &group, const TapStatistics &tap,
                                                   ArrayRef<std::vector<float>> candidates) {
  const int64_t k = group.k;
  std::vector<double> inputStep(candidates.size()), inputSquares(candidates.size());
  for (size_t c = 0; c < candidates.size(); ++c)
    for (int64_t j = 0; j < k; ++j) {
      inputStep[c] = std::max<double>(inputStep[c], tap.absMax[j] / candidates[c][j] / 127);
      inputSquares[c] += double(tap.secondMoment[j * (k + 1)]) / candidates[c][j] / candidates[c][j];
    }
  return measureWeights<double>(
      group, candidates.size(),
      [&](ArrayRef<float> rows, std::vector<double> &noise) {
        for (size_t c = 0; c < candidates.size(); ++c)
          for (size_t row = 0; row < rows.size() / k; ++row) {
            float largest = 0, squares = 0;
            for (int64_t j = 0; j < k; ++j) {
              float scaled = rows[row * k + j] * candidates[c][j];
              largest = std::max(largest, std::fabs(scaled));
              squares += scaled * scaled;
            }
            double step = largest / 127.0;
            noise[c] += (inputStep[c] * inputStep[c] * squares + step * step * inputSquares[c]) / 12;
          }
      },
      [](double a, double b) { return a + b; });
}

namespace {
struct SmoothOutliers : terse::impl::SmoothOutliersBase<SmoothOutliers> {
  using SmoothOutliersBase::SmoothOutliersBase;

  LogicalResult initializeOptions(StringRef text, function_ref<LogicalResult(const Twine &)> error) override {
    if (failed(SmoothOutliersBase::initializeOptions(text, error)))
      return failure();
    double number = 0;
    if (alpha != "auto" && (StringRef(alpha).getAsDouble(number) || !(number >= 0 && number <= 1)))
      return error(getArgument() + ": expected alpha to be 0 to 1 or auto; got '" + alpha + "'");
    return success();
  }

  void runOnOperation() override {
    ScalingRequest request{getArgument(), layers, exclude, stats, head, onlyAbsorbed};
    if (failed(scaleInputs(getOperation(), request, [&](InputGroup &group, LayerStatistics &statistics) { return choose(group, statistics); })))
      signalPassFailure();
  }

  FailureOr<ChosenScales> choose(InputGroup &group, LayerStatistics &statistics) {
    SmallVector<Measure> needed{Measure::AbsMax};
    if (alpha == "auto")
      needed.push_back(Measure::SecondMoment);
    FailureOr<TapStatistics> tap = statistics.find(group.front(), group.names.front(), group.k, needed);
    if (failed(tap))
      return failure();
    FailureOr<std::vector<float>> weights = findLargestWeights(group);
    if (failed(weights))
      return failure();
    double fixed = 0;
    if (!StringRef(alpha).getAsDouble(fixed))
      return ChosenScales{makeScales(tap->absMax, *weights, fixed), fixed};
    std::vector<double> alphas = getCandidateAlphas();
    std::vector<std::vector<float>> candidates;
    for (double candidate : alphas)
      candidates.push_back(makeScales(tap->absMax, *weights, candidate));
    FailureOr<std::vector<double>> noise = predictNoise(group, *tap, candidates);
    if (failed(noise))
      return failure();
    size_t best = std::min_element(noise->begin(), noise->end()) - noise->begin();
    return ChosenScales{candidates[best], alphas[best]};
  }
};
} // namespace
