//===- Search.cpp - positions of extremes ---------------------------------===//
#include "Helpers.h"

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
