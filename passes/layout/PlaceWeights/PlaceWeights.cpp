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

/// A layer that a weight belongs to: its values are [n, k].
struct Layer {
  StringRef kind = "other";
  int64_t n = 0, k = 0;
  /// Absent where the weight is not of codes.
  SchemeAttr scheme;
  Value weight, scales, rowScales, zeros, bias;
};

int64_t getLastSize(Value value) {
  return cast<ShapedType>(value.getType()).getShape().back();
}

/// The weight that `value` is, or holds rows of.
WeightOp getTable(Value value) {
  if (value)
    if (auto rows = value.getDefiningOp<EmbeddingOp>())
      value = rows.getTable();
  return value ? value.getDefiningOp<WeightOp>() : WeightOp();
}

/// The layer that `value` is a part of, before or after its weight was packed.
std::optional<Layer> getLayer(Value value) {
  for (Operation *user : value.getUsers()) {
    if (auto linear = dyn_cast<QLinearOp>(user))
      return Layer{"linear",
                   getLastSize(linear),
                   getLastSize(linear.getInput()),
                   linear.getScheme(),
                   linear.getCodes(),
                   linear.getScales(),
                   linear.getRowScales(),
                   linear.getZeroPoints(),
                   linear.getBias()};
    if (auto linear = dyn_cast<kernel::QLinearOp>(user))
      return Layer{"linear",
                   getLastSize(linear),
                   getLastSize(linear.getInput()),
                   linear.getScheme(),
                   linear.getCodes(),
                   linear.getScales(),
                   linear.getRowScales(),
                   linear.getZeroPoints(),
                   linear.getBias()};
    if (auto linear = dyn_cast<kernel::LinearOp>(user))
      return Layer{
          "linear",     getLastSize(linear), getLastSize(linear.getInput()),
          SchemeAttr(), linear.getWeight(),  Value(),
          Value(),      Value(),             linear.getBias()};
    if (auto values = dyn_cast<DequantizeOp>(user)) {
      bool isLinear = llvm::any_of(values->getUsers(), [](Operation *reader) {
        return isa<LinearLike>(reader);
      });
      return Layer{isLinear ? "linear" : "other",
                   0,
                   getLastSize(values.getResult()),
                   values.getScheme(),
                   values.getCodes(),
                   values.getScales(),
                   values.getRowScales(),
                   values.getZeroPoints(),
                   Value()};
    }
    if (auto rows = dyn_cast<EmbeddingOp>(user))
      if (std::optional<Layer> layer = getLayer(rows.getResult());
          layer && layer->scheme) {
        layer->kind = "embedding";
        return layer;
      }
  }
  return std::nullopt;
}

/// What a weight that is no part of a layer is for: the operation that reads
/// it.
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

/// Adds what the manifest says of a weight: its kind; of codes and of packed
/// weights the values that they mean; scales, zero points and biases are parts
/// of their weight.
void describe(WeightOp weight, NamedAttrList &entry) {
  Builder builder(weight.getContext());
  std::optional<Layer> layer = getLayer(weight.getResult());
  if (!layer || ShapedType::isDynamic(layer->n) ||
      ShapedType::isDynamic(layer->k)) {
    entry.set("kind", builder.getStringAttr(getKind(weight)));
    return;
  }
  WeightOp whole = getTable(layer->weight);
  if (whole != weight) {
    entry.set("kind", builder.getStringAttr(
                          getTable(layer->scales) == weight      ? "scales"
                          : getTable(layer->rowScales) == weight ? "row_scales"
                          : getTable(layer->zeros) == weight     ? "zero_points"
                                                                 : "bias"));
    if (whole)
      entry.set("part_of", whole.getNameAttr());
    return;
  }
  entry.set("kind", builder.getStringAttr(layer->kind));
  entry.set("shape", builder.getI64ArrayAttr(
                         {layer->n ? layer->n : weight.getType().getDimSize(0),
                          layer->k}));
  SchemeAttr scheme = layer->scheme;
  if (!scheme)
    return;
  entry.set("bits", builder.getI64IntegerAttr(scheme.getBits()));
  entry.set("group_size",
            builder.getI64IntegerAttr(scheme.getGroupSize(layer->k)));
  entry.set("symmetric", builder.getBoolAttr(scheme.isSymmetric()));
  if (scheme.hasTable())
    entry.set("codebook", builder.getStringAttr(stringifyCodebook(scheme.getCodebook())));
  entry.set("scale", builder.getStringAttr(scheme.getScale().isF16()    ? "f16"
                                           : scheme.getScale().isBF16() ? "bf16"
                                           : scheme.hasRowScales()      ? "i8"
                                                                        : "f32"));
}

/// What is computed for fewer rows than there are tokens: it depends on the
/// symbol that says how many.
DenseSet<Operation *> findLogitRows(func::FuncOp entry) {
  DenseSet<Operation *> reached;
  SmallVector<Value> open;
  if (!entry)
    return reached;
  for (BlockArgument argument : entry.getArguments())
    if (entry.getArgAttrOfType<StringAttr>(argument.getArgNumber(), TerseDialect::kDefaultSymbolAttr))
      open.push_back(argument);
  while (!open.empty())
    for (Operation *user : open.pop_back_val().getUsers())
      if (reached.insert(user).second)
        llvm::append_range(open, user->getResults());
  return reached;
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
    DenseSet<Operation *> ofLogitRows =
        findLogitRows(module.lookupSymbol<func::FuncOp>(TerseDialect::kEntryName));
    // Described before the first is replaced: scales look for their codes.
    SmallVector<std::pair<WeightOp, NamedAttrList>> weights;
    module.walk([&](WeightOp weight) {
      if (weight->use_empty())
        return weight->erase();
      NamedAttrList entry(weight->getDiscardableAttrDictionary());
      if (!entry.get("kind"))
        describe(weight, entry);
      if (llvm::any_of(weight->getUsers(), [&](Operation *user) { return ofLogitRows.contains(user); }))
        entry.set("rows", builder.getStringAttr(TerseDialect::kLogitsToKeep));
      weights.emplace_back(weight, std::move(entry));
    });
    for (auto &[weight, entry] : weights) {
      RankedTensorType type = weight.getType();
      std::optional<uint64_t> bytes = getByteSize(type);
      if (!bytes) {
        weight.emitOpError(
            "expected a weight of static shape and whole bytes; got ")
            << type;
        failed = true;
        continue;
      }
      auto [place, isNew] = places.try_emplace({weight.getDataAttr(), *bytes},
                                               llvm::alignTo(end, kAlignment));
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
      weight.replaceAllUsesWith(kernel::WeightOp::create(at, weight.getLoc(),
                                                         type, weight.getName(),
                                                         place->second)
                                    .getResult());
      weight.erase();
    }
    if (failed)
      return signalPassFailure();
    module->setAttr("terse.weights", builder.getArrayAttr(entries));

    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "weights-placed",
               static_cast<int64_t>(entries.size()));
    report.add(getArgument(), "section-bytes", static_cast<int64_t>(end));
    report.add(getArgument(), "shared-bytes", static_cast<int64_t>(shared));
  }
};
} // namespace
