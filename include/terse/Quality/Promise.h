//===- Promise.h - losses that are promised, and measured -------*- C++ -*-===//
#ifndef TERSE_QUALITY_PROMISE_H
#define TERSE_QUALITY_PROMISE_H

#include "terse-c/terse.h"
#include "terse/Pipeline/Compile.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <array>
#include <optional>

namespace terse {

/// What a model lost on a text: perplexity over the original's, minus 1.
struct MeasuredLoss {
  double all = 0;
  /// In the order of terse/Runtime/FrequencyBands.h; unset: the text has no token in the band.
  std::array<std::optional<double>, TERSE_BAND_COUNT> bands;

  MeasuredLoss() = default;
  explicit MeasuredLoss(const terse_perplexity &measured);

  /// Of the promise's tokens.
  std::optional<double> find(const LossPromise &promise) const;
};

/// Fails where a promise is about tokens that the text does not have: then nothing can be said of it.
llvm::Error checkMeasured(llvm::ArrayRef<LossPromise> promises, const MeasuredLoss &loss);

/// By how much the promise that is broken most is exceeded, in shares; at most 0: all are kept. No promise: 0.
double getExcess(llvm::ArrayRef<LossPromise> promises, const MeasuredLoss &loss);
inline bool areKept(llvm::ArrayRef<LossPromise> promises, const MeasuredLoss &loss) { return getExcess(promises, loss) <= 0; }

/// "the loss of perplexity is 3.00 %; expected at most 1.00 %", and so on for each promise that is broken; empty: none is.
std::string describeBroken(llvm::ArrayRef<LossPromise> promises, const MeasuredLoss &loss);

} // namespace terse

#endif // TERSE_QUALITY_PROMISE_H
