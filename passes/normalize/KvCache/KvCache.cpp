//===- KvCache.cpp - keys and values of past tokens as state --------------===//
#include "KvCache.h"

#include "terse/Analysis/TokenMajor.h"
#include "terse/Passes.h"
#include "terse/Support/JsonText.h"

#include "mlir/Transforms/RegionUtils.h"

namespace terse {
#define GEN_PASS_DEF_KVCACHE
#include "normalize/KvCache/KvCache.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

BlockArgument terse::addPastArgument(func::FuncOp function) {
  Builder builder(function.getContext());
  auto attributes = builder.getDictionaryAttr(
      builder.getNamedAttr(TerseDialect::kSymbolAttr, builder.getStringAttr(kPast)));
  (void)function.insertArgument(0, builder.getIndexType(), attributes, function.getLoc());
  return function.getArgument(0);
}

void terse::markState(func::FuncOp function, unsigned argument, unsigned result, StringRef name, StringRef batch) {
  Builder builder(function.getContext());
  auto type = cast<RankedTensorType>(function.getArgument(argument).getType());
  ArrayAttr dims = builder.getStrArrayAttr(
      {batch, std::to_string(type.getDimSize(1)), kCapacity, std::to_string(type.getDimSize(3))});
  auto attributes = builder.getDictionaryAttr({builder.getNamedAttr(TerseDialect::kDimsAttr, dims),
                                               builder.getNamedAttr(TerseDialect::kStateAttr, builder.getStringAttr(name))});
  function.setArgAttrs(argument, attributes);
  function.setResultAttrs(result, attributes);
}

Value terse::buildRows(OpBuilder &builder, func::FuncOp function, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  Probes probes(function, Environment());
  if (std::optional<Access> access = fitAccess(probes, value); access && access->factor == 1)
    if (Value rows = buildTokenMajor(builder, value.getLoc(), *access, buildDim(builder, value.getLoc(), value, 0),
                                     buildDim(builder, value.getLoc(), value, 2), type.getDimSize(1),
                                     type.getDimSize(3)))
      return castElements(builder, value.getLoc(), rows, type.getElementType());
  return mergeHeads(builder, value.getLoc(), value, 1);
}

namespace {
struct KvCache : terse::impl::KvCacheBase<KvCache> {
  using KvCacheBase::KvCacheBase;

  void runOnOperation() override {
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    auto function = getOperation().lookupSymbol<func::FuncOp>(TerseDialect::kEntryName);
    if (!function || function.isDeclaration())
      return;
    std::string reason;
    FailureOr<int64_t> states = convertFileCache(function, reason);
    if (succeeded(states) && *states == 0)
      states = addCache(function, reason);
    report.add(getArgument(), "states", succeeded(states) ? *states : 0);
    if (failed(states)) {
      report.add(getArgument(), "no-cache", toJsonText(reason));
      return;
    }
    IRRewriter rewriter(&getContext());
    (void)runRegionDCE(rewriter, function->getRegions());
  }
};
} // namespace
