//===- Arithmetic.cpp - Add, Mul, comparisons, logic ----------------------===//
#include "Helpers.h"

#include <cmath>

using namespace mlir;
using namespace terse::importer;

namespace terse::importer {

bool sameType(Importer &im, ArrayRef<Tensor *> inputs) {
  for (Tensor *t : inputs) {
    if (!t)
      return false;
    if (t->dtype != inputs[0]->dtype) {
      im.error("expected inputs of one type; got " + getTypeName(inputs[0]->dtype) + " and " + getTypeName(t->dtype));
      return false;
    }
  }
  return true;
}

bool floatInput(Importer &im, Tensor *t) {
  if (t && !isFloat(t->dtype))
    im.error("expected a float tensor; got " + getTypeName(t->dtype));
  return t && isFloat(t->dtype);
}

bool hasRank(Importer &im, Tensor *t, int64_t rank, const char *what) {
  if (t && t->rank() != rank)
    im.error(Twine("expected ") + what + " of rank " + Twine(rank) + "; got " + Twine(t->rank()));
  return t && t->rank() == rank;
}

Tensor *add(Importer &im, Tensor *lhs, Tensor *rhs) {
  if (!sameType(im, {lhs, rhs}))
    return nullptr;
  return im.elementwise(
      lhs->dtype, {lhs, rhs}, [](ArrayRef<Dim> v) { return v[0] + v[1]; },
      [](ArrayRef<double> v) { return v[0] + v[1]; }, [&](OpBuilder &b, ValueRange v) -> Value {
        if (isFloat(lhs->dtype))
          return arith::AddFOp::create(b, im.loc, v[0], v[1]);
        return arith::AddIOp::create(b, im.loc, v[0], v[1]);
      });
}

Tensor *subtract(Importer &im, Tensor *lhs, Tensor *rhs) {
  if (!sameType(im, {lhs, rhs}))
    return nullptr;
  return im.elementwise(
      lhs->dtype, {lhs, rhs}, [](ArrayRef<Dim> v) { return v[0] - v[1]; },
      [](ArrayRef<double> v) { return v[0] - v[1]; }, [&](OpBuilder &b, ValueRange v) -> Value {
        if (isFloat(lhs->dtype))
          return arith::SubFOp::create(b, im.loc, v[0], v[1]);
        return arith::SubIOp::create(b, im.loc, v[0], v[1]);
      });
}

/// `t` itself if a literal 1 of no more dimensions multiplies or divides it.
static bool isOne(Importer &im, Tensor *t, Tensor *one) {
  return one->fill && *one->fill == 1 && one->rank() <= t->rank() &&
         llvm::all_of(one->dims, [&](const Dim &dim) { return dim.isConstant(1); });
}

Tensor *multiply(Importer &im, Tensor *lhs, Tensor *rhs) {
  if (!sameType(im, {lhs, rhs}))
    return nullptr;
  if (isOne(im, lhs, rhs))
    return lhs;
  if (isOne(im, rhs, lhs))
    return rhs;
  return im.elementwise(
      lhs->dtype, {lhs, rhs}, [](ArrayRef<Dim> v) { return v[0] * v[1]; },
      [](ArrayRef<double> v) { return v[0] * v[1]; }, [&](OpBuilder &b, ValueRange v) -> Value {
        if (isFloat(lhs->dtype))
          return arith::MulFOp::create(b, im.loc, v[0], v[1]);
        return arith::MulIOp::create(b, im.loc, v[0], v[1]);
      });
}

Tensor *divide(Importer &im, Tensor *lhs, Tensor *rhs) {
  if (!sameType(im, {lhs, rhs}))
    return nullptr;
  if (isOne(im, lhs, rhs))
    return lhs;
  // ONNX divides integers as C does; of sizes, which are not negative, that is
  // the floor.
  auto fold = [&](ArrayRef<Dim> v) -> std::optional<Dim> {
    auto a = v[0].constant(), b = v[1].constant();
    if (a && b)
      return *b == 0 || *b == -1 ? (*b == 0 ? std::nullopt : std::optional<Dim>(Dim(0) - v[0]))
                                 : std::optional<Dim>(Dim(*a / *b));
    if (im.symbols.isNonNegative(v[0]) && im.symbols.isPositive(v[1]))
      return im.symbols.floorDiv(v[0], v[1]);
    return std::nullopt;
  };
  if (lhs->pattern || rhs->pattern) // not a polynomial of coordinates
    return im.elementwise(lhs->dtype, {lhs, rhs}, [&](OpBuilder &b, ValueRange v) -> Value {
      if (isUnsigned(lhs->dtype))
        return arith::DivUIOp::create(b, im.loc, v[0], v[1]);
      return arith::DivSIOp::create(b, im.loc, v[0], v[1]);
    });
  return im.elementwise(
      lhs->dtype, {lhs, rhs}, fold, [](ArrayRef<double> v) { return v[0] / v[1]; },
      [&](OpBuilder &b, ValueRange v) -> Value {
        if (isFloat(lhs->dtype))
          return arith::DivFOp::create(b, im.loc, v[0], v[1]);
        if (isUnsigned(lhs->dtype))
          return arith::DivUIOp::create(b, im.loc, v[0], v[1]);
        return arith::DivSIOp::create(b, im.loc, v[0], v[1]);
      });
}

Tensor *negate(Importer &im, Tensor *t) {
  if (!t)
    return nullptr;
  if (!isFloat(t->dtype))
    return subtract(im, im.scalar(t->dtype, 0), t);
  return im.elementwise(
      t->dtype, {t}, nullptr, [](ArrayRef<double> v) { return -v[0]; },
      [&](OpBuilder &b, ValueRange v) -> Value { return arith::NegFOp::create(b, im.loc, v[0]); });
}

Tensor *maximum(Importer &im, Tensor *lhs, Tensor *rhs) {
  if (!sameType(im, {lhs, rhs}))
    return nullptr;
  auto fold = [&](ArrayRef<Dim> v) -> std::optional<Dim> {
    Dim result = im.symbols.max(v[0], v[1]);
    bool coordinates = result != v[0] && result != v[1] && (v[0] + v[1]).uses([](SymbolId id) {
      return id < Symbols::kCoordinates;
    });
    return coordinates ? std::nullopt : std::optional<Dim>(result);
  };
  return im.elementwise(
      lhs->dtype, {lhs, rhs}, fold,
      [](ArrayRef<double> v) { return std::isnan(v[0]) || v[0] > v[1] ? v[0] : v[1]; },
      [&](OpBuilder &b, ValueRange v) -> Value {
        if (isFloat(lhs->dtype))
          return arith::MaximumFOp::create(b, im.loc, v[0], v[1]);
        if (isUnsigned(lhs->dtype))
          return arith::MaxUIOp::create(b, im.loc, v[0], v[1]);
        return arith::MaxSIOp::create(b, im.loc, v[0], v[1]);
      });
}

Tensor *minimum(Importer &im, Tensor *lhs, Tensor *rhs) {
  if (!sameType(im, {lhs, rhs}))
    return nullptr;
  auto fold = [&](ArrayRef<Dim> v) -> std::optional<Dim> {
    Dim result = im.symbols.min(v[0], v[1]);
    bool coordinates = result != v[0] && result != v[1] && (v[0] + v[1]).uses([](SymbolId id) {
      return id < Symbols::kCoordinates;
    });
    return coordinates ? std::nullopt : std::optional<Dim>(result);
  };
  return im.elementwise(
      lhs->dtype, {lhs, rhs}, fold,
      [](ArrayRef<double> v) { return std::isnan(v[0]) || v[0] < v[1] ? v[0] : v[1]; },
      [&](OpBuilder &b, ValueRange v) -> Value {
        if (isFloat(lhs->dtype))
          return arith::MinimumFOp::create(b, im.loc, v[0], v[1]);
        if (isUnsigned(lhs->dtype))
          return arith::MinUIOp::create(b, im.loc, v[0], v[1]);
        return arith::MinSIOp::create(b, im.loc, v[0], v[1]);
      });
}

Tensor *compare(Importer &im, arith::CmpIPredicate predicate, Tensor *lhs, Tensor *rhs) {
  using P = arith::CmpIPredicate;
  if (!sameType(im, {lhs, rhs}))
    return nullptr;
  Symbols &symbols = im.symbols;
  auto fold = [&](ArrayRef<Dim> v) -> std::optional<Dim> {
    std::optional<bool> answer;
    if (predicate == P::eq || predicate == P::ne)
      answer = symbols.equal(v[0], v[1]);
    else if (predicate == P::slt || predicate == P::sge)
      answer = symbols.less(v[0], v[1]);
    else
      answer = symbols.less(v[1], v[0]);
    if (!answer)
      return std::nullopt;
    bool inverse = predicate == P::ne || predicate == P::sge || predicate == P::sle;
    return Dim(*answer != inverse ? 1 : 0);
  };
  return im.elementwise(onnx::TensorProto::BOOL, {lhs, rhs}, fold, nullptr, [&](OpBuilder &b, ValueRange v) -> Value {
    P p = predicate;
    if (isFloat(lhs->dtype)) {
      using F = arith::CmpFPredicate;
      F f = p == P::eq    ? F::OEQ
            : p == P::ne  ? F::UNE
            : p == P::slt ? F::OLT
            : p == P::sle ? F::OLE
            : p == P::sgt ? F::OGT
                          : F::OGE;
      return arith::CmpFOp::create(b, im.loc, f, v[0], v[1]);
    }
    if (isUnsigned(lhs->dtype) || isBool(lhs->dtype))
      p = p == P::slt ? P::ult : p == P::sle ? P::ule : p == P::sgt ? P::ugt : p == P::sge ? P::uge : p;
    return arith::CmpIOp::create(b, im.loc, p, v[0], v[1]);
  });
}

Tensor *select(Importer &im, Tensor *condition, Tensor *yes, Tensor *no) {
  if (!condition || !sameType(im, {yes, no}))
    return nullptr;
  if (!isBool(condition->dtype))
    return im.error("expected a condition of bool; got " + getTypeName(condition->dtype));
  auto fold = [&](ArrayRef<Dim> v) -> std::optional<Dim> {
    if (auto constant = v[0].constant())
      return *constant ? v[1] : v[2];
    return v[1] == v[2] ? std::optional<Dim>(v[1]) : std::nullopt;
  };
  // A constant condition of floats chooses one of them whole.
  if (auto constant = im.constantFloat(condition)) {
    auto dims = im.broadcastDims(condition->dims, yes->dims);
    if (dims)
      dims = im.broadcastDims(*dims, no->dims);
    return dims ? im.broadcast(*constant != 0 ? yes : no, *dims) : nullptr;
  }
  return im.elementwise(yes->dtype, {condition, yes, no}, fold, nullptr, [&](OpBuilder &b, ValueRange v) -> Value {
    return arith::SelectOp::create(b, im.loc, v[0], v[1], v[2]);
  });
}

} // namespace terse::importer

TERSE_ONNX_OP("", Add, 13, 2, 2) { return n.yield({add(im, n.input(0), n.input(1))}); }
TERSE_ONNX_OP("", Sub, 13, 2, 2) { return n.yield({subtract(im, n.input(0), n.input(1))}); }
TERSE_ONNX_OP("", Mul, 13, 2, 2) { return n.yield({multiply(im, n.input(0), n.input(1))}); }
TERSE_ONNX_OP("", Div, 13, 2, 2) { return n.yield({divide(im, n.input(0), n.input(1))}); }
TERSE_ONNX_OP("", Neg, 13, 1, 1) { return n.yield({negate(im, n.input(0))}); }

TERSE_ONNX_OP("", Equal, 13, 2, 2) {
  return n.yield({compare(im, arith::CmpIPredicate::eq, n.input(0), n.input(1))});
}
TERSE_ONNX_OP("", Less, 13, 2, 2) {
  return n.yield({compare(im, arith::CmpIPredicate::slt, n.input(0), n.input(1))});
}
TERSE_ONNX_OP("", LessOrEqual, 12, 2, 2) {
  return n.yield({compare(im, arith::CmpIPredicate::sle, n.input(0), n.input(1))});
}
TERSE_ONNX_OP("", Greater, 13, 2, 2) {
  return n.yield({compare(im, arith::CmpIPredicate::sgt, n.input(0), n.input(1))});
}
TERSE_ONNX_OP("", GreaterOrEqual, 12, 2, 2) {
  return n.yield({compare(im, arith::CmpIPredicate::sge, n.input(0), n.input(1))});
}
TERSE_ONNX_OP("", Where, 9, 3, 3) { return n.yield({select(im, n.input(0), n.input(1), n.input(2))}); }

/// Max and Min of any number of inputs.
static Tensor *fold(Importer &im, Node &n, Tensor *(*combine)(Importer &, Tensor *, Tensor *)) {
  Tensor *result = n.input(0);
  for (int i = 1; i < n.numInputs(); ++i)
    result = combine(im, result, n.input(i));
  return result;
}
TERSE_ONNX_OP("", Max, 13, 1, kManyInputs) { return n.yield({fold(im, n, maximum)}); }
TERSE_ONNX_OP("", Min, 13, 1, kManyInputs) { return n.yield({fold(im, n, minimum)}); }
TERSE_ONNX_OP("", Sum, 13, 1, kManyInputs) { return n.yield({fold(im, n, add)}); }
TERSE_ONNX_OP("", Mean, 13, 1, kManyInputs) {
  Tensor *sum = fold(im, n, add);
  return n.yield({sum ? divide(im, sum, im.scalar(sum->dtype, n.numInputs())) : nullptr});
}

template <typename Op>
static Tensor *logic(Importer &im, Node &n, Importer::IntFold fold) {
  for (Tensor *t : n.inputs())
    if (!isBool(t->dtype))
      return im.error("expected inputs of bool; got " + getTypeName(t->dtype));
  return im.elementwise(onnx::TensorProto::BOOL, n.inputs(), fold, nullptr, [&](OpBuilder &b, ValueRange v) -> Value {
    return Op::create(b, im.loc, v[0], v[1]);
  });
}

/// The other input, broadcast, if one is this constant everywhere.
static Tensor *neutral(Importer &im, Node &n, double constant) {
  for (int i : {0, 1})
    if (isBool(n.input(i)->dtype) && im.constantFloat(n.input(i)) == constant)
      if (auto dims = im.broadcastDims(n.input(0)->dims, n.input(1)->dims))
        return im.broadcast(n.input(1 - i), *dims);
  return nullptr;
}

TERSE_ONNX_OP("", And, 7, 2, 2) {
  if (Tensor *other = neutral(im, n, 1))
    return n.yield({other});
  return n.yield({logic<arith::AndIOp>(im, n, [](ArrayRef<Dim> v) -> std::optional<Dim> {
    if (v[0].isConstant(0) || v[1].isConstant(0))
      return Dim(0);
    return v[0].isConstant(1) ? std::optional<Dim>(v[1]) : v[1].isConstant(1) ? std::optional<Dim>(v[0]) : std::nullopt;
  })});
}
TERSE_ONNX_OP("", Or, 7, 2, 2) {
  if (Tensor *other = neutral(im, n, 0))
    return n.yield({other});
  return n.yield({logic<arith::OrIOp>(im, n, [](ArrayRef<Dim> v) -> std::optional<Dim> {
    if (v[0].isConstant(1) || v[1].isConstant(1))
      return Dim(1);
    return v[0].isConstant(0) ? std::optional<Dim>(v[1]) : v[1].isConstant(0) ? std::optional<Dim>(v[0]) : std::nullopt;
  })});
}
TERSE_ONNX_OP("", Xor, 7, 2, 2) {
  return n.yield({logic<arith::XOrIOp>(im, n, [](ArrayRef<Dim> v) -> std::optional<Dim> {
    auto a = v[0].constant(), b = v[1].constant();
    return a && b ? std::optional<Dim>(Dim(*a ^ *b)) : std::nullopt;
  })});
}
TERSE_ONNX_OP("", Not, 1, 1, 1) {
  if (!isBool(n.input(0)->dtype))
    return im.error("expected an input of bool; got " + getTypeName(n.input(0)->dtype)), failure();
  return n.yield({im.elementwise(
      onnx::TensorProto::BOOL, {n.input(0), im.scalar(onnx::TensorProto::BOOL, 1)},
      [](ArrayRef<Dim> v) -> std::optional<Dim> {
        auto constant = v[0].constant();
        return constant ? std::optional<Dim>(Dim(1 - *constant)) : std::nullopt;
      },
      nullptr, [&](OpBuilder &b, ValueRange v) -> Value { return arith::XOrIOp::create(b, im.loc, v[0], v[1]); })});
}

template <typename Op>
static Tensor *bitwise(Importer &im, Node &n) {
  if (!sameType(im, n.inputs()) || !isInteger(n.input(0)->dtype))
    return im.error("expected integers");
  return im.elementwise(n.input(0)->dtype, n.inputs(), [&](OpBuilder &b, ValueRange v) -> Value {
    return Op::create(b, im.loc, v[0], v[1]);
  });
}
TERSE_ONNX_OP("", BitwiseAnd, 18, 2, 2) { return n.yield({bitwise<arith::AndIOp>(im, n)}); }
TERSE_ONNX_OP("", BitwiseOr, 18, 2, 2) { return n.yield({bitwise<arith::OrIOp>(im, n)}); }
TERSE_ONNX_OP("", BitwiseXor, 18, 2, 2) { return n.yield({bitwise<arith::XOrIOp>(im, n)}); }
/// Counts outside of 0..width-1 shift everything out; signed numbers keep their
/// sign to the right.
TERSE_ONNX_OP("", BitShift, 11, 2, 2) {
  Tensor *t = n.input(0), *count = n.input(1);
  StringRef direction = n.string("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return im.error("expected direction LEFT or RIGHT; got '" + direction + "'"), failure();
  if (!sameType(im, {t, count}) || !isInteger(t->dtype))
    return im.error("expected integers"), failure();
  bool left = direction == "LEFT", keepsSign = !left && !isUnsigned(t->dtype);
  int64_t width = 8 * getElementSize(t->dtype);
  // Counts in range, for shifts of more are undefined below.
  Tensor *outside = im.elementwise(
      onnx::TensorProto::BOOL, {count, im.scalar(count->dtype, width)}, [&](OpBuilder &b, ValueRange v) -> Value {
        return arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::uge, v[0], v[1]);
      });
  Tensor *inRange = select(im, outside, im.scalar(count->dtype, keepsSign ? width - 1 : 0), count);
  if (!inRange)
    return failure();
  Tensor *shifted = im.elementwise(t->dtype, {t, inRange}, [&](OpBuilder &b, ValueRange v) -> Value {
    if (left)
      return arith::ShLIOp::create(b, im.loc, v[0], v[1]);
    if (keepsSign)
      return arith::ShRSIOp::create(b, im.loc, v[0], v[1]);
    return arith::ShRUIOp::create(b, im.loc, v[0], v[1]);
  });
  return n.yield({keepsSign ? shifted : select(im, outside, im.scalar(t->dtype, 0), shifted)});
}
TERSE_ONNX_OP("", BitwiseNot, 18, 1, 1) {
  Tensor *t = n.input(0);
  return n.yield({im.elementwise(t->dtype, {t, im.scalar(t->dtype, -1)}, [&](OpBuilder &b, ValueRange v) -> Value {
    return arith::XOrIOp::create(b, im.loc, v[0], v[1]);
  })});
}

/// fmod = 0: the sign of the divisor, as in Python; fmod = 1: of the dividend, as in C.
TERSE_ONNX_OP("", Mod, 13, 2, 2) {
  Tensor *lhs = n.input(0), *rhs = n.input(1);
  bool likeC = n.integer("fmod", 0) != 0;
  if (!sameType(im, {lhs, rhs}))
    return failure();
  if (isFloat(lhs->dtype) && !likeC)
    return im.error("expected fmod = 1 for floats"), failure();
  return n.yield({im.elementwise(
      lhs->dtype, {lhs, rhs},
      [&](ArrayRef<Dim> v) -> std::optional<Dim> {
        auto a = v[0].constant(), b = v[1].constant();
        if (!a || !b || *b == 0 || *b == -1)
          return std::nullopt;
        int64_t rest = *a % *b;
        return Dim(!likeC && rest != 0 && (rest < 0) != (*b < 0) ? rest + *b : rest);
      },
      [](ArrayRef<double> v) { return std::fmod(v[0], v[1]); },
      [&](OpBuilder &b, ValueRange v) -> Value {
        if (isFloat(lhs->dtype))
          return arith::RemFOp::create(b, im.loc, v[0], v[1]);
        if (isUnsigned(lhs->dtype))
          return arith::RemUIOp::create(b, im.loc, v[0], v[1]);
        Value rest = arith::RemSIOp::create(b, im.loc, v[0], v[1]);
        if (likeC)
          return rest;
        // ((a % b) + b) % b has the sign of b.
        Value shifted = arith::AddIOp::create(b, im.loc, rest, v[1]);
        return arith::RemSIOp::create(b, im.loc, shifted, v[1]);
      })});
}
