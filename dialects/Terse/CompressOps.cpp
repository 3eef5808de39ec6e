//===- CompressOps.cpp - verifiers of compression's operations ------------===//
#include "Terse/TerseDialect.h"

using namespace mlir;
using namespace terse;

#define GET_OP_CLASSES
#include "Terse/TerseOps.cpp.inc"

static std::string printShape(ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(shape, os, [&](int64_t size) {
    if (ShapedType::isDynamic(size))
      os << '?';
    else
      os << size;
  });
  return "[" + text + "]";
}

/// Codes, scales and zero points that represent [rows..., k] values.
static LogicalResult verifyCodes(Operation *op, SchemeAttr scheme, Value codes, Value scales, Value rowScales, Value zeroPoints,
                                 ArrayRef<int64_t> rows, int64_t k) {
  auto codeType = cast<RankedTensorType>(codes.getType()), scaleType = cast<RankedTensorType>(scales.getType());
  SmallVector<int64_t> codeShape(rows), groupShape(rows);
  codeShape.push_back(scheme.getRowBytes(k));
  groupShape.push_back(scheme.getNumGroups(k));
  if (codeType.getShape() != ArrayRef<int64_t>(codeShape)) // Q1
    return op->emitOpError("expected codes of shape ") << printShape(codeShape) << "; got " << codeType;
  if (scaleType.getShape() != ArrayRef<int64_t>(groupShape)) // Q2
    return op->emitOpError("expected scales of shape ") << printShape(groupShape) << "; got " << scaleType;
  if (scaleType.getElementType() != scheme.getScale()) // Q3
    return op->emitOpError("expected scales of ") << scheme.getScale() << "; got " << scaleType.getElementType();
  if (scheme.hasRowScales() != static_cast<bool>(rowScales)) // Q7
    return op->emitOpError("expected scales of rows exactly when scales are of i8");
  SmallVector<int64_t> rowShape(rows);
  rowShape.push_back(1);
  if (rowScales && cast<RankedTensorType>(rowScales.getType()).getShape() != ArrayRef<int64_t>(rowShape)) // Q8
    return op->emitOpError("expected scales of rows of shape ") << printShape(rowShape) << "; got " << rowScales.getType();
  if (scheme.isSymmetric() != !zeroPoints) // Q4
    return op->emitOpError("expected zero points exactly when the scheme has them");
  if (zeroPoints && cast<RankedTensorType>(zeroPoints.getType()).getShape() != ArrayRef<int64_t>(groupShape)) // Q5
    return op->emitOpError("expected zero points of shape ")
           << printShape(groupShape) << "; got " << zeroPoints.getType();
  if (zeroPoints && getElementTypeOrSelf(zeroPoints) != scheme.getZeroType()) // Q6
    return op->emitOpError("expected zero points of ") << scheme.getZeroType() << "; got " << zeroPoints.getType();
  return success();
}

LogicalResult ScaleChannelsOp::verify() {
  auto type = getType(), scale = cast<RankedTensorType>(getScale().getType());
  int64_t axis = getAxis();
  if (axis < 0 || axis >= type.getRank()) // C1
    return emitOpError("expected an axis of ") << type << "; got " << axis;
  if (type.isDynamicDim(axis) || scale.getShape() != type.getShape().slice(axis, 1)) // C2
    return emitOpError("expected a scale for each of a static number of channels; got ") << scale << " for axis " << axis << " of " << type;
  return success();
}

/// Scales of one change nothing.
OpFoldResult ScaleChannelsOp::fold(FoldAdaptor adaptor) {
  auto scale = dyn_cast_if_present<SplatElementsAttr>(adaptor.getScale());
  if (scale && scale.getSplatValue<APFloat>().isExactlyValue(1.0))
    return getInput();
  return {};
}

LogicalResult RotateOp::verify() {
  auto type = getType();
  if (type.getRank() < 1 || type.isDynamicDim(type.getRank() - 1) || type.getShape().back() == 0) // O1
    return emitOpError("expected a static number of channels; got ") << type;
  if (getBlock() && (int64_t(*getBlock()) < 1 || type.getShape().back() % int64_t(*getBlock()) != 0)) // O2
    return emitOpError("expected a block that divides ") << type.getShape().back() << "; got " << int64_t(*getBlock());
  return success();
}

/// A rotation of one channel changes nothing.
OpFoldResult RotateOp::fold(FoldAdaptor) { return getRotatedSize() == 1 ? getInput() : Value(); }

LogicalResult DequantizeOp::verify() {
  auto result = getType();
  if (result.getRank() < 1 || result.isDynamicDim(result.getRank() - 1)) // D1
    return emitOpError("expected a result of rank 1 or more with a static last dimension; got ") << result;
  return verifyCodes(*this, getScheme(), getCodes(), getScales(), getRowScales(), getZeroPoints(),
                     result.getShape().drop_back(), result.getShape().back());
}

LogicalResult QuantizeDynamicOp::verify() {
  if (getType().getRank() < 1) // Y1
    return emitOpError("expected rank 1 or more; got ") << getType();
  if (getBits() < 2 || getBits() > 8) // Y2
    return emitOpError("expected 2 to 8 bits; got ") << getBits();
  if (getPerTensor() && getBits() != 8) // Y3
    return emitOpError("expected 8 bits of a whole tensor; got ") << getBits();
  return success();
}

LogicalResult QuantizeHeadsOp::verify() {
  auto type = getType();
  int64_t heads = getNumHeads();
  if (type.getRank() != 3 || type.isDynamicDim(2)) // H1
    return emitOpError("expected an input of shape [batch, sequence, channels] with static channels; got ") << type;
  if (heads < 1 || type.getDimSize(2) < heads || type.getDimSize(2) % heads) // H2
    return emitOpError("expected channels to be a multiple of num_heads; got ") << type.getDimSize(2) << " and " << heads;
  if (getBits() != 4 && getBits() != 8) // H3
    return emitOpError("expected 4 or 8 bits; got ") << getBits();
  return success();
}

LogicalResult QuantizeStaticOp::verify() {
  double scale = getScale().convertToDouble();
  if (!(scale > 0) || !getScale().isFinite()) // S1
    return emitOpError("expected a scale above 0; got ") << scale;
  int64_t zero = getZero(), low = getLow(), high = getHigh();
  if (low < -32768 || high > 65535 || low > zero || zero > high) // S2
    return emitOpError("expected low <= zero <= high within -32768..65535; got ") << low << ", " << zero << " and " << high;
  return success();
}

LogicalResult QuantizeTensorOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto codes = cast<RankedTensorType>(getCodes().getType());
  if (codes.getShape() != input.getShape()) // T1
    return emitOpError("expected codes of the input's shape; got ") << input << " and " << codes;
  for (Value scalar : {getScale(), getZeroPoint()})
    if (cast<RankedTensorType>(scalar.getType()).getRank() != 0) // T2
      return emitOpError("expected a scale and a zero point of rank 0; got ") << scalar.getType();
  return success();
}

LogicalResult QLinearOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()), result = getType();
  auto codes = cast<RankedTensorType>(getCodes().getType());
  if (input.getRank() < 1 || result.getRank() != input.getRank()) // X1
    return emitOpError("expected input and result of one rank, 1 or more; got ") << input << " and " << result;
  int64_t k = input.getShape().back(), n = result.getShape().back();
  if (ShapedType::isDynamic(k) || ShapedType::isDynamic(n) || codes.getRank() != 2) // X2
    return emitOpError("expected static numbers of channels and codes of rank 2; got ")
           << input << ", " << codes << " and " << result;
  for (int64_t i = 0, e = input.getRank() - 1; i < e; ++i)
    if (input.getDimSize(i) != result.getDimSize(i)) // X3
      return emitOpError("expected equal leading dimensions; got ") << input << " and " << result;
  if (getBias() && (cast<RankedTensorType>(getBias().getType()).getShape() != ArrayRef<int64_t>(n))) // X4
    return emitOpError("expected a bias of shape [") << n << "]; got " << getBias().getType();
  return verifyCodes(*this, getScheme(), getCodes(), getScales(), getRowScales(), getZeroPoints(), n, k);
}
