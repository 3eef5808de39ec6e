//===- OutputError.cpp - how far outputs are from others --------*- C++ -*-===//
#include "terse/Runtime/OutputError.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace terse::rt {

namespace {

template <typename T> double load(const void *data, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const T *>(data) + index, sizeof value);
  return double(value);
}

/// An element as a number. 64-bit integers beyond 2^53 are rounded.
double loadNumber(const TensorView &tensor, int64_t i) {
  const void *data = tensor.data;
  switch (tensor.dtype) {
  case DType::F32:
    return load<float>(data, i);
  case DType::F64:
    return load<double>(data, i);
  case DType::F16:
    return halfToFloat(static_cast<const uint16_t *>(data)[i]);
  case DType::BF16:
    return bfloatToFloat(static_cast<const uint16_t *>(data)[i]);
  case DType::I8:
    return load<int8_t>(data, i);
  case DType::U8:
  case DType::Bool:
    return load<uint8_t>(data, i);
  case DType::I16:
    return load<int16_t>(data, i);
  case DType::U16:
    return load<uint16_t>(data, i);
  case DType::I32:
    return load<int32_t>(data, i);
  case DType::U32:
    return load<uint32_t>(data, i);
  case DType::I64:
    return load<int64_t>(data, i);
  case DType::U64:
    return load<uint64_t>(data, i);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

/// The place of the largest element of a row; NaN never wins.
int64_t largestOf(const TensorView &tensor, int64_t row, int64_t columns) {
  int64_t best = -1;
  double largest = 0;
  for (int64_t i = 0; i < columns; ++i) {
    double value = loadNumber(tensor, row * columns + i);
    if (value == value && (best < 0 || value > largest)) {
      best = i;
      largest = value;
    }
  }
  return best;
}

std::string textOf(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

int64_t columnsOf(const TensorView &tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape.back();
}

} // namespace

double OutputError::maxOverRange() const {
  if (range > 0)
    return maxAbsolute / range;
  return maxAbsolute > 0 ? std::numeric_limits<double>::infinity() : 0;
}

Status compareOutputs(const TensorView &value, const TensorView &reference,
                      OutputError &result) {
  if (value.shape != reference.shape)
    return fail(Code::InvalidArgument, "expected the shape %s; got %s",
                textOf(reference.shape).c_str(), textOf(value.shape).c_str());
  result = {};
  result.elements = value.elements();
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
  double squaredError = 0, squaredNorm = 0;
  for (int64_t i = 0; i < result.elements; ++i) {
    double x = loadNumber(value, i), y = loadNumber(reference, i);
    if (!std::isfinite(x) || !std::isfinite(y)) {
      result.unequalNonFinite += !(x == y || (x != x && y != y));
      continue;
    }
    lowest = std::min(lowest, y);
    highest = std::max(highest, y);
    result.maxAbsolute = std::max(result.maxAbsolute, std::fabs(x - y));
    squaredError += (x - y) * (x - y);
    squaredNorm += y * y;
  }
  result.range = highest > lowest ? highest - lowest : 0;
  if (squaredError > 0)
    result.relativeL2 = squaredNorm > 0
                            ? std::sqrt(squaredError / squaredNorm)
                            : std::numeric_limits<double>::infinity();
  int64_t columns = columnsOf(value);
  if (columns > 1) {
    result.rows = result.elements / columns;
    int64_t agree = 0;
    for (int64_t row = 0; row < result.rows; ++row)
      agree += largestOf(value, row, columns) ==
               largestOf(reference, row, columns);
    if (result.rows)
      result.argmaxAgreement = double(agree) / double(result.rows);
  }
  return Status();
}

Status measureAccuracy(const TensorView &scores, const TensorView &labels,
                       double &accuracy) {
  int64_t columns = columnsOf(scores);
  int64_t rows = columns ? scores.elements() / columns : 0;
  if (rows < 1 || labels.elements() != rows)
    return fail(Code::InvalidArgument,
                "expected as many labels as rows of the output, %lld; got %lld",
                (long long)rows, (long long)labels.elements());
  float unused;
  if (labels.dtype == DType::Bool ||
      toFloat(labels.dtype, labels.data, 0, &unused))
    return fail(Code::InvalidArgument, "expected integers as labels; got %s",
                nameOf(labels.dtype));
  int64_t right = 0;
  for (int64_t row = 0; row < rows; ++row) {
    double label = loadNumber(labels, row);
    if (!(label >= 0 && label < double(columns)))
      return fail(Code::InvalidArgument, "expected labels of 0 to %lld; got %g",
                  (long long)columns - 1, label);
    right += largestOf(scores, row, columns) == int64_t(label);
  }
  accuracy = double(right) / double(rows);
  return Status();
}

} // namespace terse::rt
