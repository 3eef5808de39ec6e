//===- Convolution.cpp - convolutions -------------------------------------===//
#include "Window.h"

#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// The input with `before` and `after` zeros around the dimensions of space, and
/// `gaps[d]` - 1 between neighbours in them.
static Tensor *spread(Importer &im, Tensor *t, ArrayRef<Dim> before, ArrayRef<Dim> after, ArrayRef<int64_t> gaps) {
  Dims dims(t->dims.begin(), t->dims.end());
  SmallVector<Value> offsets, sizes;
  bool same = true;
  for (size_t d = 0; d < gaps.size(); ++d) {
    Dim size = im.symbols.resolve(t->dims[d + 2]);
    dims[d + 2] = (size - Dim(1)) * Dim(gaps[d]) + Dim(1) + before[d] + after[d];
    if (auto constant = im.symbols.resolve(dims[d + 2]).constant(); constant && *constant < 0)
      return im.error("expected a padded size of 0 or more; got " + Twine(*constant));
    offsets.push_back(im.index(before[d]));
    sizes.push_back(im.index(size));
    same &= im.symbols.resolve(dims[d + 2]) == size && im.symbols.resolve(before[d]).isConstant(0);
  }
  if (llvm::is_contained(offsets, Value()) || llvm::is_contained(sizes, Value()))
    return nullptr;
  if (same)
    return t;
  if (!im.value(t))
    return nullptr;
  return im.generate(t->dtype, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    SmallVector<Value> source(at);
    Value zero = arith::ConstantIndexOp::create(b, im.loc, 0), one = arith::ConstantIndexOp::create(b, im.loc, 1), inside;
    for (size_t d = 0; d < gaps.size(); ++d) {
      Value gap = arith::ConstantIndexOp::create(b, im.loc, gaps[d]);
      Value place = arith::SubIOp::create(b, im.loc, at[d + 2], offsets[d]);
      Value i = arith::FloorDivSIOp::create(b, im.loc, place, gap);
      Value exact = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::eq,
                                          arith::MulIOp::create(b, im.loc, i, gap), place);
      Value low = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::sge, i, zero);
      Value high = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::slt, i, sizes[d]);
      Value here = arith::AndIOp::create(b, im.loc, exact, arith::AndIOp::create(b, im.loc, low, high));
      inside = inside ? arith::AndIOp::create(b, im.loc, inside, here).getResult() : here;
      Value last = arith::SubIOp::create(b, im.loc, sizes[d], one);
      source[d + 2] = arith::MaxSIOp::create(b, im.loc, arith::MinSIOp::create(b, im.loc, i, last), zero);
    }
    return arith::SelectOp::create(b, im.loc, inside, im.element(b, t, source), im.literal(b, t->dtype, 0));
  });
}

/// A matrix of the file [M, C, kernel...] as the layer's weight [M, C * kernel].
static Value matrixOf(Importer &im, Tensor *t, int64_t rows, int64_t columns) {
  auto stored = dyn_cast_or_null<WeightOp>(im.weight(t, /*alwaysWeight=*/true).getDefiningOp());
  if (!stored)
    return {};
  auto type = RankedTensorType::get({rows, columns}, im.elementType(t->dtype));
  Attribute data = stored.getData();
  if (auto dense = dyn_cast<DenseElementsAttr>(data))
    data = dense.reshape(type);
  OpBuilder b(stored);
  return WeightOp::create(b, stored.getLoc(), type, stored.getNameAttr(), data);
}

/// Each window is a row of a matrix, the convolution a layer.
static Tensor *convolveByLayer(Importer &im, Tensor *t, Tensor *weight, Tensor *bias, const Window &window) {
  Dim channels = im.symbols.resolve(t->dims[1]);
  int64_t rows = *weight->dims[0].constant(), columns = *channels.constant() * window.count();
  SmallVector<Value> before, sizes;
  for (int64_t d = 0; d < window.rank(); ++d) {
    before.push_back(im.index(window.before[d]));
    sizes.push_back(im.index(t->dims[d + 2]));
  }
  if (!im.value(t) || llvm::is_contained(before, Value()) || llvm::is_contained(sizes, Value()))
    return nullptr;
  Dims dims{t->dims[0]};
  dims.append(window.outputs);
  dims.push_back(channels);
  for (int64_t size : window.kernel)
    dims.push_back(size);
  Tensor *windows = im.generate(t->dtype, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    int64_t rank = window.rank();
    WindowAccess access =
        accessWindow(im, b, window, before, sizes, at.slice(1, rank), at.drop_front(rank + 2));
    SmallVector<Value> position{at[0], at[rank + 1]};
    position.append(access.coordinates);
    return arith::SelectOp::create(b, im.loc, access.inside, im.element(b, t, position), im.literal(b, t->dtype, 0));
  });
  Dim places = im.product(window.outputs);
  Value input = im.value(im.reshape(windows, {t->dims[0], places, Dim(columns)}));
  Value matrix = input ? matrixOf(im, weight, rows, columns) : Value();
  if (!matrix)
    return nullptr;
  std::string name = im.scope();
  if (name.empty())
    name = StringRef(weight->name).rsplit(".weight").first.str();
  Dims product{t->dims[0], places, Dim(rows)};
  Tensor *result = im.make(t->dtype, product,
                           LinearOp::create(im.b, im.loc, im.type(t->dtype, product), input, matrix, Value(),
                                            im.b.getI64IntegerAttr(1), im.b.getStringAttr(name)));
  if (bias)
    result = add(im, result, bias);
  Dims apart{t->dims[0], Dim(rows)};
  apart.append(window.outputs);
  return im.reshape(im.transpose(result, {0, 2, 1}), apart);
}

/// Channels in groups, or a kernel that is computed: every product summed up in f32.
/// `t` is padded; weight is [groups * M, C, kernel...].
static Tensor *convolveDirectly(Importer &im, Tensor *t, Tensor *weight, const Window &window, int64_t groups,
                                const Dim &outputs, const Dim &inputs) {
  DType result = t->dtype, sums = getElementSize(result) == 2 ? static_cast<DType>(onnx::TensorProto::FLOAT) : result;
  Dims grouped{t->dims[0], Dim(groups), inputs}, kernels{Dim(groups), outputs, inputs},
      dims{t->dims[0], Dim(groups), outputs};
  grouped.append(t->dims.begin() + 2, t->dims.end());
  for (int64_t size : window.kernel)
    kernels.push_back(size);
  dims.append(window.outputs);
  Value input = im.value(im.reshape(im.cast(t, sums), grouped)),
        kernel = im.value(im.reshape(im.cast(weight, sums), kernels)), init = im.empty(sums, dims);
  if (!input || !kernel || !init)
    return nullptr;
  init = linalg::FillOp::create(im.b, im.loc, ValueRange{im.literal(im.b, sums, 0)}, ValueRange{init}).getResult(0);
  // Loops: batch, group, output channel, places..., input channel, kernel...
  int64_t rank = window.rank(), loops = 4 + 2 * rank;
  auto loop = [&](int64_t i) { return im.b.getAffineDimExpr(i); };
  SmallVector<AffineExpr> read{loop(0), loop(1), loop(3 + rank)}, weights{loop(1), loop(2), loop(3 + rank)},
      written{loop(0), loop(1), loop(2)};
  for (int64_t d = 0; d < rank; ++d) {
    read.push_back(loop(3 + d) * window.strides[d] + loop(4 + rank + d) * window.dilations[d]);
    weights.push_back(loop(4 + rank + d));
    written.push_back(loop(3 + d));
  }
  SmallVector<AffineMap> maps;
  for (ArrayRef<AffineExpr> expressions : {ArrayRef(read), ArrayRef(weights), ArrayRef(written)})
    maps.push_back(AffineMap::get(loops, 0, expressions, im.b.getContext()));
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::parallel);
  for (int64_t i = 3 + rank; i < loops; ++i)
    iterators[i] = utils::IteratorType::reduction;
  auto op = linalg::GenericOp::create(im.b, im.loc, TypeRange{init.getType()}, ValueRange{input, kernel},
                                      ValueRange{init}, maps, iterators, [&](OpBuilder &b, Location at, ValueRange v) {
                                        Value product = arith::MulFOp::create(b, at, v[0], v[1]);
                                        linalg::YieldOp::create(
                                            b, at, arith::AddFOp::create(b, at, v[2], product).getResult());
                                      });
  Dims merged{t->dims[0], outputs * Dim(groups)};
  merged.append(window.outputs);
  return im.cast(im.reshape(im.make(sums, dims, op.getResult(0)), merged), result);
}

/// [C] beside [N, C, space...].
static Tensor *addBias(Importer &im, Tensor *t, Tensor *bias) {
  if (!t || !bias)
    return t;
  Dims dims(t->rank() - 1, Dim(1));
  dims[0] = bias->dims[0];
  return add(im, t, im.reshape(bias, dims));
}

/// Checks what both convolutions ask of their operands, and gives the kernel's sizes.
static std::optional<SmallVector<int64_t>> kernelOf(Importer &im, Node &n, int64_t groups) {
  Tensor *t = n.input(0), *weight = n.input(1), *bias = n.input(2);
  if (!floatInput(im, t) || !sameType(im, {t, weight}) || (bias && (!sameType(im, {t, bias}) || !hasRank(im, bias, 1, "a bias"))))
    return std::nullopt;
  if (t->rank() < 3)
    return im.error("expected an input of rank 3 or more; got " + Twine(t->rank())), std::nullopt;
  if (!hasRank(im, weight, t->rank(), "a kernel"))
    return std::nullopt;
  if (groups < 1 || groups > (1 << 20))
    return im.error("expected groups of 1 or more; got " + Twine(groups)), std::nullopt;
  SmallVector<int64_t> kernel;
  for (int64_t d = 2; d < weight->rank(); ++d) {
    auto size = im.symbols.resolve(weight->dims[d]).constant();
    if (!size)
      return im.error("the size of the kernel must be known when the model is compiled"), std::nullopt;
    kernel.push_back(*size);
  }
  return kernel;
}

TERSE_ONNX_OP("", Conv, 1, 2, 3) {
  Tensor *t = n.input(0), *weight = n.input(1), *bias = n.input(2);
  int64_t groups = n.integer("group", 1);
  auto kernel = kernelOf(im, n, groups);
  auto window = kernel ? windowOf(im, n, t, *kernel) : std::nullopt;
  if (!window || !im.unify(t->dims[1], weight->dims[1] * Dim(groups), "channels") ||
      (bias && !im.unify(bias->dims[0], weight->dims[0], "channels of the bias")))
    return failure();
  auto outputs = im.symbols.resolve(weight->dims[0]).divideExactly(Dim(groups));
  if (!outputs)
    return im.error("expected output channels to be a multiple of the groups"), failure();
  if (groups == 1 && weight->initializer && !weight->transposed)
    return n.yield({convolveByLayer(im, t, weight, bias, *window)});
  Tensor *padded = spread(im, t, window->before, window->after, SmallVector<int64_t>(window->rank(), 1));
  if (!padded)
    return failure();
  return n.yield({addBias(im, convolveDirectly(im, padded, weight, *window, groups, *outputs, weight->dims[1]), bias)});
}

/// Zeros between the elements of the input, and a convolution with the kernel
/// turned around. The kernel is [C, M / groups, ...].
TERSE_ONNX_OP("", ConvTranspose, 1, 2, 3) {
  Tensor *t = n.input(0), *weight = n.input(1), *bias = n.input(2);
  int64_t groups = n.integer("group", 1), rank = t->rank() - 2;
  auto kernel = kernelOf(im, n, groups);
  auto window = kernel ? windowAttributes(im, n, t, *kernel) : std::nullopt;
  if (!window || !im.unify(t->dims[1], weight->dims[0], "channels"))
    return failure();
  auto inputs = im.symbols.resolve(t->dims[1]).divideExactly(Dim(groups));
  Dim outputs = im.symbols.resolve(weight->dims[1]);
  if (!inputs)
    return im.error("expected channels to be a multiple of the groups"), failure();
  if (bias && !im.unify(bias->dims[0], outputs * Dim(groups), "channels of the bias"))
    return failure();
  SmallVector<int64_t> extra = n.integers("output_padding"), wanted = n.integers("output_shape");
  if (extra.empty())
    extra.assign(rank, 0);
  if (static_cast<int64_t>(wanted.size()) == rank + 2)
    wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (static_cast<int64_t>(extra.size()) != rank || (!wanted.empty() && static_cast<int64_t>(wanted.size()) != rank))
    return im.error("expected output_padding and output_shape for " + Twine(rank) + " dimensions"), failure();
  StringRef automatic = n.string("auto_pad", "NOTSET");
  Dims before, after;
  for (int64_t d = 0; d < rank; ++d) {
    Dim step(window->strides[d]), size = im.symbols.resolve(t->dims[d + 2]), extent(window->extent(d));
    Dim whole = (size - Dim(1)) * step + extent + Dim(extra[d]);
    Dim cutBefore = window->before[d], cutAfter = window->after[d];
    if (automatic.starts_with("SAME") || !wanted.empty()) {
      Dim output = wanted.empty() ? size * step : Dim(wanted[d]);
      Dim cut = im.symbols.max(whole - output, Dim(0)), half = im.symbols.floorDiv(cut, Dim(2));
      cutBefore = automatic == "SAME_UPPER" ? half : cut - half;
      if (!automatic.starts_with("SAME"))
        cutBefore = half;
      cutAfter = whole - output - cutBefore;
    } else if (automatic == "VALID") {
      cutBefore = cutAfter = Dim(0);
    }
    before.push_back(extent - Dim(1) - cutBefore);
    after.push_back(extent - Dim(1) - cutAfter + Dim(extra[d]));
    window->outputs.push_back(im.symbols.max(whole - cutBefore - cutAfter, Dim(0)));
  }
  Tensor *apart = spread(im, t, before, after, window->strides);
  // [groups, C, M, kernel...] turned around, to [groups, M, C, kernel...].
  Dims grouped{Dim(groups), *inputs, outputs}, kernels{outputs * Dim(groups), *inputs};
  SmallVector<int64_t> order{0, 2, 1};
  for (int64_t d = 0; d < rank; ++d) {
    grouped.push_back((*kernel)[d]);
    kernels.push_back((*kernel)[d]);
    order.push_back(3 + d);
  }
  Dims offsets(rank + 3, Dim(0));
  SmallVector<int64_t> steps(rank + 3, 1);
  for (int64_t d = 0; d < rank; ++d) {
    offsets[d + 3] = Dim((*kernel)[d] - 1);
    steps[d + 3] = -1;
  }
  Tensor *turned = im.slice(im.reshape(weight, grouped), offsets, grouped, steps);
  turned = im.reshape(im.transpose(turned, order), kernels);
  if (!apart || !turned)
    return failure();
  window->strides.assign(rank, 1);
  return n.yield({addBias(im, convolveDirectly(im, apart, turned, *window, groups, outputs, *inputs), bias)});
}
