//===- FloatStorage.cpp - floats as weights store them ----------------------===//
#include "compress/Weights/FloatStorage.h"

#include "compress/Rounding/Rounding.h"
#include "normalize/Algebra/Algebra.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace terse;

void terse::loadFloats(const char *source, Type element, int64_t count, float *values) {
  auto load = [&](auto convert, auto example) {
    for (int64_t i = 0; i < count; ++i) {
      memcpy(&example, source + i * sizeof(example), sizeof(example));
      values[i] = convert(example);
    }
  };
  if (element.isF32())
    memcpy(values, source, count * sizeof(float));
  else if (element.isF64())
    load([](double value) { return static_cast<float>(value); }, double());
  else if (element.isBF16())
    load(bfloatToFloat, uint16_t());
  else
    halvesToFloats(reinterpret_cast<const uint16_t *>(source), count, values);
}

void terse::storeFloats(ArrayRef<float> values, Type element, char *target) {
  auto store = [&](auto convert) {
    for (float value : values) {
      auto stored = convert(value);
      memcpy(target, &stored, sizeof(stored));
      target += sizeof(stored);
    }
  };
  if (element.isF32())
    memcpy(target, values.data(), values.size() * sizeof(float));
  else if (element.isF64())
    store([](float value) { return static_cast<double>(value); });
  else if (element.isBF16())
    store(floatToBfloat);
  else
    store(floatToHalf);
}

std::vector<char> terse::storeFloats(ArrayRef<float> values, Type element) {
  std::vector<char> bytes(values.size() * (element.getIntOrFloatBitWidth() / 8));
  storeFloats(values, element, bytes.data());
  return bytes;
}

bool terse::isConstantFloats(Value value) {
  value = stripCasts(value);
  return isa<FloatType>(getElementTypeOrSelf(value)) &&
         (value.getDefiningOp<WeightOp>() || matchPattern(value, m_Constant()));
}

FailureOr<std::vector<float>> terse::readFloats(Value value, Operation *user) {
  value = stripCasts(value);
  DenseElementsAttr constant;
  auto weight = value.getDefiningOp<WeightOp>();
  if (!weight && !matchPattern(value, m_Constant(&constant)))
    return user->emitError() << "expected a constant";
  auto type = cast<RankedTensorType>(value.getType());
  WeightStore &store = user->getContext()->getLoadedDialect<TerseDialect>()->getWeightStore();
  llvm::Expected<WeightData> data = store.read(weight ? weight.getData() : constant, type);
  if (!data)
    return user->emitError() << "cannot read a weight: " << llvm::toString(data.takeError());
  std::vector<float> values(type.getNumElements());
  loadFloats(data->bytes().data(), type.getElementType(), values.size(), values.data());
  return values;
}

FailureOr<WeightOp> terse::addWeight(Operation *before, StringRef name, RankedTensorType type, ArrayRef<float> values) {
  WeightStore &store = before->getContext()->getLoadedDialect<TerseDialect>()->getWeightStore();
  std::vector<char> bytes = storeFloats(values, type.getElementType());
  std::vector<float> stored(values.size());
  loadFloats(bytes.data(), type.getElementType(), stored.size(), stored.data());
  for (auto [value, kept] : llvm::zip(values, stored))
    if (std::isfinite(value) && !std::isfinite(kept))
      return before->emitError() << "expected values of the weight '" << name << "' within the range of " << type.getElementType() << "; got " << value;
  llvm::Expected<Attribute> data = store.add(type, bytes);
  if (!data)
    return before->emitError() << "cannot store the weight '" << name << "': " << llvm::toString(data.takeError());
  OpBuilder builder(before);
  return WeightOp::create(builder, before->getLoc(), type, builder.getStringAttr(name), *data);
}
