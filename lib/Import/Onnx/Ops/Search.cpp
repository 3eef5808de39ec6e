//===- Search.cpp - positions of extremes, and of what is not zero --------===//
#include "Helpers.h"

#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// Position of the greatest (or least) element along the axis, as i64, with the
/// axis removed.
static Tensor *argExtreme(Importer &im, Tensor *t, int64_t axis, bool greatest, bool last) {
  if (!im.value(t))
    return nullptr;
  Value size = im.index(t->dims[axis]);
  if (!size)
    return nullptr;
  Dims dims(t->dims.begin(), t->dims.end());
  dims.erase(dims.begin() + axis);
  return im.generate(onnx::TensorProto::INT64, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    Value zero = arith::ConstantIndexOp::create(b, im.loc, 0), one = arith::ConstantIndexOp::create(b, im.loc, 1);
    auto read = [&](OpBuilder &builder, Value i) {
      SmallVector<Value> position(at);
      position.insert(position.begin() + axis, i);
      return im.element(builder, t, position);
    };
    auto loop = scf::ForOp::create(
        b, im.loc, one, size, one, ValueRange{read(b, zero), zero},
        [&](OpBuilder &inner, Location loc, Value i, ValueRange best) {
          Value here = read(inner, i), better;
          if (isFloat(t->dtype)) {
            using P = arith::CmpFPredicate;
            P p = greatest ? (last ? P::OGE : P::OGT) : (last ? P::OLE : P::OLT);
            better = arith::CmpFOp::create(inner, loc, p, here, best[0]);
          } else {
            using P = arith::CmpIPredicate;
            P p = isUnsigned(t->dtype) ? (greatest ? (last ? P::uge : P::ugt) : (last ? P::ule : P::ult))
                                       : (greatest ? (last ? P::sge : P::sgt) : (last ? P::sle : P::slt));
            better = arith::CmpIOp::create(inner, loc, p, here, best[0]);
          }
          Value value = arith::SelectOp::create(inner, loc, better, here, best[0]);
          Value position = arith::SelectOp::create(inner, loc, better, i, best[1]);
          scf::YieldOp::create(inner, loc, ValueRange{value, position});
        });
    return arith::IndexCastOp::create(b, im.loc, b.getI64Type(), loop.getResult(1));
  });
}

static LogicalResult importArg(Importer &im, Node &n, bool greatest) {
  Tensor *t = n.input(0);
  auto axis = im.axis(n.integer("axis", 0), t->rank());
  if (!axis)
    return failure();
  Tensor *result = argExtreme(im, t, *axis, greatest, n.integer("select_last_index", 0) != 0);
  return n.yield({keepAxes(im, result, {*axis}, n.integer("keepdims", 1) != 0)});
}
TERSE_ONNX_OP("", ArgMax, 13, 1, 1) { return importArg(im, n, true); }
TERSE_ONNX_OP("", ArgMin, 13, 1, 1) { return importArg(im, n, false); }

TERSE_ONNX_OP("", Hardmax, 13, 1, 1) {
  Tensor *t = n.input(0);
  auto axis = im.axis(n.integer("axis", -1), t->rank());
  Tensor *best = axis ? argExtreme(im, t, *axis, true, false) : nullptr;
  if (!best)
    return failure();
  return n.yield({im.generate(t->dtype, t->dims, [&](OpBuilder &b, ValueRange at) -> Value {
    SmallVector<Value> position(at);
    position.erase(position.begin() + *axis);
    Value i = arith::IndexCastOp::create(b, im.loc, b.getIndexType(), im.element(b, best, position));
    Value hot = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::eq, i, at[*axis]);
    return arith::SelectOp::create(b, im.loc, hot, im.literal(b, t->dtype, 1), im.literal(b, t->dtype, 0));
  })});
}

/// Positions of the k greatest (or least) elements along the axis, best first,
/// equal ones by position, as i64. Each is found among those that come after
/// the one before it, in k passes over the axis.
static Tensor *bestPositions(Importer &im, Tensor *t, int64_t axis, const Dim &k, bool greatest) {
  Dims dims(t->dims.begin(), t->dims.end());
  dims[axis] = k;
  Value data = im.value(t), size = im.index(t->dims[axis]), init = im.empty(onnx::TensorProto::INT64, dims),
        count = im.index(im.product(dims));
  SmallVector<Value> limits;
  for (const Dim &dim : dims)
    limits.push_back(im.index(dim));
  if (!data || !size || !init || !count || llvm::is_contained(limits, Value()))
    return nullptr;
  auto before = [&](OpBuilder &b, Value lhs, Value rhs) -> Value {
    if (isFloat(t->dtype))
      return arith::CmpFOp::create(b, im.loc, greatest ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT, lhs, rhs);
    using P = arith::CmpIPredicate;
    P less = isUnsigned(t->dtype) ? P::ult : P::slt, more = isUnsigned(t->dtype) ? P::ugt : P::sgt;
    return arith::CmpIOp::create(b, im.loc, greatest ? more : less, lhs, rhs);
  };
  using P = arith::CmpIPredicate;
  Value zero = arith::ConstantIndexOp::create(im.b, im.loc, 0), one = arith::ConstantIndexOp::create(im.b, im.loc, 1);
  auto loop = scf::ForOp::create(
      im.b, im.loc, zero, count, one, ValueRange{init}, [&](OpBuilder &b, Location at, Value i, ValueRange state) {
        SmallVector<Value> position(limits.size());
        for (size_t d = limits.size(); d-- > 0;) {
          position[d] = arith::RemUIOp::create(b, at, i, limits[d]);
          i = arith::DivUIOp::create(b, at, i, limits[d]);
        }
        auto read = [&](OpBuilder &builder, Value where) -> Value {
          SmallVector<Value> from(position);
          from[axis] = where;
          return tensor::ExtractOp::create(builder, at, data, from);
        };
        Value first = arith::CmpIOp::create(b, at, P::eq, position[axis], zero);
        SmallVector<Value> previous(position);
        Value left = arith::SubIOp::create(b, at, position[axis], one);
        previous[axis] = arith::MaxSIOp::create(b, at, left, zero);
        Value last = arith::IndexCastOp::create(b, at, b.getIndexType(),
                                                tensor::ExtractOp::create(b, at, state[0], previous).getResult());
        last = arith::SelectOp::create(b, at, first, zero, last);
        Value lastValue = read(b, last);
        // The state is the best position so far; `size` is none.
        auto search = scf::ForOp::create(
            b, at, zero, size, one, ValueRange{size}, [&](OpBuilder &inner, Location, Value j, ValueRange best) {
              Value here = read(inner, j);
              Value none = arith::CmpIOp::create(inner, at, P::eq, best[0], size);
              Value other = read(inner, arith::SelectOp::create(inner, at, none, zero, best[0]));
              Value better = arith::OrIOp::create(inner, at, none, before(inner, here, other));
              Value worse = before(inner, lastValue, here), ahead = before(inner, here, lastValue);
              Value tie = arith::CmpIOp::create(inner, at, P::sgt, j, last);
              Value notBefore = arith::XOrIOp::create(inner, at, ahead, arith::ConstantIntOp::create(inner, at, 1, 1));
              Value after = arith::OrIOp::create(inner, at, worse, arith::AndIOp::create(inner, at, notBefore, tie));
              Value open = arith::OrIOp::create(inner, at, first, after);
              Value take = arith::AndIOp::create(inner, at, open, better);
              scf::YieldOp::create(inner, at, ValueRange{arith::SelectOp::create(inner, at, take, j, best[0])});
            });
        Value end = arith::SubIOp::create(b, at, size, one);
        Value found = arith::MinSIOp::create(b, at, search.getResult(0), end);
        Value stored = arith::IndexCastOp::create(b, at, b.getI64Type(), found);
        scf::YieldOp::create(b, at, ValueRange{tensor::InsertOp::create(b, at, stored, state[0], position)});
      });
  return im.make(onnx::TensorProto::INT64, dims, loop.getResult(0));
}

TERSE_ONNX_OP("", TopK, 11, 2, 2) {
  Tensor *t = n.input(0);
  auto axis = im.axis(n.integer("axis", -1), t->rank());
  auto k = im.ints(n.input(1), "k");
  if (!axis || !k)
    return failure();
  if (k->size() != 1)
    return im.error("expected one k; got " + Twine(k->size())), failure();
  Dim count = im.symbols.resolve(k->front());
  if (!im.symbols.isNonNegative(count) || !im.symbols.bound(count, t->dims[*axis]))
    return im.error("expected k in 0.." + im.symbols.print(t->dims[*axis]) + "; got " + im.symbols.print(count)),
           failure();
  Tensor *positions = bestPositions(im, t, *axis, count, n.integer("largest", 1) != 0);
  if (!positions)
    return failure();
  Tensor *values = im.generate(t->dtype, positions->dims, [&](OpBuilder &b, ValueRange at) -> Value {
    SmallVector<Value> from(at);
    from[*axis] = arith::IndexCastOp::create(b, im.loc, b.getIndexType(), im.element(b, positions, at));
    return im.element(b, t, from);
  });
  return n.yield({values, positions});
}

/// Positions of elements that are not zero, in order, in a tensor with room for all; outside of the input where there
/// are no more.
static Tensor *findNonZeros(Importer &im, Node &n, Tensor *t) {
  int64_t rank = t->rank();
  Dim bound = im.product(t->dims);
  Dim found = im.symbols.padded(bound, static_cast<int64_t>(llvm::xxh3_64bits(n.proto.output(0)) >> 1));
  Dims dims{Dim(rank), found};
  SmallVector<Value> limits;
  for (const Dim &dim : t->dims)
    limits.push_back(im.index(dim));
  Value count = im.index(bound), data = im.value(t);
  if (!data || !count || llvm::is_contained(limits, Value()))
    return nullptr;
  auto asElement = [&](OpBuilder &b, Value i) -> Value {
    return arith::IndexCastOp::create(b, im.loc, b.getI64Type(), i);
  };
  Tensor *none = im.generate(onnx::TensorProto::INT64, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    Value outside = limits.back();
    for (int64_t d = 0; d + 1 < rank; ++d) {
      Value here = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::eq, at[0],
                                         arith::ConstantIndexOp::create(b, im.loc, d));
      outside = arith::SelectOp::create(b, im.loc, here, limits[d], outside);
    }
    return asElement(b, outside);
  });
  Value zero = arith::ConstantIndexOp::create(im.b, im.loc, 0), one = arith::ConstantIndexOp::create(im.b, im.loc, 1);
  auto loop = scf::ForOp::create(
      im.b, im.loc, zero, count, one, ValueRange{im.value(none), zero},
      [&](OpBuilder &b, Location at, Value i, ValueRange state) {
        SmallVector<Value> position(rank);
        for (int64_t d = rank; d-- > 0;) {
          position[d] = arith::RemUIOp::create(b, at, i, limits[d]);
          i = arith::DivUIOp::create(b, at, i, limits[d]);
        }
        Value read = tensor::ExtractOp::create(b, at, data, position), nothing = im.literal(b, t->dtype, 0);
        Value here = isFloat(t->dtype)
                         ? arith::CmpFOp::create(b, at, arith::CmpFPredicate::UNE, read, nothing).getResult()
                         : arith::CmpIOp::create(b, at, arith::CmpIPredicate::ne, read, nothing).getResult();
        // Written again by the next element if this one is zero.
        Value result = state[0];
        for (int64_t d = 0; d < rank; ++d) {
          Value stored = asElement(b, arith::SelectOp::create(b, at, here, position[d], limits[d]));
          Value row = arith::ConstantIndexOp::create(b, at, d);
          result = tensor::InsertOp::create(b, at, stored, result, ValueRange{row, state[1]});
        }
        Value next = arith::AddIOp::create(b, at, state[1], one);
        scf::YieldOp::create(b, at, ValueRange{result, arith::SelectOp::create(b, at, here, next, state[1])});
      });
  im.setCount(found, loop.getResult(1));
  return im.make(onnx::TensorProto::INT64, dims, loop.getResult(0));
}

TERSE_ONNX_OP("", NonZero, 13, 1, 1) {
  Tensor *t = n.input(0);
  int64_t rank = t->rank();
  auto dtype = onnx::TensorProto::INT64;
  // None is zero: every position.
  if (auto constant = im.constantFloat(t); constant && *constant != 0 && rank > 0) {
    Dims dims(t->dims.begin(), t->dims.end());
    dims.push_back(Dim(rank));
    Dims coordinates;
    for (SymbolId i = 0; i < static_cast<SymbolId>(rank); ++i)
      coordinates.push_back(Dim::symbol(i));
    Tensor *every = im.fromPattern(dtype, dims, coordinates);
    return n.yield({im.transpose(im.reshape(every, {im.product(t->dims), Dim(rank)}), {1, 0})});
  }
  auto known = im.constants(t, nullptr);
  if (!known && !t->floats) {
    if (rank == 0)
      return im.error("expected an input of rank 1 or more"), failure();
    return n.yield({findNonZeros(im, n, t)});
  }
  SmallVector<int64_t> sizes;
  for (const Dim &dim : t->dims)
    sizes.push_back(*dim.constant());
  SmallVector<int64_t> where;
  for (int64_t i = 0, e = known ? known->size() : t->floats->size(); i < e; ++i)
    if (known ? (*known)[i] != 0 : (*t->floats)[i] != 0)
      where.push_back(i);
  Dims positions(rank * where.size(), Dim(0));
  for (size_t i = 0; i < where.size(); ++i)
    for (int64_t d = rank, rest = where[i]; d-- > 0; rest /= sizes[d])
      positions[d * where.size() + i] = Dim(rest % sizes[d]);
  return n.yield({im.fromInts(dtype, {Dim(rank), Dim(static_cast<int64_t>(where.size()))}, positions)});
}
