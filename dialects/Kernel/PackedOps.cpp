//===- PackedOps.cpp - verifiers of layers with packed weights ------------===//
//
// Labels (P1, ...) name the constraints; test/invalid-packed.mlir has a case for each.
#include "Kernel/KernelDialect.h"
#include "Kernel/PackedLayout.h"

using namespace mlir;
using namespace terse::kernel;

/// Input [..., K] and result [..., N] with the same leading dimensions, and what
/// is added to the result.
static LogicalResult verifyShapes(Operation *op, Value inputValue, Value resultValue, Value bias, Value residual) {
  auto input = cast<RankedTensorType>(inputValue.getType()), result = cast<RankedTensorType>(resultValue.getType());
  if (input.getRank() < 1 || input.getRank() != result.getRank() ||
      input.getShape().drop_back() != result.getShape().drop_back()) // P1
    return op->emitOpError("expected input and result of the same leading dimensions; got ")
           << input << " and " << result;
  int64_t k = input.getShape().back(), n = result.getShape().back();
  if (ShapedType::isDynamic(k) || ShapedType::isDynamic(n) || k < 1 || n < 1) // P2
    return op->emitOpError("expected static numbers of channels; got ") << input << " and " << result;
  int64_t biasShape[] = {getNumPanels(n), kPanelColumns};
  if (bias && cast<RankedTensorType>(bias.getType()).getShape() != ArrayRef<int64_t>(biasShape)) // P3
    return op->emitOpError("expected a bias of shape [")
           << biasShape[0] << ", " << biasShape[1] << "]; got " << bias.getType();
  if (residual && residual.getType() != result) // P4
    return op->emitOpError("expected a residual of type ") << result << "; got " << residual.getType();
  return success();
}

LogicalResult TilingAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, int64_t onePanels, int64_t onePrefetch,
                                 int64_t fewRows, int64_t fewPanels, int64_t manyRows, int64_t manyPanels, int64_t unpackedRows, int64_t unpackedPanels, int64_t unpackedFrom,
                                 int64_t prefetch, int64_t farPrefetch) {
  // One row has blocks of its own.
  for (auto [rows, least] : {std::pair(fewRows, 2), {manyRows, 2}, {unpackedRows, 1}})
    if (rows < least || rows > kMostRows) // P13
      return emitError() << "expected " << least << " to " << kMostRows << " rows; got " << rows;
  for (int64_t panels : {onePanels, fewPanels, manyPanels, unpackedPanels})
    if (panels < 1 || panels > kMostPanels) // P14
      return emitError() << "expected 1 to " << kMostPanels << " panels; got " << panels;
  if (unpackedFrom < 0) // P15
    return emitError() << "expected a number of rows from which on weights are unpacked; got " << unpackedFrom;
  for (int64_t bytes : {onePrefetch, prefetch, farPrefetch})
    if (bytes < 0 || bytes > kMostPrefetch) // P16
      return emitError() << "expected 0 to " << kMostPrefetch << " bytes to prefetch; got " << bytes;
  return success();
}

PackedLayout QLinearOp::getLayout() {
  return {cast<RankedTensorType>(getType()).getShape().back(), cast<RankedTensorType>(getInput().getType()).getShape().back(),
          getScheme(), getSparse()};
}

LogicalResult QLinearOp::verify() {
  if (failed(verifyShapes(*this, getInput(), getResult(), getBias(), getResidual())))
    return failure();
  if (getSparse() && (!PackedLayout::canBeSparse(getScheme()) || !roundsInput())) // P11
    return emitOpError("expected a symmetric scheme of 4 bits and a rounded input of sparse codes; got ") << getScheme();
  PackedLayout layout = getLayout();
  int64_t n = layout.n;
  int64_t codeShape[] = {getNumPanels(n), layout.getPanelBytes()};
  int64_t groupShape[] = {getNumPanels(n), layout.getNumGroups(), kPanelColumns};
  auto codes = cast<RankedTensorType>(getCodes().getType()), scales = cast<RankedTensorType>(getScales().getType());
  if (codes.getShape() != ArrayRef<int64_t>(codeShape)) // P5
    return emitOpError("expected codes of shape [") << codeShape[0] << ", " << codeShape[1] << "]; got " << codes;
  if (scales.getShape() != ArrayRef<int64_t>(groupShape) || scales.getElementType() != getScheme().getScale()) // P6
    return emitOpError("expected scales of ")
           << RankedTensorType::get(groupShape, getScheme().getScale()) << "; got " << scales;
  int64_t sumShape[] = {getNumPanels(n), kPanelColumns};
  auto isOfColumns = [&](Value value) { return cast<RankedTensorType>(value.getType()).getShape() == ArrayRef<int64_t>(sumShape); };
  if (getScheme().hasRowScales() != static_cast<bool>(getRowScales()) || (getRowScales() && !isOfColumns(getRowScales()))) // P12
    return emitOpError("expected scales of rows of shape [")
           << sumShape[0] << ", " << sumShape[1] << "] exactly when scales are of i8";
  if (getScheme().isSymmetric() != !getZeroPoints()) // P7
    return emitOpError("expected zero points exactly when the scheme has them");
  if (hasPairedZeros(getScheme()))
    groupShape[2] /= 2;
  if (getZeroPoints() &&
      cast<RankedTensorType>(getZeroPoints().getType()).getShape() != ArrayRef<int64_t>(groupShape)) // P8
    return emitOpError("expected zero points of shape [")
           << groupShape[0] << ", " << groupShape[1] << ", " << groupShape[2] << "]; got " << getZeroPoints().getType();
  bool hasZero = getGrid() && getGrid()->hasZero();
  if (hasZero != static_cast<bool>(getColumnSums()) || (hasZero && !isOfColumns(getColumnSums()))) // P10
    return emitOpError("expected sums of columns of shape [")
           << sumShape[0] << ", " << sumShape[1] << "] exactly when the grid of the input has a zero point";
  return success();
}

LogicalResult LinearOp::verify() {
  if (failed(verifyShapes(*this, getInput(), getResult(), getBias(), getResidual())))
    return failure();
  int64_t k = cast<RankedTensorType>(getInput().getType()).getShape().back();
  int64_t n = cast<RankedTensorType>(getType()).getShape().back();
  auto weight = cast<RankedTensorType>(getWeight().getType());
  std::array<int64_t, 3> shape = getFloatShape(n, k, weight.getElementType());
  if (weight.getShape() != ArrayRef<int64_t>(shape)) // P9
    return emitOpError("expected a weight of shape [")
           << shape[0] << ", " << shape[1] << ", " << shape[2] << "]; got " << weight;
  return success();
}
