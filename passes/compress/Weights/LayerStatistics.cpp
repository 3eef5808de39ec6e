//===- LayerStatistics.cpp - what calibration saw, for passes ---------------===//
#include "compress/Weights/LayerStatistics.h"

#include "Terse/LayerAttributes.h"

#include "mlir/IR/Threading.h"

#include <numeric>

using namespace mlir;
using namespace terse;

LogicalResult LayerStatistics::open(ModuleOp module, StringRef path) {
  if (path.empty())
    if (auto named = module->getAttrOfType<StringAttr>(kStatisticsAttr))
      path = named.getValue();
  if (path.empty())
    return success();
  llvm::Expected<Statistics> opened = Statistics::open(path);
  if (!opened)
    return emitError(UnknownLoc::get(module.getContext())) << llvm::toString(opened.takeError());
  file = std::make_shared<const Statistics>(std::move(*opened));
  return success();
}

FailureOr<TapStatistics> LayerStatistics::find(Operation *user, StringRef layer, int64_t k) {
  if (!file)
    return user->emitError() << "expected statistics of the input of layer '" << layer << "'; got no file of statistics (stats=FILE)";
  llvm::Expected<TapStatistics> tap = file->find(layer, k);
  if (!tap)
    return user->emitError() << llvm::toString(tap.takeError());
  if (tap->secondMoment.empty())
    return user->emitError() << "expected second moments of the input of layer '" << layer << "' in the statistics '"
                             << file->getFile().getPath() << "'; got none";
  return *tap;
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
