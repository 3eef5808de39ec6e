//===- LaunchOps.cpp - launch, barrier and weight -------------------------===//
//
// Labels (L1, W1, ...) name the constraints; test/invalid.mlir has a case for
// each.
#include "Kernel/KernelDialect.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace terse::kernel;

#define GET_OP_CLASSES
#include "Kernel/KernelOps.cpp.inc"

//===----------------------------------------------------------------------===//
// launch
//===----------------------------------------------------------------------===//

LogicalResult LaunchOp::verify() {
  for (Type type : getInputs().getTypes())
    if (!isa<RankedTensorType, MemRefType>(type) && !type.isIntOrIndexOrFloat()) // L1
      return emitOpError("expected inputs that are tensors, buffers or scalars; got ") << type;
  bool hasTensors = llvm::any_of(getOutputs().getTypes(), llvm::IsaPred<RankedTensorType>);
  bool hasBuffers = llvm::any_of(getOutputs().getTypes(), llvm::IsaPred<MemRefType>);
  if (hasTensors && hasBuffers) // L2
    return emitOpError("expected outputs that are all tensors or all buffers");
  return success();
}

/// Whether the kernel may be called with a value of type `type`: exactly for
/// buffers and scalars, by shape and element type for tensors.
static bool isPassable(Type type, Type parameter) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return type == parameter;
  auto buffer = dyn_cast<MemRefType>(parameter);
  return buffer && buffer.getLayout().isIdentity() && buffer.getElementType() == tensor.getElementType() &&
         succeeded(verifyCompatibleShape(tensor.getShape(), buffer.getShape()));
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getCalleeAttr());
  if (!callee) // L3
    return emitOpError("expected a function named '") << getCallee() << "'";
  FunctionType type = callee.getFunctionType();
  auto mismatch = [&](const Twine &what) {
    InFlightDiagnostic diag = emitOpError("expected a kernel ") << what;
    diag.attachNote(callee.getLoc()) << "the kernel's type is " << type;
    return diag;
  };
  size_t numOperands = getNumOperands();
  if (type.getNumResults()) // L4
    return mismatch("without results");
  if (type.getNumInputs() != numOperands + 2 || !type.getInput(numOperands).isIndex() ||
      !type.getInput(numOperands + 1).isIndex()) // L5
    return mismatch("of " + Twine(numOperands) + " operands, the thread and the number of threads");
  for (auto [i, operand] : llvm::enumerate(getOperandTypes()))
    if (!isPassable(operand, type.getInput(i))) // L6
      return mismatch("whose parameter " + Twine(i) + " takes the operand") << "; got " << operand;
  return success();
}

void LaunchOp::getEffects(SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (OpOperand &input : getInputsMutable())
    if (isa<MemRefType>(input.get().getType()))
      effects.emplace_back(MemoryEffects::Read::get(), &input);
  for (OpOperand &output : getOutputsMutable()) {
    if (!isa<MemRefType>(output.get().getType()))
      continue;
    effects.emplace_back(MemoryEffects::Read::get(), &output);
    effects.emplace_back(MemoryEffects::Write::get(), &output);
  }
}

LogicalResult LaunchOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  for (Value output : getOutputs())
    if (isa<RankedTensorType>(output.getType()))
      shapes.push_back(tensor::getMixedSizes(builder, getLoc(), output));
  return success();
}

bool LaunchOp::bufferizesToMemoryRead(OpOperand &operand, const AnalysisState &) { return true; }

bool LaunchOp::bufferizesToMemoryWrite(OpOperand &operand, const AnalysisState &) { return isDpsInit(&operand); }

AliasingValueList LaunchOp::getAliasingValues(OpOperand &operand, const AnalysisState &) {
  if (!isDpsInit(&operand) || !isa<RankedTensorType>(operand.get().getType()))
    return {};
  return {{getTiedOpResult(&operand), BufferRelation::Equivalent}};
}

LogicalResult LaunchOp::bufferize(RewriterBase &rewriter, const BufferizationOptions &options,
                                  BufferizationState &state) {
  rewriter.setInsertionPoint(*this);
  Location loc = getLoc();
  SmallVector<Value> inputs, outputs, results;
  SmallVector<std::pair<Value, Value>> copiesBack;

  // A kernel takes buffers of the identity layout, and of the static sizes that
  // its parameters have. Others are passed as a copy.
  auto adapt = [&](Value buffer, Type parameter, bool isOutput) -> FailureOr<Value> {
    auto type = cast<MemRefType>(buffer.getType()), wanted = cast<MemRefType>(parameter);
    if (type == wanted)
      return buffer;
    // The layout of a whole buffer, or one that provably is the same.
    SmallVector<int64_t> strides, wantedStrides;
    int64_t offset, wantedOffset;
    bool isKnown = succeeded(type.getStridesAndOffset(strides, offset)) &&
                   succeeded(wanted.getStridesAndOffset(wantedStrides, wantedOffset)) && strides == wantedStrides &&
                   offset == 0 && !llvm::is_contained(strides, ShapedType::kDynamic);
    if (type.getLayout().isIdentity() || isKnown)
      return memref::CastOp::create(rewriter, loc, wanted, buffer).getResult();
    SmallVector<Value> sizes;
    for (auto [i, size] : llvm::enumerate(wanted.getShape()))
      if (ShapedType::isDynamic(size))
        sizes.push_back(memref::DimOp::create(rewriter, loc, buffer, i));
    FailureOr<Value> copy = options.createAlloc(rewriter, loc, wanted, sizes);
    if (failed(copy) || failed(options.createMemCpy(rewriter, loc, buffer, *copy)))
      return failure();
    if (isOutput)
      copiesBack.push_back({*copy, buffer});
    return *copy;
  };

  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(*this, getCalleeAttr());
  for (OpOperand &operand : getOperation()->getOpOperands()) {
    bool isOutput = isDpsInit(&operand);
    Value value = operand.get();
    if (isa<RankedTensorType>(value.getType())) {
      FailureOr<Value> buffer = getBuffer(rewriter, value, options, state);
      if (failed(buffer))
        return failure();
      if (isOutput)
        results.push_back(*buffer);
      FailureOr<Value> adapted = adapt(*buffer, callee.getArgumentTypes()[operand.getOperandNumber()], isOutput);
      if (failed(adapted))
        return failure();
      value = *adapted;
    }
    (isOutput ? outputs : inputs).push_back(value);
  }
  LaunchOp::create(rewriter, loc, TypeRange(), getCalleeAttr(), inputs, outputs, getSerialAttr());
  for (auto [source, target] : copiesBack)
    if (failed(options.createMemCpy(rewriter, loc, source, target)))
      return failure();
  replaceOpWithBufferizedValues(rewriter, *this, results);
  return success();
}

//===----------------------------------------------------------------------===//
// weight
//===----------------------------------------------------------------------===//

LogicalResult WeightOp::verify() {
  auto type = cast<ShapedType>(getType());
  if (!type.hasStaticShape()) // W1
    return emitOpError("expected a static shape; got ") << type;
  if (auto buffer = dyn_cast<MemRefType>(type); buffer && !buffer.getLayout().isIdentity()) // W2
    return emitOpError("expected the identity layout; got ") << type;
  if (static_cast<int64_t>(getOffset()) < 0) // W3
    return emitOpError("expected an offset of 0 or more; got ") << static_cast<int64_t>(getOffset());
  return success();
}

bool WeightOp::isWritable(Value, const AnalysisState &) { return false; }

LogicalResult WeightOp::bufferize(RewriterBase &rewriter, const BufferizationOptions &, BufferizationState &) {
  auto type = cast<RankedTensorType>(getType());
  rewriter.setInsertionPoint(*this);
  Value view = WeightOp::create(rewriter, getLoc(), MemRefType::get(type.getShape(), type.getElementType()),
                                getNameAttr(), getOffsetAttr());
  replaceOpWithBufferizedValues(rewriter, *this, view);
  return success();
}
