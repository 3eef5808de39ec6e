//===- Promise.cpp - losses that are promised, and measured ---------------===//
#include "terse/Quality/Promise.h"

#include "terse/Runtime/FrequencyBands.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <limits>

using namespace terse;

MeasuredLoss::MeasuredLoss(const terse_perplexity &measured) : all(measured.perplexity_ratio - 1) {
  for (int i = 0; i < TERSE_BAND_COUNT; ++i)
    if (measured.bands[i].tokens > 0)
      bands[i] = measured.bands[i].perplexity_ratio - 1;
}

std::optional<double> MeasuredLoss::find(const LossPromise &promise) const {
  if (promise.band.empty())
    return all;
  for (int i = 0; i < TERSE_BAND_COUNT; ++i)
    if (promise.band == rt::FrequencyBands::nameOf(i))
      return bands[i];
  return std::nullopt;
}

llvm::Error terse::checkMeasured(llvm::ArrayRef<LossPromise> promises, const MeasuredLoss &loss) {
  for (const LossPromise &promise : promises)
    if (!loss.find(promise))
      return llvm::createStringError("the loss of the band '" + promise.band + "' is promised (--max-loss), but what is evaluated of the "
                                     "text has no token of it: expected a longer text or more windows");
  return llvm::Error::success();
}

double terse::getExcess(llvm::ArrayRef<LossPromise> promises, const MeasuredLoss &loss) {
  if (promises.empty())
    return 0;
  double excess = -std::numeric_limits<double>::infinity();
  for (const LossPromise &promise : promises) {
    double over = loss.find(promise).value_or(std::numeric_limits<double>::infinity()) - promise.loss;
    // A loss that is no number keeps nothing.
    excess = over == over ? std::max(excess, over) : std::numeric_limits<double>::infinity();
    if (over != over)
      break;
  }
  return excess;
}

std::string terse::describeBroken(llvm::ArrayRef<LossPromise> promises, const MeasuredLoss &loss) {
  std::string text;
  for (const LossPromise &promise : promises) {
    std::optional<double> measured = loss.find(promise);
    if (measured && *measured <= promise.loss)
      continue;
    text += (text.empty() ? "the loss of perplexity is " : ", ") +
            llvm::formatv("{0:f2} %{1}; expected at most {2:f2} %", 100 * measured.value_or(std::numeric_limits<double>::quiet_NaN()),
                          promise.band.empty() ? "" : " in the band " + promise.band, 100 * promise.loss)
                .str();
  }
  return text;
}
