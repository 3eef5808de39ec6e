//===- Pool.cpp - windows, and what is taken of them ----------------------===//
#include "Window.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::importer;

namespace terse::importer {

int64_t Window::count() const {
  int64_t product = 1;
  for (int64_t size : kernel)
    product *= size;
  return product;
}

std::optional<Window> windowAttributes(Importer &im, Node &n, Tensor *t, ArrayRef<int64_t> kernel) {
  int64_t rank = t->rank() - 2;
  constexpr int64_t kLargest = 1 << 20;
  auto take = [&](const char *name, int64_t count, int64_t otherwise, int64_t least) {
    SmallVector<int64_t> values = n.integers(name);
    if (values.empty())
      values.assign(count, otherwise);
    bool fine = static_cast<int64_t>(values.size()) == count &&
                llvm::all_of(values, [&](int64_t v) { return v >= least && v <= kLargest; });
    if (!fine)
      im.error("expected " + Twine(count) + " " + name + " of " + Twine(least) + " or more");
    return fine ? std::optional(values) : std::nullopt;
  };
  if (rank < 1)
    return im.error("expected an input of rank 3 or more; got " + Twine(t->rank())), std::nullopt;
  int64_t positions = 1;
  for (int64_t size : kernel)
    if (size < 1 || size > kLargest || (positions *= size) > kLargest)
      return im.error("expected a kernel of 1 to " + Twine(kLargest) + " positions"), std::nullopt;
  if (static_cast<int64_t>(kernel.size()) != rank)
    return im.error("expected a kernel of rank " + Twine(rank) + "; got " + Twine(kernel.size())), std::nullopt;
  auto strides = take("strides", rank, 1, 1), dilations = take("dilations", rank, 1, 1),
       pads = take("pads", 2 * rank, 0, -kLargest);
  if (!strides || !dilations || !pads)
    return std::nullopt;
  Window window{SmallVector<int64_t>(kernel), *strides, *dilations, {}, {}, {}};
  for (int64_t d = 0; d < rank; ++d) {
    window.before.push_back((*pads)[d]);
    window.after.push_back((*pads)[d + rank]);
  }
  return window;
}

std::optional<Window> windowOf(Importer &im, Node &n, Tensor *t, ArrayRef<int64_t> kernel) {
  std::optional<Window> window = windowAttributes(im, n, t, kernel);
  if (!window)
    return std::nullopt;
  StringRef automatic = n.string("auto_pad", "NOTSET");
  if (automatic != "NOTSET" && automatic != "VALID" && automatic != "SAME_UPPER" && automatic != "SAME_LOWER")
    return im.error("expected auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER; got " + automatic), std::nullopt;
  bool roundUp = n.integer("ceil_mode", 0) != 0;
  Symbols &symbols = im.symbols;
  for (int64_t d = 0; d < window->rank(); ++d) {
    Dim size = symbols.resolve(t->dims[d + 2]), step(window->strides[d]), extent(window->extent(d));
    if (automatic.starts_with("SAME")) {
      Dim output = Dim(0) - symbols.floorDiv(Dim(0) - size, step);
      Dim pad = symbols.max((output - Dim(1)) * step + extent - size, Dim(0));
      Dim half = symbols.floorDiv(pad, Dim(2)), rest = pad - half;
      window->before[d] = automatic == "SAME_UPPER" ? half : rest;
      window->after[d] = automatic == "SAME_UPPER" ? rest : half;
      window->outputs.push_back(output);
      continue;
    }
    if (automatic == "VALID")
      window->before[d] = window->after[d] = Dim(0);
    Dim span = size + window->before[d] + window->after[d] - extent, last = symbols.floorDiv(span, step);
    if (roundUp) {
      // The last window must begin in the input or the padding before it.
      Dim up = Dim(0) - symbols.floorDiv(Dim(0) - span, step);
      last = symbols.min(up, symbols.floorDiv(size + window->before[d] - Dim(1), step));
    }
    Dim output = symbols.resolve(last + Dim(1));
    window->outputs.push_back(symbols.isNonNegative(output) ? output : symbols.max(output, Dim(0)));
  }
  return window;
}

SmallVector<Value> unravel(Importer &im, OpBuilder &b, Value i, ArrayRef<int64_t> sizes) {
  SmallVector<Value> result(sizes.size());
  for (size_t d = sizes.size(); d-- > 0;) {
    if (d == 0) {
      result[d] = i;
      break;
    }
    Value size = arith::ConstantIndexOp::create(b, im.loc, sizes[d]);
    result[d] = arith::RemUIOp::create(b, im.loc, i, size);
    i = arith::DivUIOp::create(b, im.loc, i, size);
  }
  return result;
}

WindowAccess accessWindow(Importer &im, OpBuilder &b, const Window &window, ArrayRef<Value> before,
                          ArrayRef<Value> sizes, ValueRange at, ValueRange k) {
  WindowAccess access;
  Value zero = arith::ConstantIndexOp::create(b, im.loc, 0), one = arith::ConstantIndexOp::create(b, im.loc, 1);
  for (int64_t d = 0; d < window.rank(); ++d) {
    auto scaled = [&](Value v, int64_t by) -> Value {
      return arith::MulIOp::create(b, im.loc, v, arith::ConstantIndexOp::create(b, im.loc, by));
    };
    Value start = arith::SubIOp::create(b, im.loc, scaled(at[d], window.strides[d]), before[d]);
    Value i = arith::AddIOp::create(b, im.loc, start, scaled(k[d], window.dilations[d]));
    Value low = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::sge, i, zero);
    Value high = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::slt, i, sizes[d]);
    Value here = arith::AndIOp::create(b, im.loc, low, high);
    access.inside = access.inside ? arith::AndIOp::create(b, im.loc, access.inside, here).getResult() : here;
    Value last = arith::SubIOp::create(b, im.loc, sizes[d], one);
    access.coordinates.push_back(
        arith::MaxSIOp::create(b, im.loc, arith::MinSIOp::create(b, im.loc, i, last), zero));
  }
  return access;
}

} // namespace terse::importer

namespace {
enum class PoolKind { Max, Average, Norm };
} // namespace

/// A reduction of each window. `element` maps what is read, `initial` is the
/// value of an empty window and of what lies outside.
static Tensor *pool(Importer &im, Tensor *t, const Window &window, PoolKind kind, bool countPadding, int64_t power) {
  if (!im.value(t))
    return nullptr;
  SmallVector<Value> before, sizes, ends;
  for (int64_t d = 0; d < window.rank(); ++d) {
    before.push_back(im.index(window.before[d]));
    sizes.push_back(im.index(t->dims[d + 2]));
    ends.push_back(im.index(t->dims[d + 2] + window.after[d]));
    if (!before.back() || !sizes.back() || !ends.back())
      return nullptr;
  }
  bool real = isFloat(t->dtype), narrow = real && getElementSize(t->dtype) == 2;
  DType sumType = narrow ? static_cast<DType>(onnx::TensorProto::FLOAT) : t->dtype;
  double initial = kind != PoolKind::Max ? 0
                   : real                ? -INFINITY
                   : isUnsigned(t->dtype) ? 0
                                          : -std::ldexp(1.0, 8 * getElementSize(t->dtype) - 1);
  Dims dims(t->dims.begin(), t->dims.begin() + 2);
  dims.append(window.outputs);
  return im.generate(t->dtype, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    Value zero = arith::ConstantIndexOp::create(b, im.loc, 0), one = arith::ConstantIndexOp::create(b, im.loc, 1);
    Value count = arith::ConstantIndexOp::create(b, im.loc, window.count());
    Value start = im.literal(b, sumType, initial);
    auto loop = scf::ForOp::create(
        b, im.loc, zero, count, one, ValueRange{start, zero},
        [&](OpBuilder &inner, Location loc, Value i, ValueRange state) {
          SmallVector<Value> k = unravel(im, inner, i, window.kernel);
          WindowAccess access = accessWindow(im, inner, window, before, sizes, at.drop_front(2), k);
          SmallVector<Value> position{at[0], at[1]};
          position.append(access.coordinates);
          Value read = im.castElement(inner, im.element(inner, t, position), t->dtype, sumType), next;
          read = arith::SelectOp::create(inner, loc, access.inside, read, start);
          if (kind == PoolKind::Max) {
            next = real                   ? arith::MaximumFOp::create(inner, loc, state[0], read).getResult()
                   : isUnsigned(t->dtype) ? arith::MaxUIOp::create(inner, loc, state[0], read).getResult()
                                          : arith::MaxSIOp::create(inner, loc, state[0], read).getResult();
          } else {
            if (kind == PoolKind::Norm) {
              Value magnitude = math::AbsFOp::create(inner, loc, read);
              read = magnitude;
              for (int64_t p = 1; p < power; ++p)
                read = arith::MulFOp::create(inner, loc, read, magnitude);
            }
            next = arith::AddFOp::create(inner, loc, state[0], read);
          }
          // Padding counts if asked for, what lies beyond it never.
          Value counts = access.inside;
          if (countPadding)
            for (int64_t d = 0; d < window.rank(); ++d) {
              Value step = arith::ConstantIndexOp::create(inner, loc, window.strides[d]);
              Value apart = arith::ConstantIndexOp::create(inner, loc, window.dilations[d]);
              Value here = arith::AddIOp::create(inner, loc, arith::MulIOp::create(inner, loc, at[d + 2], step),
                                                 arith::MulIOp::create(inner, loc, k[d], apart));
              Value end = arith::AddIOp::create(inner, loc, ends[d], before[d]);
              Value below = arith::CmpIOp::create(inner, loc, arith::CmpIPredicate::slt, here, end);
              counts = d == 0 ? below : arith::AndIOp::create(inner, loc, counts, below).getResult();
            }
          Value more = arith::AddIOp::create(inner, loc, state[1], one);
          Value seen = arith::SelectOp::create(inner, loc, counts, more, state[1]);
          scf::YieldOp::create(inner, loc, ValueRange{next, seen});
        });
    Value result = loop.getResult(0);
    if (kind == PoolKind::Average) {
      Value seen = arith::MaxSIOp::create(b, im.loc, loop.getResult(1), one);
      Value integer = arith::IndexCastOp::create(b, im.loc, b.getI64Type(), seen);
      result = arith::DivFOp::create(b, im.loc, result,
                                     arith::SIToFPOp::create(b, im.loc, im.elementType(sumType), integer));
    } else if (kind == PoolKind::Norm && power == 2) {
      result = math::SqrtOp::create(b, im.loc, result);
    } else if (kind == PoolKind::Norm && power > 2) {
      result = math::PowFOp::create(b, im.loc, result, im.literal(b, sumType, 1.0 / power));
    }
    return im.castElement(b, result, sumType, t->dtype);
  });
}

static LogicalResult importPool(Importer &im, Node &n, PoolKind kind) {
  Tensor *t = n.input(0);
  if (kind != PoolKind::Max && !floatInput(im, t))
    return failure();
  if (n.wantsOutput(1))
    return im.error("positions of maxima are not supported"), failure();
  int64_t power = n.integer("p", 2);
  if (power < 1 || power > 64)
    return im.error("expected p in 1..64; got " + Twine(power)), failure();
  auto window = windowOf(im, n, t, n.integers("kernel_shape"));
  return n.yield({window ? pool(im, t, *window, kind, n.integer("count_include_pad", 0) != 0, power) : nullptr});
}
TERSE_ONNX_OP("", MaxPool, 8, 1, 1) { return importPool(im, n, PoolKind::Max); }
TERSE_ONNX_OP("", AveragePool, 7, 1, 1) { return importPool(im, n, PoolKind::Average); }
TERSE_ONNX_OP("", LpPool, 11, 1, 1) { return importPool(im, n, PoolKind::Norm); }
