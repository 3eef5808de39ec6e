//===- QuantizeKvCache.cpp - rounds what enters a KV cache ----------------===//
#include "Terse/CachedRow.h"
#include "Terse/TerseDialect.h"
#include "terse/Analysis/CacheRole.h"
#include "terse/Passes.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

namespace terse {
#define GEN_PASS_DEF_QUANTIZEKVCACHE
#include "compress/QuantizeKvCache/QuantizeKvCache.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct QuantizeKvCache : terse::impl::QuantizeKvCacheBase<QuantizeKvCache> {
  using QuantizeKvCacheBase::QuantizeKvCacheBase;

  LogicalResult initializeOptions(StringRef text, function_ref<LogicalResult(const Twine &)> error) override {
    if (failed(QuantizeKvCacheBase::initializeOptions(text, error)))
      return failure();
    for (auto [name, value] : {std::pair("bits", bits.getValue()), {"key-bits", keyBits ? keyBits : bits}, {"value-bits", valueBits ? valueBits : bits}})
      if (value != 4 && value != 8)
        return error(getArgument() + ": expected " + name + " to be 8 or 4; got " + Twine(value));
    return success();
  }

  void runOnOperation() override {
    SmallVector<CacheUpdateOp> updates;
    getOperation()->walk([&](CacheUpdateOp update) { updates.push_back(update); });
    int64_t numCaches = 0, numLeft = 0, bytes = 0, bytesBefore = 0;
    SetVector<StringRef> reasons;
    auto leave = [&](StringRef why) {
      ++numLeft;
      reasons.insert(why);
    };
    for (CacheUpdateOp update : updates) {
      int64_t size = update.getType().getDimSize(3);
      std::optional<CacheRole> role = getCacheRole(update);
      int64_t own = role == CacheRole::Key ? keyBits : valueBits, cacheBits = own ? own : bits;
      // In calibrated runs the pass comes by once for each block.
      if (update.getUpdate().getDefiningOp<QuantizeHeadsOp>() || update.getBits())
        continue;
      if (!role)
        leave("something else than attention with a kernel reads it");
      else if (size * cacheBits % 8)
        leave("codes of a head do not fill whole bytes");
      else {
        round(update, *role, cacheBits);
        ++numCaches;
        int64_t heads = update.getType().getDimSize(1);
        bytes += heads * getCachedRowBytes(size, cacheBits);
        bytesBefore += heads * size * update.getType().getElementTypeBitWidth() / 8;
      }
    }
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "caches", numCaches);
    report.add(getArgument(), "caches-left", numLeft);
    if (numLeft)
      report.add(getArgument(), "left-because", llvm::join(reasons, "; "));
    report.add(getArgument(), "bytes-per-token", bytes);
    report.add(getArgument(), "bytes-per-token-before", bytesBefore);
  }

private:
  void round(CacheUpdateOp update, CacheRole role, int64_t cacheBits) {
    OpBuilder builder(update);
    Value rows = update.getUpdate();
    int64_t size = update.getType().getDimSize(3);
    if (role == CacheRole::Key && rotateKeys) {
      rows = rotate(builder, rows, size);
      for (Operation *reader : update->getUsers())
        if (auto attention = dyn_cast<AttentionOp>(reader)) {
          OpBuilder before(attention);
          attention.getQueryMutable().assign(rotate(before, attention.getQuery(), size));
        }
    }
    rows = QuantizeHeadsOp::create(builder, update.getLoc(), rows.getType(), rows, update.getType().getDimSize(1), cacheBits);
    update.getUpdateMutable().assign(rows);
  }

  static Value rotate(OpBuilder &builder, Value rows, int64_t size) {
    return RotateOp::create(builder, rows.getLoc(), rows.getType(), rows, builder.getI64IntegerAttr(size));
  }
};
} // namespace
