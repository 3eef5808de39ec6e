//===- EmitEntry.cpp - the functions that the runtime calls ---------------===//
#include "Terse/TerseDialect.h"
#include "terse/Passes.h"
#include "terse/Support/DimExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace terse {
#define GEN_PASS_DEF_EMITENTRY
#include "target/EmitEntry/EmitEntry.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
/// Fields of TerseCall in the order of terse/Runtime/ArtifactABI.h; each is a
/// pointer.
enum class CallField {
  Weights,
  Arena,
  Inputs,
  Outputs,
  States,
  Symbols,
  Barrier,
  BarrierState
};

/// Builds the body of one wrapper.
class CallReader {
public:
  CallReader(OpBuilder &b, Location loc, Value call, ArrayAttr symbolNames)
      : b(b), loc(loc), call(call), symbolNames(symbolNames) {}

  Value loadField(CallField field) {
    return loadPointer(call, static_cast<int64_t>(field));
  }

  Value loadPointer(Value array, int64_t index) {
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    Value address = LLVM::GEPOp::create(b, loc, pointer, pointer, array,
                                        ArrayRef<LLVM::GEPArg>{int32_t(index)});
    return LLVM::LoadOp::create(b, loc, pointer, address);
  }

  Value constant(int64_t value) {
    return arith::ConstantIntOp::create(b, loc, value, 64);
  }

  /// The value of a symbol; null if there is none of that name.
  Value loadSymbol(StringRef name) {
    if (Value known = symbols.lookup(name))
      return known;
    auto it = llvm::find_if(symbolNames, [&](Attribute attr) {
      return cast<StringAttr>(attr).getValue() == name;
    });
    if (it == symbolNames.end())
      return {};
    Type pointer = LLVM::LLVMPointerType::get(b.getContext()),
         i64 = b.getI64Type();
    Value address = LLVM::GEPOp::create(
        b, loc, pointer, i64, loadField(CallField::Symbols),
        ArrayRef<LLVM::GEPArg>{int32_t(it - symbolNames.begin())});
    return symbols[name] = LLVM::LoadOp::create(b, loc, i64, address);
  }

  /// The value of an expression as i64; null if it has an unknown symbol.
  Value evaluate(const DimExpr &expr) {
    using Kind = DimExpr::Kind;
    if (expr.getKind() == Kind::Constant)
      return constant(expr.getConstant());
    if (expr.getKind() == Kind::Symbol)
      return loadSymbol(expr.getSymbol());
    Value left = evaluate(expr.getLHS()), right = evaluate(expr.getRHS());
    if (!left || !right)
      return {};
    switch (expr.getKind()) {
    case Kind::Add:
      return arith::AddIOp::create(b, loc, left, right);
    case Kind::Sub:
      return arith::SubIOp::create(b, loc, left, right);
    case Kind::Mul:
      return arith::MulIOp::create(b, loc, left, right);
    case Kind::FloorDiv:
      return arith::FloorDivSIOp::create(b, loc, left, right);
    case Kind::CeilDiv:
      return arith::CeilDivSIOp::create(b, loc, left, right);
    case Kind::Max:
      return arith::MaxSIOp::create(b, loc, left, right);
    case Kind::Min:
      return arith::MinSIOp::create(b, loc, left, right);
    default: {
      // The sign of a remainder is the divisor's, as the runtime has it.
      Value quotient = arith::FloorDivSIOp::create(b, loc, left, right);
      return arith::SubIOp::create(
          b, loc, left, arith::MulIOp::create(b, loc, quotient, right));
    }
    }
  }

  /// A contiguous buffer of type `type` at `pointer`; `sizes` are i64.
  Value makeBuffer(MemRefType type, Value pointer, ArrayRef<Value> sizes) {
    Type llvmPointer = LLVM::LLVMPointerType::get(b.getContext()),
         i64 = b.getI64Type();
    int64_t rank = type.getRank();
    SmallVector<Type> fields = {llvmPointer, llvmPointer, i64};
    if (rank)
      fields.append(2, LLVM::LLVMArrayType::get(i64, rank));
    Type structType = LLVM::LLVMStructType::getLiteral(b.getContext(), fields);
    Value descriptor = LLVM::PoisonOp::create(b, loc, structType);
    auto insert = [&](Value value, ArrayRef<int64_t> position) {
      descriptor =
          LLVM::InsertValueOp::create(b, loc, descriptor, value, position);
    };
    insert(pointer, 0);
    insert(pointer, 1);
    insert(constant(0), 2);
    Value stride = constant(1);
    for (int64_t i = rank - 1; i >= 0; --i) {
      insert(sizes[i], {3, i});
      insert(stride, {4, i});
      if (i)
        stride = arith::MulIOp::create(b, loc, stride, sizes[i]);
    }
    return UnrealizedConversionCastOp::create(b, loc, type, descriptor)
        .getResult(0);
  }

  Value toIndex(Value value) {
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), value);
  }

private:
  OpBuilder &b;
  Location loc;
  Value call;
  ArrayAttr symbolNames;
  llvm::StringMap<Value> symbols;
};

struct EmitEntry : terse::impl::EmitEntryBase<EmitEntry> {
  using EmitEntryBase::EmitEntryBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto forward = module.lookupSymbol<func::FuncOp>(TerseDialect::kEntryName);
    auto arena = module.lookupSymbol<func::FuncOp>("forward_arena");
    auto interface = module->getAttrOfType<DictionaryAttr>("terse.interface");
    if (!forward || !arena || !interface) {
      module.emitError("expected functions @forward and @forward_arena and the "
                       "attribute 'terse.interface'");
      return signalPassFailure();
    }
    symbolNames = interface.getAs<ArrayAttr>("symbols");
    if (!symbolNames)
      symbolNames = ArrayAttr::get(&getContext(), {});
    if (failed(defineBarrier(module)))
      return signalPassFailure();
    std::string name =
        ("terse_" + TerseDialect::kEntryName + "_" + level).str();
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    Type i32 = IntegerType::get(&getContext(), 32),
         i64 = IntegerType::get(&getContext(), 64);
    if (failed(wrap(forward, name, {pointer, i32, i32}, {})) ||
        failed(wrap(arena, name + "_arena", pointer, i64)))
      return signalPassFailure();
    forward.setPrivate();
    arena.setPrivate();
  }

private:
  /// @terse_barrier(call, ahead, bytes): call->barrier(call->barrier_state, ahead, bytes).
  LogicalResult defineBarrier(ModuleOp module) {
    auto barrier = module.lookupSymbol<func::FuncOp>("terse_barrier");
    if (!barrier)
      return success();
    if (!barrier.isExternal() || barrier.getNumArguments() != 3 ||
        barrier.getNumResults() != 0)
      return barrier.emitError(
          "expected a declaration of @terse_barrier(!llvm.ptr, !llvm.ptr, i64)");
    Block *body = barrier.addEntryBlock();
    OpBuilder b = OpBuilder::atBlockBegin(body);
    CallReader reader(b, barrier.getLoc(), body->getArgument(0), symbolNames);
    Value function = reader.loadField(CallField::Barrier),
          state = reader.loadField(CallField::BarrierState);
    auto type = LLVM::LLVMFunctionType::get(
        LLVM::LLVMVoidType::get(&getContext()), {state.getType(), state.getType(), b.getI64Type()});
    LLVM::CallOp::create(b, barrier.getLoc(), type,
                         ValueRange{function, state, body->getArgument(1), body->getArgument(2)});
    func::ReturnOp::create(b, barrier.getLoc());
    return success();
  }

  /// Makes the public function `name` that reads its first argument, the
  /// TerseCall, and calls `callee`.
  LogicalResult wrap(func::FuncOp callee, const Twine &name,
                     TypeRange arguments, TypeRange results) {
    Location loc = callee.getLoc();
    OpBuilder b(callee->getBlock(), std::next(Block::iterator(callee)));
    auto wrapper = func::FuncOp::create(b, loc, name.str(),
                                        b.getFunctionType(arguments, results));
    Block *body = wrapper.addEntryBlock();
    b.setInsertionPointToStart(body);
    Value call = body->getArgument(0);
    CallReader reader(b, loc, call, symbolNames);

    SmallVector<Value> operands;
    int64_t numInputs = 0, numOutputs = 0, numStates = 0;
    for (auto [i, type] : llvm::enumerate(callee.getArgumentTypes())) {
      DictionaryAttr attrs = callee.getArgAttrDict(i);
      auto getString = [&](StringRef key) {
        return attrs ? attrs.getAs<StringAttr>(key) : StringAttr();
      };
      Value operand;
      if (StringAttr runtime = getString("terse.runtime")) {
        operand =
            getRuntimeArgument(reader, runtime.getValue(), type, body, b, loc);
      } else if (StringAttr symbol = getString(TerseDialect::kSymbolAttr)) {
        if (Value value = reader.loadSymbol(symbol.getValue()))
          operand = reader.toIndex(value);
      } else if (auto buffer = dyn_cast<MemRefType>(type)) {
        bool isOutput = attrs && attrs.contains("terse.output");
        bool isState = !isOutput && getString(TerseDialect::kStateAttr);
        CallField field = isOutput  ? CallField::Outputs
                          : isState ? CallField::States
                                    : CallField::Inputs;
        int64_t &index = isOutput  ? numOutputs
                         : isState ? numStates
                                   : numInputs;
        Value pointer = reader.loadPointer(reader.loadField(field), index++);
        SmallVector<Value> sizes;
        if (getSizes(reader, buffer, attrs, sizes))
          operand = reader.makeBuffer(buffer, pointer, sizes);
      }
      if (!operand || operand.getType() != type)
        return callee.emitError("expected an argument as the runtime gives it, "
                                "with known symbols; argument ")
               << i << " is " << type << " with " << attrs;
      operands.push_back(operand);
    }
    ValueRange values =
        func::CallOp::create(b, loc, callee, operands).getResults();
    SmallVector<Value> returned;
    for (auto [value, type] : llvm::zip(values, results))
      returned.push_back(arith::IndexCastOp::create(b, loc, type, value));
    func::ReturnOp::create(b, loc, returned);
    return success();
  }

  Value getRuntimeArgument(CallReader &reader, StringRef name, Type type,
                           Block *body, OpBuilder &b, Location loc) {
    if (name == "barrier")
      return body->getArgument(0);
    if ((name == "thread" || name == "threads") && body->getNumArguments() == 3)
      return arith::IndexCastOp::create(
          b, loc, b.getIndexType(),
          body->getArgument(name == "thread" ? 1 : 2));
    auto buffer = dyn_cast<MemRefType>(type);
    if ((name != "weights" && name != "arena") || !buffer ||
        buffer.getRank() != 1)
      return {};
    // Their sizes are not read: bounds are known from the plan.
    Value pointer = reader.loadField(name == "weights" ? CallField::Weights
                                                       : CallField::Arena);
    return reader.makeBuffer(
        buffer, pointer, reader.constant(std::numeric_limits<int64_t>::max()));
  }

  /// Sizes of a buffer's dimensions; false if an expression cannot be
  /// evaluated.
  static bool getSizes(CallReader &reader, MemRefType type,
                       DictionaryAttr attrs, SmallVectorImpl<Value> &sizes) {
    auto dims =
        attrs ? attrs.getAs<ArrayAttr>(TerseDialect::kDimsAttr) : ArrayAttr();
    if (type.getRank() && (!dims || dims.size() != size_t(type.getRank())))
      return false;
    for (auto [i, size] : llvm::enumerate(type.getShape())) {
      if (!ShapedType::isDynamic(size)) {
        sizes.push_back(reader.constant(size));
        continue;
      }
      auto text = dyn_cast<StringAttr>(dims[i]);
      std::optional<DimExpr> expr =
          text ? DimExpr::parse(text.getValue()) : std::nullopt;
      Value value = expr ? reader.evaluate(*expr) : Value();
      if (!value)
        return false;
      sizes.push_back(value);
    }
    return true;
  }

  ArrayAttr symbolNames;
};
} // namespace
