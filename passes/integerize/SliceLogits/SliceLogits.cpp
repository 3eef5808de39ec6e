//===- SliceLogits.cpp - logits of the last tokens ------------------------===//
#include "Terse/TerseDialect.h"
#include "terse/Analysis/Access.h"
#include "terse/Analysis/DimExpression.h"
#include "terse/Passes.h"

namespace terse {
#define GEN_PASS_DEF_SLICELOGITS
#include "integerize/SliceLogits/SliceLogits.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
/// Where a function has its logits, and the tokens that they are of.
struct Logits {
  unsigned result;
  BlockArgument ids;
  /// The symbol that is the number of tokens.
  StringAttr tokens;
};

struct SliceLogits : terse::impl::SliceLogitsBase<SliceLogits> {
  using SliceLogitsBase::SliceLogitsBase;

  void runOnOperation() override {
    auto function = getOperation().lookupSymbol<func::FuncOp>(TerseDialect::kEntryName);
    std::optional<Logits> logits = function && !function.isDeclaration() ? findLogits(function) : std::nullopt;
    if (logits)
      slice(function, *logits);
    getContext().getLoadedDialect<TerseDialect>()->getReport().add(getArgument(), "logits-sliced", int64_t(logits.has_value()));
  }

private:
  static std::optional<Logits> findLogits(func::FuncOp function) {
    bool causal = false;
    function.walk([&](AttentionOp attention) { causal |= attention.getCausal(); });
    if (!causal || getDimSymbols(function).count(TerseDialect::kLogitsToKeep.str()))
      return std::nullopt;
    Logits logits;
    for (BlockArgument argument : function.getArguments()) {
      auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), TerseDialect::kNameAttr);
      auto type = dyn_cast<RankedTensorType>(argument.getType());
      if (name && name.getValue() == "input_ids" && type && type.getRank() == 2 && type.isDynamicDim(1))
        logits.ids = argument;
    }
    if (!logits.ids)
      return std::nullopt;
    logits.tokens = StringAttr::get(function.getContext(), getArgDim(function, logits.ids.getArgNumber(), 1));
    std::set<std::string> symbols;
    collectDimSymbols(logits.tokens, symbols);
    if (symbols.size() != 1 || *symbols.begin() != logits.tokens)
      return std::nullopt;
    for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
      auto name = function.getResultAttrOfType<StringAttr>(i, TerseDialect::kNameAttr);
      auto dims = function.getResultAttrOfType<ArrayAttr>(i, TerseDialect::kDimsAttr);
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (name && name.getValue() == "logits" && tensor && tensor.getRank() == 3 && tensor.isDynamicDim(1) && dims &&
          dims.size() == 3 && dims[1] == logits.tokens) {
        logits.result = i;
        return logits;
      }
    }
    return std::nullopt;
  }

  static void slice(func::FuncOp function, const Logits &logits) {
    OpBuilder builder(function.getContext());
    StringAttr symbol = builder.getStringAttr(TerseDialect::kLogitsToKeep);
    auto attributes = builder.getDictionaryAttr({builder.getNamedAttr(TerseDialect::kSymbolAttr, symbol),
                                                 builder.getNamedAttr(TerseDialect::kDefaultSymbolAttr, logits.tokens)});
    (void)function.insertArgument(0, builder.getIndexType(), attributes, function.getLoc());
    auto dims = llvm::to_vector(function.getResultAttrOfType<ArrayAttr>(logits.result, TerseDialect::kDimsAttr));
    dims[1] = symbol;
    function.setResultAttr(logits.result, TerseDialect::kDimsAttr, builder.getArrayAttr(dims));

    Value keep = function.getArgument(0);
    builder.setInsertionPointToStart(&function.getBody().front());
    Value tokens = tensor::DimOp::create(builder, function.getLoc(), logits.ids, 1);
    Value first = arith::SubIOp::create(builder, function.getLoc(), tokens, keep);
    OpOperand &result = function.getBody().front().getTerminator()->getOpOperand(logits.result);
    builder.setInsertionPoint(result.getOwner());
    Value all = result.get();
    Location loc = all.getLoc();
    SmallVector<OpFoldResult> offsets(3, builder.getIndexAttr(0)), strides(3, builder.getIndexAttr(1)),
        sizes = buildShape(builder, loc, all);
    offsets[1] = first;
    sizes[1] = keep;
    result.set(tensor::ExtractSliceOp::create(builder, loc, cast<RankedTensorType>(all.getType()), all, offsets, sizes, strides));
  }
};
} // namespace
