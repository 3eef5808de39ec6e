//===- TokenMajor.cpp - tensors as rows of tokens -------------------------===//
#include "terse/Analysis/TokenMajor.h"

using namespace mlir;
using namespace terse;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

Value terse::buildTranspose(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> permutation) {
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return value;
  SmallVector<OpFoldResult> shape = buildShape(builder, loc, value), permuted;
  for (int64_t dim : permutation)
    permuted.push_back(shape[dim]);
  Value empty = tensor::EmptyOp::create(builder, loc, permuted, tensorType(value).getElementType());
  return linalg::TransposeOp::create(builder, loc, value, empty, permutation)->getResult(0);
}

Value terse::castElements(OpBuilder &builder, Location loc, Value value, Type type) {
  auto source = tensorType(value);
  if (source.getElementType() == type)
    return value;
  Type target = source.clone(type);
  unsigned from = source.getElementTypeBitWidth(), to = type.getIntOrFloatBitWidth();
  if (to > from)
    return arith::ExtFOp::create(builder, loc, target, value);
  if (to < from)
    return arith::TruncFOp::create(builder, loc, target, value);
  return castElements(builder, loc, castElements(builder, loc, value, builder.getF32Type()), type);
}

Value terse::scaleElements(OpBuilder &builder, Location loc, Value value, double factor) {
  if (factor == 1)
    return value;
  auto type = tensorType(value);
  Value number = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(type.getElementType(), factor));
  SmallVector<Value> dynamicSizes;
  for (OpFoldResult size : buildShape(builder, loc, value))
    if (auto dynamicSize = dyn_cast<Value>(size))
      dynamicSizes.push_back(dynamicSize);
  Value splat = tensor::SplatOp::create(builder, loc, type, number, dynamicSizes);
  return arith::MulFOp::create(builder, loc, value, splat);
}

Value terse::buildSlice(OpBuilder &builder, Location loc, const Access &access, ArrayRef<OpFoldResult> sizes) {
  auto base = tensorType(access.base);
  SmallVector<OpFoldResult> offsets, lengths, strides;
  SmallVector<int64_t> coordinateOf(base.getRank(), -1);
  for (int64_t dim = 0; dim < base.getRank(); ++dim) {
    offsets.push_back(builder.getIndexAttr(access.offset[dim]));
    lengths.push_back(builder.getIndexAttr(1));
    strides.push_back(builder.getIndexAttr(1));
  }
  for (unsigned c = 0; c < sizes.size(); ++c) {
    if (llvm::all_of(access.strides[c], [](int64_t stride) { return stride == 0; }))
      continue;
    std::optional<int64_t> dim = access.getDimOf(c);
    if (!dim || coordinateOf[*dim] >= 0 || access.strides[c][*dim] < 1)
      return {};
    coordinateOf[*dim] = c;
    lengths[*dim] = sizes[c];
    strides[*dim] = builder.getIndexAttr(access.strides[c][*dim]);
  }
  // Cut, drop what stands still, put the coordinates in order.
  SmallVector<int64_t> order;
  SmallVector<int64_t> shape;
  for (int64_t dim = 0; dim < base.getRank(); ++dim)
    if (coordinateOf[dim] >= 0) {
      order.push_back(coordinateOf[dim]);
      shape.push_back(getConstantIntValue(lengths[dim]).value_or(ShapedType::kDynamic));
    }
  auto type = RankedTensorType::get(shape, base.getElementType());
  Value slice = access.base;
  bool whole = access.coversBase() && int64_t(order.size()) == base.getRank() &&
               llvm::all_of(strides, [](OpFoldResult stride) { return isConstantIntValue(stride, 1); });
  if (!whole)
    slice = tensor::ExtractSliceOp::create(builder, loc, type, access.base, offsets, lengths, strides);
  SmallVector<int64_t> permutation = llvm::to_vector(llvm::seq<int64_t>(0, order.size()));
  llvm::sort(permutation, [&](int64_t a, int64_t b) { return order[a] < order[b]; });
  slice = buildTranspose(builder, loc, slice, permutation);
  if (order.size() == sizes.size())
    return slice;
  // Coordinates that move nothing become dimensions of size 1.
  SmallVector<OpFoldResult> full;
  SmallVector<int64_t> fullShape;
  SmallVector<ReassociationIndices> groups;
  ReassociationIndices group;
  for (unsigned c = 0; c < sizes.size(); ++c) {
    bool moves = llvm::is_contained(order, int64_t(c));
    full.push_back(moves ? sizes[c] : OpFoldResult(builder.getIndexAttr(1)));
    fullShape.push_back(getConstantIntValue(full.back()).value_or(ShapedType::kDynamic));
    if (moves && llvm::any_of(group, [&](int64_t i) { return llvm::is_contained(order, i); })) {
      groups.push_back(group);
      group.clear();
    }
    group.push_back(c);
  }
  if (order.empty())
    return {};
  groups.push_back(group);
  auto fullType = RankedTensorType::get(fullShape, base.getElementType());
  return tensor::ExpandShapeOp::create(builder, loc, fullType, slice, groups, full);
}

/// Heads that lie `stride` apart in a dimension, each wider than what is read of it (queries, keys
/// and values of a head side by side): the same elements of the base with that dimension split.
static std::optional<Access> splitHeadDim(OpBuilder &builder, Location loc, const Access &access, int64_t dim,
                                          int64_t stride, int64_t size) {
  auto base = tensorType(access.base);
  int64_t width = base.getDimSize(dim), start = access.offset[dim];
  if (ShapedType::isDynamic(width) || stride < 1 || width % stride || start % stride + size > stride)
    return std::nullopt;
  SmallVector<int64_t> shape(base.getShape());
  SmallVector<OpFoldResult> sizes = buildShape(builder, loc, access.base);
  shape[dim] = stride;
  sizes[dim] = builder.getIndexAttr(stride);
  shape.insert(shape.begin() + dim, width / stride);
  sizes.insert(sizes.begin() + dim, builder.getIndexAttr(width / stride));
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i < base.getRank(); ++i) {
    if (i == dim)
      groups.push_back({i, i + 1});
    else
      groups.push_back({i < dim ? i : i + 1});
  }
  Access split = access;
  auto type = RankedTensorType::get(shape, base.getElementType());
  split.base = tensor::ExpandShapeOp::create(builder, loc, type, access.base, groups, sizes);
  auto insert = [&](auto &list, auto outer, auto inner) {
    list[dim] = inner;
    list.insert(list.begin() + dim, outer);
  };
  insert(split.offset, start / stride, start % stride);
  for (auto [c, strides] : llvm::enumerate(split.strides))
    insert(strides, c == 1 ? 1 : 0, c == 3 ? 1 : strides[dim]);
  for (auto [c, strides] : llvm::enumerate(split.strides))
    if (c == 1)
      strides[dim + 1] = 0;
  insert(split.whole, false, false);
  return split;
}

Value terse::buildTokenMajor(OpBuilder &builder, Location loc, const Access &access, OpFoldResult batch,
                             OpFoldResult tokens, int64_t heads, int64_t size) {
  // [B, S, ... H * D ...]: a slice of the channels.
  std::optional<int64_t> head = access.getDimOf(1), element = access.getDimOf(3);
  int64_t headStride = head ? access.strides[1][*head] : 0, elementStride = element ? access.strides[3][*element] : 0;
  bool merged = (heads == 1 || headStride == size) && (size == 1 || elementStride == 1) &&
                (heads == 1 || size == 1 || head == element) && (head || element);
  if (merged) {
    Access rows;
    rows.base = access.base;
    rows.offset = access.offset;
    Index channels(access.offset.size(), 0);
    channels[element ? *element : *head] = 1;
    rows.strides = {access.strides[0], access.strides[2], channels};
    rows.whole = access.whole;
    if (Value slice = buildSlice(builder, loc, rows, {batch, tokens, builder.getIndexAttr(heads * size)}))
      return tensorType(slice).getRank() == 3 ? slice : Value();
    return {};
  }
  if (head && head == element && elementStride == 1)
    if (std::optional<Access> split = splitHeadDim(builder, loc, access, *head, headStride, size))
      return buildTokenMajor(builder, loc, *split, batch, tokens, heads, size);
  Access ordered = access;
  std::swap(ordered.strides[1], ordered.strides[2]);
  Value slice =
      buildSlice(builder, loc, ordered, {batch, tokens, builder.getIndexAttr(heads), builder.getIndexAttr(size)});
  if (!slice || tensorType(slice).getDimSize(2) != heads || tensorType(slice).getDimSize(3) != size)
    return {};
  return mergeHeads(builder, loc, slice, 2);
}

Value terse::mergeHeads(OpBuilder &builder, Location loc, Value value, int64_t headAxis) {
  Value rows = headAxis == 1 ? buildTranspose(builder, loc, value, {0, 2, 1, 3}) : value;
  return tensor::CollapseShapeOp::create(builder, loc, rows, ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}});
}

Value terse::splitHeads(OpBuilder &builder, Location loc, Value value, int64_t heads, int64_t headAxis) {
  auto type = tensorType(value);
  int64_t size = type.getDimSize(2) / heads;
  SmallVector<OpFoldResult> shape = buildShape(builder, loc, value);
  shape.pop_back();
  shape.push_back(builder.getIndexAttr(heads));
  shape.push_back(builder.getIndexAttr(size));
  auto split = RankedTensorType::get({type.getDimSize(0), type.getDimSize(1), heads, size}, type.getElementType());
  Value result = tensor::ExpandShapeOp::create(builder, loc, split, value,
                                               ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}}, shape);
  return headAxis == 1 ? buildTranspose(builder, loc, result, {0, 2, 1, 3}) : result;
}

Value terse::buildNonZeros(OpBuilder &builder, Location loc, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getElementType().isInteger(1))
    return value;
  Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type.getElementType()));
  SmallVector<Value> dynamicSizes;
  for (OpFoldResult size : buildShape(builder, loc, value))
    if (auto dynamicSize = dyn_cast<Value>(size))
      dynamicSizes.push_back(dynamicSize);
  Value zeros = tensor::SplatOp::create(builder, loc, type, zero, dynamicSizes);
  if (isa<FloatType>(type.getElementType()))
    return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNE, value, zeros);
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, value, zeros);
}
