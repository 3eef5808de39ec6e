//===- Rows.cpp - tensors as rows -----------------------------------------===//
#include "terse/Kernels/Rows.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace terse;

static SmallVector<ReassociationIndices> leadingAsOne(int64_t rank) {
  SmallVector<ReassociationIndices> groups(2);
  for (int64_t i = 0; i + 1 < rank; ++i)
    groups[0].push_back(i);
  groups[1].push_back(rank - 1);
  return groups;
}

static Value castTo(OpBuilder &builder, Value value, Type type) {
  return value.getType() == type ? value : tensor::CastOp::create(builder, value.getLoc(), type, value).getResult();
}

Value terse::toRows(OpBuilder &builder, Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  auto rows = RankedTensorType::get({ShapedType::kDynamic, type.getShape().back()}, type.getElementType());
  if (type.getRank() == 1) {
    auto one = RankedTensorType::get({1, type.getDimSize(0)}, type.getElementType());
    tensor = tensor::ExpandShapeOp::create(builder, tensor.getLoc(), one, tensor, {{0, 1}});
  } else if (type.getRank() > 2) {
    tensor = tensor::CollapseShapeOp::create(builder, tensor.getLoc(), tensor, leadingAsOne(type.getRank()));
  }
  return castTo(builder, tensor, rows);
}

Value terse::fromRows(OpBuilder &builder, Value rows, RankedTensorType type, Value like) {
  Location loc = rows.getLoc();
  if (type.getRank() == 1) {
    auto one = RankedTensorType::get({1, type.getDimSize(0)}, type.getElementType());
    return tensor::CollapseShapeOp::create(builder, loc, type, castTo(builder, rows, one), {{0, 1}});
  }
  if (type.getRank() == 2)
    return castTo(builder, rows, type);
  SmallVector<ReassociationIndices> groups = leadingAsOne(type.getRank());
  Value collapsed = castTo(builder, rows, tensor::CollapseShapeOp::inferCollapsedType(type, groups));
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, like);
  sizes.back() = builder.getIndexAttr(type.getShape().back());
  return tensor::ExpandShapeOp::create(builder, loc, type, collapsed, groups, sizes);
}
