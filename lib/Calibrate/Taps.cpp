//===- Taps.cpp - what a run's outputs say --------------------------------===//
#include "Taps.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace terse;

static llvm::Error refuse(llvm::StringRef what, llvm::StringRef name) {
  return llvm::createStringError("calibration: the " + what + " '" + name + "' is infinite or no number");
}

llvm::Error Taps::read(size_t index, const terse_tensor &output) {
  llvm::StringRef name = output.name;
  if (!name.consume_front("tap:"))
    return llvm::Error::success();
  llvm::Expected<Rows> rows = readRows(output, storage);
  if (!rows)
    return rows.takeError();
  auto tap = llvm::find_if(taps, [&](const auto &entry) { return entry.first == index; });
  if (tap == taps.end())
    tap = taps.insert(tap, {index, Accumulator(name.str(), rows->size, hasSecondMoments)});
  if (!tap->second.add(rows->values, rows->count, parallelFor))
    return refuse("input of the layer", name);
  return llvm::Error::success();
}

std::vector<TapStatistics> Taps::finish() {
  std::vector<TapStatistics> finished;
  for (auto &entry : taps)
    finished.push_back(entry.second.finish());
  return finished;
}

llvm::Error SpanSimilarity::add(Mean &mean, llvm::ArrayRef<float> before, llvm::ArrayRef<float> after) {
  for (size_t row = 0; row < after.size(); row += size) {
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = row, end = row + size; i < end; ++i) {
      xy += double(before[i]) * after[i];
      xx += double(before[i]) * before[i];
      yy += double(after[i]) * after[i];
    }
    if (!std::isfinite(xx) || !std::isfinite(yy))
      return refuse("input or output of the block at", name);
    // Nothing is like nothing only.
    mean.sum += xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : xx == yy;
    ++mean.count;
  }
  return llvm::Error::success();
}

llvm::Error SpanSimilarity::read(const terse_tensor &output) {
  llvm::StringRef kind = output.name;
  bool isLast = kind == "block_output";
  if (!isLast && !kind.starts_with("tap:"))
    return llvm::Error::success();
  llvm::Expected<Rows> rows = readRows(output, storage);
  if (!rows)
    return rows.takeError();
  size = rows->size;
  llvm::ArrayRef<float> values(rows->values, rows->count * rows->size);
  if (isLast) { // it comes before the taps
    last.assign(values.begin(), values.end());
    numRead = 0;
    return llvm::Error::success();
  }
  if (values.size() != last.size())
    return llvm::createStringError("calibration: the values along the block at '" + name + "' are not of one shape");
  if (numRead == 0)
    first.assign(values.begin(), values.end());
  else if (llvm::Error error = add(steps[numRead - 1], previous, values))
    return error;
  previous.assign(values.begin(), values.end());
  if (++numRead < steps.size())
    return llvm::Error::success();
  if (llvm::Error error = add(steps.back(), previous, last))
    return error;
  return add(whole, first, last);
}

std::vector<double> SpanSimilarity::getSteps() const {
  std::vector<double> means;
  for (const Mean &step : steps)
    means.push_back(step.get());
  return means;
}
