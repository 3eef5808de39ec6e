//===- Launches.cpp - launches as calls -----------------------------------===//
#include "Launches.h"

#include "Kernel/KernelDialect.h"
#include "Kernel/Shares.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace terse;

namespace {

/// What a thread reads ahead of a layer at most: it must still be in the second-level cache when the layer begins.
constexpr int64_t kAheadBytes = 256 << 10;

/// What of a buffer is passed, in this order, after its pointer.
struct Layout {
  MemRefType type;
  SmallVector<int64_t> strides;
  int64_t offset = 0;
  SmallVector<unsigned> dynamicSizes, dynamicStrides;

  static std::optional<Layout> get(MemRefType type) {
    Layout layout{type, {}, 0, {}, {}};
    if (failed(type.getStridesAndOffset(layout.strides, layout.offset)))
      return std::nullopt;
    bool isIdentity = type.getLayout().isIdentity();
    for (unsigned i = 0, e = type.getRank(); i < e; ++i) {
      if (type.isDynamicDim(i))
        layout.dynamicSizes.push_back(i);
      // Those of the identity layout follow from the sizes.
      if (!isIdentity && ShapedType::isDynamic(layout.strides[i]))
        layout.dynamicStrides.push_back(i);
    }
    return layout;
  }
};

/// Gives `kernel` parameters without descriptors, and puts the descriptors together
/// at its start.
LogicalResult passPointers(func::FuncOp kernel) {
  MLIRContext *context = kernel.getContext();
  auto pointer = LLVM::LLVMPointerType::get(context);
  ImplicitLocOpBuilder b(kernel.getLoc(), context);
  auto i64 = b.getI64Type();
  Block &entry = kernel.getBody().front();
  b.setInsertionPointToStart(&entry);
  SmallVector<BlockArgument> old(entry.getArguments());
  SmallVector<DictionaryAttr> attrs;
  for (BlockArgument argument : old) {
    kernel.removeArgAttr(argument.getArgNumber(), kernel::KernelDialect::kStreamedAttrName);
    DictionaryAttr given = kernel.getArgAttrDict(argument.getArgNumber());
    if (!given)
      given = b.getDictionaryAttr({});
    auto add = [&](Type type, DictionaryAttr attr) -> Value {
      attrs.push_back(attr);
      return entry.addArgument(type, argument.getLoc());
    };
    auto type = dyn_cast<MemRefType>(argument.getType());
    if (!type) {
      argument.replaceAllUsesWith(add(argument.getType(), given));
      continue;
    }
    std::optional<Layout> layout = Layout::get(type);
    if (!layout)
      return kernel.emitOpError("expected buffers with strides; got ") << type;
    int64_t rank = type.getRank();
    SmallVector<Type> fields{pointer, pointer, i64};
    if (rank)
      fields.append(2, LLVM::LLVMArrayType::get(i64, rank));
    Value address = add(pointer, given);
    Value descriptor = LLVM::PoisonOp::create(b, LLVM::LLVMStructType::getLiteral(context, fields));
    auto insert = [&](Value value, ArrayRef<int64_t> position) {
      descriptor = LLVM::InsertValueOp::create(b, descriptor, value, position);
    };
    auto constant = [&](int64_t value) -> Value { return LLVM::ConstantOp::create(b, i64, value); };
    insert(address, 0);
    insert(address, 1);
    // A dynamic offset is added to the pointer by the caller.
    insert(constant(ShapedType::isDynamic(layout->offset) ? 0 : layout->offset), 2);
    SmallVector<Value> sizes(rank), strides(rank);
    for (unsigned i : layout->dynamicSizes)
      sizes[i] = add(i64, b.getDictionaryAttr({}));
    for (unsigned i : layout->dynamicStrides)
      strides[i] = add(i64, b.getDictionaryAttr({}));
    for (int64_t i = 0; i < rank; ++i)
      if (!sizes[i])
        sizes[i] = constant(type.getDimSize(i));
    for (int64_t i = rank - 1; i >= 0; --i)
      if (!strides[i])
        strides[i] = ShapedType::isDynamic(layout->strides[i])
                         ? LLVM::MulOp::create(b, strides[i + 1], sizes[i + 1]).getResult()
                         : constant(layout->strides[i]);
    for (int64_t i = 0; i < rank; ++i)
      insert(sizes[i], {3, i});
    for (int64_t i = 0; i < rank; ++i)
      insert(strides[i], {4, i});
    argument.replaceAllUsesWith(UnrealizedConversionCastOp::create(b, type, descriptor).getResult(0));
  }
  entry.eraseArguments(0, old.size());
  kernel.setFunctionType(b.getFunctionType(entry.getArgumentTypes(), {}));
  kernel.setAllArgAttrs(attrs);
  return success();
}

/// The operands of passPointers' parameters for `buffer`.
void pass(ImplicitLocOpBuilder &b, Value buffer, SmallVectorImpl<Value> &operands) {
  auto type = cast<MemRefType>(buffer.getType());
  Layout layout = *Layout::get(type);
  auto i64 = b.getI64Type();
  auto asI64 = [&](Value index) -> Value { return arith::IndexCastOp::create(b, i64, index); };
  Value address = asI64(memref::ExtractAlignedPointerAsIndexOp::create(b, buffer));
  memref::ExtractStridedMetadataOp metadata;
  if (ShapedType::isDynamic(layout.offset) || !layout.dynamicStrides.empty())
    metadata = memref::ExtractStridedMetadataOp::create(b, buffer);
  if (ShapedType::isDynamic(layout.offset)) {
    Value bytes = LLVM::ConstantOp::create(
        b, i64, llvm::divideCeil(type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth(), 8));
    address = LLVM::AddOp::create(b, address, LLVM::MulOp::create(b, asI64(metadata.getOffset()), bytes));
  }
  operands.push_back(LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), address));
  for (unsigned i : layout.dynamicSizes)
    operands.push_back(asI64(memref::DimOp::create(b, buffer, i)));
  for (unsigned i : layout.dynamicStrides)
    operands.push_back(asI64(metadata.getStrides()[i]));
}

/// The runtime arguments of the function that launches.
struct Runtime {
  Value thread, threads, barrier;

  explicit Runtime(func::FuncOp function) {
    for (BlockArgument argument : function.getArguments()) {
      auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "terse.runtime");
      if (!name)
        continue;
      if (name.getValue() == "thread")
        thread = argument;
      else if (name.getValue() == "threads")
        threads = argument;
      else if (name.getValue() == "barrier")
        barrier = argument;
    }
  }
};

/// The start of this thread's share of `buffer`, to within a block, and how much to read ahead from there: not beyond the buffer.
void passAhead(ImplicitLocOpBuilder &b, Value buffer, const Runtime &runtime, SmallVectorImpl<Value> &operands) {
  auto i64 = b.getI64Type();
  auto constant = [&](int64_t value) -> Value { return LLVM::ConstantOp::create(b, i64, value); };
  auto type = buffer ? cast<MemRefType>(buffer.getType()) : MemRefType();
  int64_t bytes = buffer && type.getRank() ? type.getNumElements() * type.getElementTypeBitWidth() / 8 : 0;
  if (!bytes) {
    operands.append({LLVM::ZeroOp::create(b, LLVM::LLVMPointerType::get(b.getContext())), constant(0)});
    return;
  }
  auto asI64 = [&](Value index) -> Value { return arith::IndexCastOp::create(b, i64, index); };
  int64_t blocks = type.getDimSize(0);
  Value share = LLVM::MulOp::create(b, constant(blocks - kernel::getTakenBlocks(blocks)), asI64(runtime.thread));
  Value first = LLVM::UDivOp::create(b, share, asI64(runtime.threads));
  Value offset = LLVM::MulOp::create(b, first, constant(bytes / blocks));
  Value address = LLVM::AddOp::create(b, asI64(memref::ExtractAlignedPointerAsIndexOp::create(b, buffer)), offset);
  Value rest = LLVM::SubOp::create(b, constant(bytes), offset);
  operands.append({LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), address),
                   LLVM::UMinOp::create(b, rest, constant(kAheadBytes))});
}

} // namespace

LogicalResult terse::lowerLaunches(ModuleOp module) {
  SymbolTable symbols(module);
  SmallVector<Operation *> ops;
  llvm::SetVector<func::FuncOp> kernels;
  module.walk([&](Operation *op) {
    if (isa<kernel::LaunchOp, kernel::BarrierOp>(op))
      ops.push_back(op);
    if (auto launch = dyn_cast<kernel::LaunchOp>(op))
      kernels.insert(symbols.lookup<func::FuncOp>(launch.getCallee()));
  });
  for (Operation *op : ops) {
    auto function = op->getParentOfType<func::FuncOp>();
    Runtime runtime(function);
    if (!runtime.thread || !runtime.threads || !runtime.barrier)
      return function.emitOpError("expected arguments for the thread, the number of threads and the barrier");
    ImplicitLocOpBuilder b(op->getLoc(), op);
    auto launch = dyn_cast<kernel::LaunchOp>(op);
    if (!launch) {
      SmallVector<Value> operands = {runtime.barrier};
      passAhead(b, cast<kernel::BarrierOp>(op).getAhead(), runtime, operands);
      func::CallOp::create(b, "terse_barrier", TypeRange(), operands);
      op->erase();
      continue;
    }
    Value thread = runtime.thread, threads = runtime.threads;
    if (launch.getSerial()) {
      Value zero = arith::ConstantIndexOp::create(b, 0);
      auto only = scf::IfOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, zero));
      b.setInsertionPointToStart(only.thenBlock());
      thread = zero;
      threads = arith::ConstantIndexOp::create(b, 1);
    }
    SmallVector<Value> operands;
    for (Value operand : launch->getOperands())
      if (isa<MemRefType>(operand.getType()))
        pass(b, operand, operands);
      else
        operands.push_back(operand);
    operands.append({thread, threads});
    func::CallOp::create(b, launch.getCalleeAttr(), TypeRange(), operands);
    op->erase();
  }
  for (func::FuncOp kernel : kernels) {
    if (kernel.isExternal())
      return kernel.emitOpError("expected a kernel with a body");
    if (failed(passPointers(kernel)))
      return failure();
  }
  return success();
}
