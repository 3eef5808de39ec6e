//===- PlaceWeights.cpp - gives every weight its place --------------------===//
#include "Kernel/KernelDialect.h"
#include "Terse/TerseDialect.h"
#include "terse/Passes.h"

namespace terse {
#define GEN_PASS_DEF_PLACEWEIGHTS
#include "layout/PlaceWeights/PlaceWeights.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
/// Rows of a matrix begin at whole cache lines and registers can be loaded
/// aligned.
constexpr uint64_t kAlignment = 64;

/// A use of integer codes with their scales.
struct CodedUse {
  SchemeAttr scheme;
  Value codes, scales, zeros;
  /// Values in a row.
  int64_t k = 0;
  StringRef kind = "other";
};

/// The weight that `value` is, or holds rows of.
WeightOp getTable(Value value) {
  if (value)
    if (auto rows = value.getDefiningOp<EmbeddingOp>())
      value = rows.getTable();
  return value ? value.getDefiningOp<WeightOp>() : WeightOp();
}

/// The use of `value` as codes, scales or zero points, if that is what it is.
std::optional<CodedUse> getCodedUse(Value value) {
  for (Operation *user : value.getUsers()) {
    if (auto linear = dyn_cast<QLinearOp>(user))
      return CodedUse{linear.getScheme(), linear.getCodes(), linear.getScales(), linear.getZeroPoints(),
                      cast<ShapedType>(linear.getInput().getType()).getShape().back(), "linear"};
    if (auto values = dyn_cast<DequantizeOp>(user)) {
      bool isLinear = llvm::any_of(values->getUsers(), [](Operation *reader) { return isa<LinearLike>(reader); });
      return CodedUse{values.getScheme(), values.getCodes(), values.getScales(), values.getZeroPoints(),
                      cast<ShapedType>(values.getResult().getType()).getShape().back(), isLinear ? "linear" : "other"};
    }
    if (auto rows = dyn_cast<EmbeddingOp>(user))
      if (std::optional<CodedUse> use = getCodedUse(rows.getResult())) {
        use->kind = "embedding";
        return use;
      }
  }
  return std::nullopt;
}

/// What a weight is for, when no packing pass said so: the operation that reads it.
StringRef getKind(WeightOp weight) {
  for (Operation *user : weight->getUsers()) {
    if (isa<LinearLike>(user))
      return "linear";
    if (isa<EmbeddingOp>(user))
      return "embedding";
    if (isa<NormOp>(user))
      return "norm";
  }
  return "other";
}

/// Adds what the manifest says of a weight: codes as the values that they mean,
/// scales and zero points as parts of their codes.
void describe(WeightOp weight, NamedAttrList &entry) {
  Builder builder(weight.getContext());
  std::optional<CodedUse> use = getCodedUse(weight.getResult());
  if (!use || ShapedType::isDynamic(use->k)) {
    entry.set("kind", builder.getStringAttr(getKind(weight)));
    return;
  }
  WeightOp codes = getTable(use->codes);
  if (codes != weight) {
    entry.set("kind", builder.getStringAttr(getTable(use->scales) == weight ? "scales" : "zero_points"));
    if (codes)
      entry.set("part_of", codes.getNameAttr());
    return;
  }
  SmallVector<int64_t> shape(weight.getType().getShape());
  shape.back() = use->k;
  entry.set("kind", builder.getStringAttr(use->kind));
  entry.set("shape", builder.getI64ArrayAttr(shape));
  entry.set("bits", builder.getI64IntegerAttr(use->scheme.getBits()));
  entry.set("group_size", builder.getI64IntegerAttr(use->scheme.getGroupSize(use->k)));
  entry.set("symmetric", builder.getBoolAttr(use->scheme.isSymmetric()));
  entry.set("scale", builder.getStringAttr(use->scheme.getScale().isF16()    ? "f16"
                                           : use->scheme.getScale().isBF16() ? "bf16"
                                                                             : "f32"));
}

struct PlaceWeights : terse::impl::PlaceWeightsBase<PlaceWeights> {
  using PlaceWeightsBase::PlaceWeightsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Builder builder(&getContext());
    // The same bytes may be read as several types: a table is one tensor for
    // the embedding and, tied, another for the head.
    DenseMap<std::pair<Attribute, uint64_t>, uint64_t> places;
    SmallVector<Attribute> entries;
    uint64_t end = 0, shared = 0;
    bool failed = false;
    // Described before the first is replaced: scales look for their codes.
    SmallVector<std::pair<WeightOp, NamedAttrList>> weights;
    module.walk([&](WeightOp weight) {
      NamedAttrList entry(weight->getDiscardableAttrDictionary());
      if (!entry.get("kind"))
        describe(weight, entry);
      weights.emplace_back(weight, std::move(entry));
    });
    for (auto &[weight, entry] : weights) {
      RankedTensorType type = weight.getType();
      std::optional<uint64_t> bytes = getByteSize(type);
      if (!bytes) {
        weight.emitOpError("expected a weight of static shape and whole bytes; got ") << type;
        failed = true;
        continue;
      }
      auto [place, isNew] = places.try_emplace({weight.getDataAttr(), *bytes}, llvm::alignTo(end, kAlignment));
      if (isNew) {
        end = place->second + *bytes;
        entry.set("name", weight.getNameAttr());
        entry.set("data", weight.getDataAttr());
        entry.set("type", TypeAttr::get(type));
        entry.set("offset", builder.getI64IntegerAttr(place->second));
        entry.set("bytes", builder.getI64IntegerAttr(*bytes));
        entries.push_back(entry.getDictionary(&getContext()));
      } else {
        shared += *bytes;
      }
      OpBuilder at(weight);
      weight.replaceAllUsesWith(
          kernel::WeightOp::create(at, weight.getLoc(), type, weight.getName(), place->second).getResult());
      weight.erase();
    }
    if (failed)
      return signalPassFailure();
    module->setAttr("terse.weights", builder.getArrayAttr(entries));

    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "weights-placed", static_cast<int64_t>(entries.size()));
    report.add(getArgument(), "section-bytes", static_cast<int64_t>(end));
    report.add(getArgument(), "shared-bytes", static_cast<int64_t>(shared));
  }
};
} // namespace
