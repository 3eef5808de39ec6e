//===- LayerStatistics.cpp - what calibration saw, for passes ---------------===//
#include "compress/Weights/LayerStatistics.h"

#include "Terse/LayerAttributes.h"
#include "compress/Weights/FloatStorage.h"

#include "mlir/IR/Threading.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace terse;

static std::string describeRotation(StringRef rotation) {
  return rotation.empty() ? "that is not rotated" : "rotated by '" + rotation.str() + "'";
}

namespace {
struct KeptChannels {
  int64_t of;
  ArrayRef<int64_t> kept;
};
} // namespace

/// None where there is no such attribute, or it is none of an input of `k` channels.
static std::optional<KeptChannels> getKeptChannels(Operation *layer, int64_t k) {
  auto attribute = layer->getAttrOfType<DictionaryAttr>(kKeptChannelsAttr);
  if (!attribute)
    return std::nullopt;
  auto of = attribute.getAs<IntegerAttr>("of");
  auto kept = attribute.getAs<DenseI64ArrayAttr>("kept");
  if (!of || !of.getType().isSignlessInteger(64) || !kept || kept.size() != k)
    return std::nullopt;
  auto fits = [&](int64_t channel) { return channel >= 0 && channel < of.getInt(); };
  return llvm::all_of(kept.asArrayRef(), fits) ? std::optional<KeptChannels>({of.getInt(), kept.asArrayRef()}) : std::nullopt;
}

LogicalResult LayerStatistics::open(ModuleOp module, StringRef path) {
  if (path.empty())
    if (auto named = module->getAttrOfType<StringAttr>(kStatisticsAttr))
      path = named.getValue();
  if (path.empty())
    return success();
  llvm::Expected<Statistics> opened = Statistics::open(path);
  if (!opened)
    return emitError(UnknownLoc::get(module.getContext())) << llvm::toString(opened.takeError());
  auto rotation = module->getAttrOfType<StringAttr>(kRotationAttr);
  StringRef expected = rotation ? rotation.getValue() : "";
  const std::map<std::string, std::string> &metadata = opened->getFile().getMetadata();
  auto found = metadata.find("rotation");
  if (StringRef measured = found == metadata.end() ? StringRef() : StringRef(found->second); measured != expected)
    return emitError(UnknownLoc::get(module.getContext()))
           << "expected statistics '" << path << "' of a model " << describeRotation(expected) << "; got those of one " << describeRotation(measured);
  file = std::make_shared<const Statistics>(std::move(*opened));
  return success();
}

DictionaryAttr terse::composeKeptChannels(Operation *layer, int64_t k, ArrayRef<int64_t> channels) {
  SmallVector<int64_t> kept(channels);
  int64_t of = k;
  if (std::optional<KeptChannels> before = getKeptChannels(layer, k)) {
    of = before->of;
    for (int64_t &channel : kept)
      channel = before->kept[channel];
  }
  Builder builder(layer->getContext());
  return builder.getDictionaryAttr({builder.getNamedAttr("of", builder.getI64IntegerAttr(of)),
                                    builder.getNamedAttr("kept", builder.getDenseI64ArrayAttr(kept))});
}

void LayerStatistics::ChangedTap::putInto(TapStatistics &tap) const {
  tap.name = name;
  tap.absMax = absMax;
  tap.absMean = absMean;
  tap.mean = mean;
  tap.secondMoment = secondMoment;
  tap.histogram.clear();
  tap.limit = 0;
}

llvm::Expected<TapStatistics> LayerStatistics::findKept(Operation *user, StringRef layer, int64_t k) {
  llvm::Expected<TapStatistics> found = file->find(layer, k);
  std::optional<KeptChannels> channels = getKeptChannels(user, k);
  if (found || !channels)
    return found;
  // Measured before channels were removed; if not even so, the first error is the one to tell.
  llvm::Expected<TapStatistics> whole = file->find(layer, channels->of);
  if (!whole) {
    llvm::consumeError(whole.takeError());
    return found;
  }
  llvm::consumeError(found.takeError());
  TapStatistics tap = *whole;
  std::string name = tap.name + llvm::formatv(" of {0}", user).str();
  if (name != kept.name) {
    auto select = [&](ArrayRef<float> values, std::vector<float> &results) {
      results.clear();
      for (int64_t channel : channels->kept)
        if (!values.empty())
          results.push_back(values[channel]);
    };
    select(tap.absMax, kept.absMax);
    select(tap.absMean, kept.absMean);
    select(tap.mean, kept.mean);
    kept.secondMoment.clear();
    if (!tap.secondMoment.empty())
      for (int64_t row : channels->kept)
        for (int64_t column : channels->kept)
          kept.secondMoment.push_back(tap.secondMoment[row * channels->of + column]);
    kept.name = name;
  }
  kept.putInto(tap);
  tap.size = k;
  return tap;
}

FailureOr<TapStatistics> LayerStatistics::find(Operation *user, StringRef layer, int64_t k, ArrayRef<Measure> needed) {
  if (!file)
    return user->emitError() << "expected statistics of the input of layer '" << layer << "'; got no file of statistics (stats=FILE)";
  llvm::Expected<TapStatistics> tap = findKept(user, layer, k);
  if (!tap)
    return user->emitError() << llvm::toString(tap.takeError());
  for (Measure measure : needed) {
    auto [values, what] = measure == Measure::AbsMax    ? std::pair(tap->absMax, "largest magnitudes")
                          : measure == Measure::AbsMean ? std::pair(tap->absMean, "mean magnitudes")
                                                            : std::pair(tap->secondMoment, "second moments");
    if (values.empty())
      return user->emitError() << "expected " << what << " of the input of layer '" << layer << "' in the statistics '"
                               << file->getFile().getPath() << "'; got none";
    // A second moment that is no number is found where it is used, by its place.
    if (measure != Measure::SecondMoment && !llvm::all_of(values, [](float value) { return value >= 0 && std::isfinite(value); }))
      return user->emitError() << "expected finite " << what << " of the input of layer '" << layer << "'";
  }
  if (failed(scale(user, *tap)))
    return failure();
  return *tap;
}

/// The values of a layer's input that were measured: before rounding and scaling, which is added to `scales`.
static Value skipScales(Value input, SmallVectorImpl<ScaleChannelsOp> &scales) {
  while (Operation *op = input.getDefiningOp()) {
    if (auto scale = dyn_cast<ScaleChannelsOp>(op))
      scales.push_back(scale);
    else if (!isa<QuantizeDynamicOp, QuantizeStaticOp>(op))
      break;
    input = op->getOperand(0);
  }
  return input;
}

LogicalResult LayerStatistics::scale(Operation *user, TapStatistics &tap) {
  SmallVector<ScaleChannelsOp> scales;
  if (auto layer = dyn_cast<LinearLike>(user))
    skipScales(layer.getInputOperand().get(), scales);
  if (scales.empty())
    return success();
  std::string name = tap.name;
  for (ScaleChannelsOp op : scales)
    name += llvm::formatv(" scaled {0}", op.getOperation()).str();
  const int64_t k = tap.size;
  if (name != scaled.name) {
    std::vector<float> factors(k, 1);
    for (ScaleChannelsOp op : scales) {
      FailureOr<std::vector<float>> more = readFloats(op.getScale(), user);
      if (failed(more))
        return failure();
      for (int64_t j = 0; j < k; ++j)
        factors[j] *= (*more)[j];
    }
    auto multiply = [&](ArrayRef<float> values, std::vector<float> &results, bool isSize) {
      results.assign(values.begin(), values.end());
      for (size_t j = 0; j < results.size(); ++j)
        results[j] *= isSize ? std::fabs(factors[j]) : factors[j];
    };
    multiply(tap.absMax, scaled.absMax, true);
    multiply(tap.absMean, scaled.absMean, true);
    multiply(tap.mean, scaled.mean, false);
    scaled.secondMoment.assign(tap.secondMoment.begin(), tap.secondMoment.end());
    for (size_t i = 0; i < scaled.secondMoment.size(); ++i)
      scaled.secondMoment[i] *= factors[i / k] * factors[i % k];
    scaled.name = name;
  }
  scaled.putInto(tap);
  return success();
}

FailureOr<const ErrorFeedback *> LayerStatistics::getFeedback(Operation *user, StringRef layer, const TapStatistics &tap,
                                                              double damping, bool bySize) {
  std::string key = tap.name + "\n" + std::to_string(damping) + (bySize ? " by size" : "");
  if (key == feedbackOf)
    return &feedback;
  feedbackOf.clear();
  feedback = ErrorFeedback(); // its memory comes first
  MLIRContext *context = user->getContext();
  auto run = [&](size_t count, llvm::function_ref<void(size_t)> body) { parallelFor(context, 0, count, body); };
  std::vector<int32_t> order(tap.size);
  std::iota(order.begin(), order.end(), 0);
  // A diagonal of NaN cannot be put in order; it is refused anyway.
  bool isOrdered = bySize && getMeanSquare(tap) >= 0;
  llvm::Expected<ErrorFeedback> made = makeErrorFeedback(
      tap.secondMoment, isOrdered ? orderByDiagonal(tap.secondMoment, tap.size) : std::move(order), damping, run);
  if (!made)
    return user->emitError() << "cannot use the statistics of the input of layer '" << layer << "': " << llvm::toString(made.takeError());
  feedback = std::move(*made);
  feedbackOf = key;
  return &feedback;
}

double terse::getMeanSquare(const TapStatistics &tap) {
  double sum = 0;
  for (int64_t i = 0; i < tap.size; ++i)
    sum += tap.secondMoment[i * (tap.size + 1)];
  return tap.size ? sum / tap.size : 0;
}
