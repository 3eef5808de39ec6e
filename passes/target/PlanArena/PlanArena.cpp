//===- PlanArena.cpp - allocations become views of one arena --------------===//
#include "SizeExpressions.h"
#include "terse/Passes.h"

#include "Kernel/KernelDialect.h"
#include "Terse/TerseDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/SetVector.h"

namespace terse {
#define GEN_PASS_DEF_PLANARENA
#include "target/PlanArena/PlanArena.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;
using namespace terse::arena;

namespace {

constexpr int64_t kAlignment = 64;

/// An allocation and the barrier intervals, inclusive, in which it is used.
struct Tenant {
  memref::AllocOp alloc;
  Value bytes;
  int64_t first = std::numeric_limits<int64_t>::max(), last = -1;
  unsigned slot = 0;
  /// Its place among all, in the order of the program.
  unsigned number = 0;
};

struct Slot {
  Value bytes;
  int64_t estimate = 0, lastUsed = -1;
};

struct PlanArena : terse::impl::PlanArenaBase<PlanArena> {
  using PlanArenaBase::PlanArenaBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto entry = module.lookupSymbol<func::FuncOp>(TerseDialect::kEntryName);
    if (!entry || entry.isExternal()) {
      module.emitError("expected a function named '") << TerseDialect::kEntryName << "'";
      return signalPassFailure();
    }
    Value arena;
    for (BlockArgument argument : entry.getArguments())
      if (auto name = entry.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "terse.runtime"))
        if (name.getValue() == "arena")
          arena = argument;
    if (!arena) {
      entry.emitError("expected an argument for the arena");
      return signalPassFailure();
    }

    ImplicitLocOpBuilder start(entry.getLoc(), &getContext());
    start.setInsertionPointToStart(&entry.getBody().front());
    SizeExpressions sizes(start);
    for (BlockArgument argument : entry.getArguments())
      sizes.mapArgument(argument, argument);

    SmallVector<Tenant> tenants;
    if (failed(collect(entry, sizes, tenants)))
      return signalPassFailure();
    SmallVector<Slot> slots;
    for (Tenant &tenant : tenants)
      settle(tenant, slots, sizes);

    SmallVector<Value> offsets;
    Value total = sizes.constant(0);
    for (Slot &slot : slots) {
      offsets.push_back(total);
      total = sizes.binary<arith::AddIOp>(total, slot.bytes);
    }
    // `start` moved on with each expression: views come behind all of them.
    for (Tenant &tenant : tenants) {
      OpBuilder builder(tenant.alloc);
      Value view = memref::ViewOp::create(builder, tenant.alloc.getLoc(), tenant.alloc.getType(), arena,
                                          offsets[tenant.slot], tenant.alloc.getDynamicSizes());
      tenant.alloc.replaceAllUsesWith(view);
      tenant.alloc.erase();
    }
    writeArenaFunction(entry, total);
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "buffers", tenants.size());
    report.add(getArgument(), "slots", slots.size());
  }

  /// All allocations, in order of first use, with sizes and uses.
  LogicalResult collect(func::FuncOp entry, SizeExpressions &sizes, SmallVector<Tenant> &tenants) {
    Block &body = entry.getBody().front();
    llvm::DenseMap<Operation *, int64_t> interval;
    int64_t current = 0;
    for (Operation &op : body) {
      current += isa<kernel::BarrierOp>(op);
      interval[&op] = current;
    }
    SmallVector<memref::AllocOp> allocs;
    entry.walk([&](memref::AllocOp alloc) { allocs.push_back(alloc); });
    for (memref::AllocOp alloc : allocs) {
      Tenant tenant;
      tenant.alloc = alloc;
      tenant.number = tenants.size();
      if (failed(measure(tenant, sizes)))
        return failure();
      FailureOr<SmallVector<Operation *>> users = accesses(alloc);
      if (failed(users))
        return failure();
      for (Operation *user : *users) {
        int64_t at = interval.lookup(body.findAncestorOpInBlock(*user));
        tenant.first = std::min(tenant.first, at);
        tenant.last = std::max(tenant.last, at);
      }
      // Within a loop every iteration may use it.
      if (tenant.last < 0)
        tenant.first = tenant.last = interval.lookup(body.findAncestorOpInBlock(*alloc));
      tenants.push_back(tenant);
    }
    llvm::sort(tenants, [](const Tenant &a, const Tenant &b) {
      return std::make_pair(a.first, a.number) < std::make_pair(b.first, b.number);
    });
    return success();
  }

  /// The tenant's bytes, a multiple of the alignment.
  LogicalResult measure(Tenant &tenant, SizeExpressions &sizes) {
    MemRefType type = tenant.alloc.getType();
    Type element = type.getElementType();
    if (!element.isIntOrIndexOrFloat() || !type.getLayout().isIdentity())
      return tenant.alloc.emitOpError("expected a buffer of numbers in row-major order; got ") << type;
    int64_t width = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
    // Known factors first: equal sizes become the same expression.
    int64_t known = llvm::divideCeil(width, 8);
    for (int64_t size : type.getShape())
      known *= ShapedType::isDynamic(size) ? 1 : size;
    Value bytes = sizes.constant(known);
    for (auto [i, size] : llvm::enumerate(tenant.alloc.getDynamicSizes())) {
      Value factor = sizes.copy(size);
      if (!factor)
        return tenant.alloc.emitOpError("expected sizes that follow from the sizes of the inputs; dynamic size ")
               << i << " depends on data";
      bytes = sizes.binary<arith::MulIOp>(bytes, factor);
    }
    bytes = sizes.binary<arith::AddIOp>(bytes, sizes.constant(kAlignment - 1));
    bytes = sizes.binary<arith::DivUIOp>(bytes, sizes.constant(kAlignment));
    tenant.bytes = sizes.binary<arith::MulIOp>(bytes, sizes.constant(kAlignment));
    return success();
  }

  /// Operations that may read or write the buffer through any view.
  FailureOr<SmallVector<Operation *>> accesses(memref::AllocOp alloc) {
    llvm::SetVector<Value> aliases;
    aliases.insert(alloc);
    SmallVector<Operation *> users;
    for (unsigned i = 0; i < aliases.size(); ++i)
      for (OpOperand &use : aliases[i].getUses()) {
        Operation *user = use.getOwner();
        if (user->hasTrait<OpTrait::IsTerminator>()) {
          Operation *parent = user->getParentOp();
          if (isa<LoopLikeOpInterface>(parent) && parent->isProperAncestor(alloc))
            return alloc.emitOpError("expected a buffer that is not carried around the loop");
          aliases.insert(parent->result_begin(), parent->result_end());
          continue;
        }
        bool isBuffer = false;
        for (Value result : user->getResults())
          if (isa<BaseMemRefType>(result.getType()))
            isBuffer |= aliases.insert(result) || true;
        for (Region &region : user->getRegions())
          for (Block &block : region)
            for (Value argument : block.getArguments())
              if (isa<BaseMemRefType>(argument.getType()))
                aliases.insert(argument);
        if (!isBuffer || user->getNumRegions())
          users.push_back(user);
      }
    // Sizes are read without the data.
    llvm::erase_if(users, llvm::IsaPred<memref::DimOp>);
    return users;
  }

  /// Chooses a slot that is free when the tenant comes.
  void settle(Tenant &tenant, SmallVector<Slot> &slots, SizeExpressions &sizes) {
    int64_t estimate = sizes.estimate(tenant.bytes);
    // The same size, else the least waste, else the least growth.
    auto cost = [&](const Slot &slot) -> std::tuple<int, int64_t> {
      if (slot.bytes == tenant.bytes)
        return {0, 0};
      if (slot.estimate >= estimate)
        return {1, slot.estimate - estimate};
      return {2, estimate - slot.estimate};
    };
    std::optional<unsigned> best;
    for (unsigned i = 0; i < slots.size(); ++i)
      if (slots[i].lastUsed < tenant.first && (!best || cost(slots[i]) < cost(slots[*best])))
        best = i;
    if (!best) {
      best = slots.size();
      slots.emplace_back();
    }
    Slot &slot = slots[*best];
    slot.bytes = slot.bytes ? sizes.binary<arith::MaxUIOp>(slot.bytes, tenant.bytes) : tenant.bytes;
    slot.estimate = std::max(slot.estimate, estimate);
    slot.lastUsed = tenant.last;
    tenant.slot = *best;
  }

  /// @forward_arena: the expression of the total, in a function of its own.
  void writeArenaFunction(func::FuncOp entry, Value total) {
    SmallVector<Type> types;
    SmallVector<DictionaryAttr> attrs;
    SmallVector<Value> arguments;
    for (BlockArgument argument : entry.getArguments()) {
      if (entry.getArgAttr(argument.getArgNumber(), "terse.runtime"))
        continue;
      types.push_back(argument.getType());
      auto dict = entry.getArgAttrDict(argument.getArgNumber());
      attrs.push_back(dict ? dict : DictionaryAttr::get(&getContext()));
      arguments.push_back(argument);
    }
    OpBuilder builder(entry);
    auto function = func::FuncOp::create(builder, entry.getLoc(), (entry.getName() + "_arena").str(),
                                         builder.getFunctionType(types, builder.getIndexType()));
    function.setPrivate();
    function.setAllArgAttrs(attrs);
    ImplicitLocOpBuilder start(entry.getLoc(), &getContext());
    start.setInsertionPointToStart(function.addEntryBlock());
    SizeExpressions copies(start);
    for (auto [from, to] : llvm::zip(arguments, function.getArguments()))
      copies.mapArgument(from, to);
    func::ReturnOp::create(start, copies.copy(total));
  }
};
} // namespace
