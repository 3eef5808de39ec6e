//===- ConvertWeights.cpp - stores weights in another float type ----------===//
#include "Terse/TerseDialect.h"
#include "compress/Rounding/Rounding.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <cmath>
#include <cstring>

namespace terse {
#define GEN_PASS_DEF_CONVERTWEIGHTS
#include "compress/ConvertWeights/ConvertWeights.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

static float loadFloat(const char *data, Type type, int64_t index) {
  auto read = [&](auto example) {
    memcpy(&example, data + index * sizeof(example), sizeof(example));
    return example;
  };
  if (type.isF32())
    return read(float());
  if (type.isF64())
    return static_cast<float>(read(double()));
  uint16_t half = read(uint16_t());
  return type.isBF16() ? bfloatToFloat(half) : halfToFloat(half);
}

static void storeFloat(char *data, Type type, int64_t index, float value) {
  if (type.isF32()) {
    memcpy(data + index * 4, &value, 4);
    return;
  }
  uint16_t half = type.isBF16() ? floatToBfloat(value) : floatToHalf(value);
  memcpy(data + index * 2, &half, 2);
}

namespace {
struct ConvertWeights : terse::impl::ConvertWeightsBase<ConvertWeights> {
  using ConvertWeightsBase::ConvertWeightsBase;

  void runOnOperation() override {
    Type target;
    Builder builder(&getContext());
    if (to == "f16")
      target = builder.getF16Type();
    else if (to == "bf16")
      target = builder.getBF16Type();
    else if (to == "f32")
      target = builder.getF32Type();
    else if (to != "keep") {
      mlir::emitError(UnknownLoc::get(&getContext()))
          << getArgument() << ": expected to to be f16, bf16, f32 or keep; got '" << to << "'";
      return signalPassFailure();
    }
    foldWidening();
    SmallVector<WeightOp> weights;
    getOperation()->walk([&](WeightOp weight) { weights.push_back(weight); });
    for (WeightOp weight : weights) {
      Type type = weight.getType().getElementType();
      bool isVector = weight.getType().getRank() < 2;
      if (weight->use_empty() || !isa<FloatType>(type))
        continue;
      if (failed(isVector ? widenVector(weight) : target && type != target ? convertMatrix(weight, target) : success()))
        return signalPassFailure();
    }
    getOperation()->walk([](func::FuncOp func) {
      for (Block &block : func.getBody())
        eraseDead(block);
    });
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "weights-converted", numConverted);
    report.add(getArgument(), "weights-left", numLeft);
    report.add(getArgument(), "bytes-before", bytesBefore);
    report.add(getArgument(), "bytes-after", bytesAfter);
  }

private:
  /// `linear(x, extf(w))` becomes `linear(x, w)`: sums are in f32 anyway.
  void foldWidening() {
    getOperation()->walk([](LinearOp linear) {
      auto widen = linear.getWeight().getDefiningOp<arith::ExtFOp>();
      if (widen && widen.getIn().getDefiningOp<WeightOp>())
        linear.getWeightMutable().assign(widen.getIn());
    });
    getOperation()->walk([](EmbeddingOp embedding) {
      auto widen = embedding.getTable().getDefiningOp<arith::ExtFOp>();
      if (widen && widen.getIn().getDefiningOp<WeightOp>())
        readTable(embedding, widen.getIn());
    });
  }

  /// The rows keep their type for what follows.
  static void readTable(EmbeddingOp embedding, Value table) {
    OpBuilder builder(embedding);
    Type element = getElementTypeOrSelf(table), before = embedding.getType().getElementType();
    Value rows = EmbeddingOp::create(builder, embedding.getLoc(),
                                     RankedTensorType::get(embedding.getType().getShape(), element), embedding.getIds(),
                                     table, embedding.getNameAttr());
    embedding.getResult().replaceAllUsesWith(castElements(builder, rows, before));
    embedding.erase();
  }

  /// A copy of `weight` in `type`; null when a value does not fit.
  FailureOr<WeightOp> convert(WeightOp weight, Type type) {
    WeightStore &store = getContext().getLoadedDialect<TerseDialect>()->getWeightStore();
    llvm::Expected<WeightData> data = store.read(weight.getData(), weight.getType());
    if (!data)
      return weight.emitError() << "cannot read weight '" << weight.getName() << "': " << llvm::toString(data.takeError());
    auto newType = RankedTensorType::get(weight.getType().getShape(), type);
    Type oldElement = weight.getType().getElementType();
    std::vector<char> bytes(*getByteSize(newType));
    for (int64_t i = 0, count = newType.getNumElements(); i < count; ++i) {
      float value = loadFloat(data->bytes().data(), oldElement, i);
      storeFloat(bytes.data(), type, i, value);
      if (std::isfinite(value) && !std::isfinite(loadFloat(bytes.data(), type, i)))
        return WeightOp();
    }
    llvm::Expected<Attribute> attr = store.add(newType, bytes);
    if (!attr)
      return weight.emitError() << "cannot store weight '" << weight.getName() << "': " << llvm::toString(attr.takeError());
    bytesBefore += data->bytes().size();
    bytesAfter += bytes.size();
    ++numConverted;
    OpBuilder builder(weight);
    auto op = WeightOp::create(builder, weight.getLoc(), newType, weight.getNameAttr(), *attr);
    return op;
  }

  LogicalResult convertMatrix(WeightOp weight, Type type) {
    FailureOr<WeightOp> converted = convert(weight, type);
    if (failed(converted))
      return failure();
    if (!*converted) {
      weight.emitWarning() << "weight '" << weight.getName() << "' is left as it is: it has values beyond the range of " << type;
      ++numLeft;
      return success();
    }
    Value cast;
    for (OpOperand &use : llvm::make_early_inc_range(weight->getUses())) {
      auto linear = dyn_cast<LinearOp>(use.getOwner());
      if (linear && &use == &linear.getWeightMutable()) {
        use.set(*converted);
      } else if (auto embedding = dyn_cast<EmbeddingOp>(use.getOwner())) {
        readTable(embedding, *converted);
      } else {
        if (!cast) {
          OpBuilder builder(weight);
          cast = castElements(builder, *converted, weight.getType().getElementType());
        }
        use.set(cast);
      }
    }
    return success();
  }

  /// Stores in the wider type what is only read widened.
  LogicalResult widenVector(WeightOp weight) {
    SmallVector<arith::ExtFOp> casts;
    for (Operation *user : weight->getUsers()) {
      auto widen = dyn_cast<arith::ExtFOp>(user);
      if (!widen || (!casts.empty() && casts.front().getType() != widen.getType()))
        return success();
      casts.push_back(widen);
    }
    FailureOr<WeightOp> converted = convert(weight, getElementTypeOrSelf(casts.front().getType()));
    if (failed(converted))
      return failure();
    for (arith::ExtFOp widen : casts)
      widen.replaceAllUsesWith(converted->getResult());
    return success();
  }

  int64_t numConverted = 0, numLeft = 0, bytesBefore = 0, bytesAfter = 0;
};
} // namespace
