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
    module.walk([&](WeightOp weight) {
      RankedTensorType type = weight.getType();
      std::optional<uint64_t> bytes = getByteSize(type);
      if (!bytes) {
        weight.emitOpError("expected a weight of static shape and whole bytes; got ") << type;
        failed = true;
        return;
      }
      auto [place, isNew] = places.try_emplace({weight.getDataAttr(), *bytes}, llvm::alignTo(end, kAlignment));
      if (isNew) {
        end = place->second + *bytes;
        NamedAttrList entry(weight->getDiscardableAttrDictionary());
        if (!entry.get("kind"))
          entry.set("kind", builder.getStringAttr(getKind(weight)));
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
    });
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
