//===- Quantize.cpp - values as integer codes -----------------------------===//
#include "Quantize.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::importer;
using Proto = onnx::TensorProto;

/// The scales or zero points of `t`, as they meet its elements.
static Tensor *alignParameter(Importer &im, Tensor *parameter, Tensor *t, int64_t axis, int64_t block) {
  if (!parameter || parameter->rank() == 0)
    return parameter;
  bool single = parameter->rank() == 1 && im.symbols.resolve(parameter->dims[0]).isConstant(1);
  if (single && !block)
    return im.reshape(parameter, {});
  auto along = im.axis(axis, t->rank());
  if (!along)
    return nullptr;
  if (!block) { // one for each index of the axis
    if (parameter->rank() != 1)
      return im.error("expected a scale, a vector or blocks of them; got rank " + Twine(parameter->rank()));
    if (!im.unify(parameter->dims[0], t->dims[*along], "scales and the axis's size"))
      return nullptr;
    Dims dims(t->rank() - *along, Dim(1));
    dims[0] = parameter->dims[0];
    return im.reshape(parameter, dims);
  }
  if (parameter->rank() != t->rank())
    return im.error("expected scales of rank " + Twine(t->rank()) + "; got rank " + Twine(parameter->rank()));
  // [..., groups, ...] repeated to [..., groups, block, ...], of which the first are the axis.
  Dims wide(parameter->dims.begin(), parameter->dims.end()), flat = wide, sizes(t->dims.begin(), t->dims.end());
  Dim groups = wide[*along];
  Tensor *split = im.unsqueeze(parameter, {*along + 1});
  wide.insert(wide.begin() + *along + 1, Dim(block));
  flat[*along] = groups * Dim(block);
  Tensor *repeated = im.reshape(im.broadcast(split, wide), flat);
  if (!repeated || flat == sizes)
    return repeated;
  return im.slice(repeated, Dims(t->rank(), Dim(0)), sizes, SmallVector<int64_t>(t->rank(), 1));
}

/// Least and greatest value of an integer type.
static std::pair<double, double> getRange(DType dtype) {
  double span = std::ldexp(1.0, getElementBits(dtype));
  return isUnsigned(dtype) ? std::pair(0.0, span - 1) : std::pair(-span / 2, span / 2 - 1);
}

static bool isOfFile(Tensor *t) { return !t || (t->initializer && !t->transposed); }

static bool isSame(Importer &im, Tensor *a, Tensor *b) {
  if (a == b)
    return true;
  if (!a || !b || a->dtype != b->dtype)
    return false;
  auto x = im.constantFloat(a), y = im.constantFloat(b);
  return x && y && *x == *y;
}

/// A matrix of the file in codes, null if this is none.
static Tensor *dequantizeMatrix(Importer &im, Tensor *codes, Tensor *scale, Tensor *zero, int64_t axis, int64_t block, DType dtype) {
  unsigned bits = getElementBits(codes->dtype);
  bool isScale = scale->dtype == Proto::FLOAT || scale->dtype == Proto::FLOAT16 || scale->dtype == Proto::BFLOAT16;
  if (!isOfFile(codes) || !isOfFile(scale) || !isOfFile(zero) || codes->rank() != 2 || bits > 8 || !isScale ||
      (zero && zero->dtype != codes->dtype) || (codes->ints && bits == 8))
    return nullptr;
  CodedMatrix m{codes, scale, zero, dtype, bits, !isUnsigned(codes->dtype), 0, {}, {}, {}, {}, {}};
  for (int i : {0, 1})
    m.sizes[i] = m.blocks[i] = *codes->dims[i].constant();
  if (m.sizes[0] < 1 || m.sizes[1] < 1)
    return nullptr;
  m.codeStrides[0] = m.sizes[1];
  m.codeStrides[1] = 1;
  bool single = im.product(scale->dims).isConstant(1) && !block;
  if (!single) {
    m.blocks[1 - axis] = 1;
    m.blocks[axis] = block ? block : 1;
    if (!block) { // along the other axis all share one
      m.blocks[1 - axis] = m.sizes[1 - axis];
      m.scaleStrides[axis] = 1;
    } else {
      m.scaleStrides[0] = (m.sizes[1] + m.blocks[1] - 1) / m.blocks[1];
      m.scaleStrides[1] = 1;
    }
  }
  Dims wanted;
  if (block)
    for (int i : {0, 1})
      wanted.push_back(Dim((m.sizes[i] + m.blocks[i] - 1) / m.blocks[i]));
  else if (!single)
    wanted.push_back(Dim(m.sizes[axis]));
  for (Tensor *t : {scale, zero})
    if (t && im.product(t->dims) != im.product(wanted))
      return im.error("expected " + im.symbols.print(im.product(wanted)) + " scales and zero points; got " +
                      im.symbols.print(im.product(t->dims)));
  std::copy(m.scaleStrides, m.scaleStrides + 2, m.zeroStrides);
  return im.fromCodes(m, /*transposed=*/false);
}

/// What quantization and back make of the values that `codes` came from, in float; null if they came from nowhere.
static Tensor *roundSource(Importer &im, Tensor *codes, Tensor *scale, Tensor *zero, DType dtype) {
  // Moving codes is moving values.
  if (!codes->quantized) {
    if (codes->reshaped)
      return im.reshape(roundSource(im, codes->reshaped, scale, zero, dtype), codes->dims);
    if (codes->permuted)
      return im.transpose(roundSource(im, codes->permuted, scale, zero, dtype), codes->permutation);
    return nullptr;
  }
  const Quantized &q = *codes->quantized;
  if (!isSame(im, q.scale, scale) || !isSame(im, q.zero, zero) || q.source->dtype != dtype)
    return nullptr;
  if (q.isDynamic) {
    Value source = im.value(q.source);
    if (!source)
      return nullptr;
    return im.make(dtype, q.source->dims,
                   QuantizeDynamicOp::create(im.b, im.loc, source.getType(), source, 8, /*per_tensor=*/true));
  }
  auto factor = im.constantFloat(scale), offset = zero ? im.constantFloat(zero) : 0;
  if (!factor || !offset || !(*factor > 0) || !std::isfinite(*factor))
    return nullptr;
  Value source = im.value(q.source);
  if (!source)
    return nullptr;
  auto [low, high] = getRange(codes->dtype);
  return im.make(dtype, q.source->dims,
                 QuantizeStaticOp::create(im.b, im.loc, source.getType(), source, im.b.getF64FloatAttr(*factor),
                                          im.b.getI64IntegerAttr(*offset), im.b.getI64IntegerAttr(low), im.b.getI64IntegerAttr(high)));
}

Tensor *importer::dequantize(Importer &im, Tensor *codes, Tensor *scale, Tensor *zero, int64_t axis, int64_t block, DType dtype) {
  if (!isInteger(codes->dtype))
    return im.error("expected integer codes; got " + getTypeName(codes->dtype));
  if (!isFloat(scale->dtype) || !isFloat(dtype))
    return im.error("expected scales and values of a float type; got " + getTypeName(scale->dtype) + " and " + getTypeName(dtype));
  bool single = im.product(scale->dims).isConstant(1);
  if (!single || block) { // else the axis may be any
    auto along = im.axis(axis, codes->rank());
    if (!along)
      return nullptr;
    axis = *along;
  }
  if (Tensor *matrix = dequantizeMatrix(im, codes, scale, zero, axis, block, dtype))
    return matrix;
  if (codes->gathered && single && !block && isOfFile(scale) && isOfFile(zero))
    if (Tensor *table = dequantizeMatrix(im, codes->gathered, scale, zero, 0, 0, dtype))
      return im.embed(table, codes->indices, codes->dims);
  if (codes->initializer && isOfFile(scale) && isOfFile(zero) && codes->rank() == 1 && !codes->ints && !block &&
      getElementSize(codes->dtype) && getElementSize(codes->dtype) <= 4 && scale->dtype == Proto::FLOAT && dtype == Proto::FLOAT)
    return im.decodeVector(codes, scale, zero, dtype);
  if (single && !block)
    if (Tensor *rounded = roundSource(im, codes, scale, zero, dtype))
      return rounded;
  Tensor *factor = alignParameter(im, scale, codes, axis, block), *offset = alignParameter(im, zero, codes, axis, block);
  if (!factor || !offset != !zero)
    return nullptr;
  Tensor *centred = im.cast(codes, Proto::INT32);
  if (offset)
    centred = subtract(im, centred, im.cast(offset, Proto::INT32));
  return im.cast(multiply(im, im.cast(centred, Proto::FLOAT), im.cast(factor, Proto::FLOAT)), dtype);
}

Tensor *importer::quantize(Importer &im, Tensor *t, Tensor *scale, Tensor *zero, int64_t axis, int64_t block, DType dtype) {
  if (!isInteger(dtype) || getElementBits(dtype) > 16)
    return im.error("quantization to " + getTypeName(dtype) + " is not supported");
  if (!isFloat(t->dtype) || !isFloat(scale->dtype))
    return im.error("expected values and scales of a float type; got " + getTypeName(t->dtype) + " and " + getTypeName(scale->dtype));
  Tensor *factor = alignParameter(im, scale, t, axis, block), *offset = alignParameter(im, zero, t, axis, block);
  if (!factor || !offset != !zero)
    return nullptr;
  Tensor *rounded = im.unary<math::RoundEvenOp>(divide(im, im.cast(t, Proto::FLOAT), im.cast(factor, Proto::FLOAT)));
  if (offset)
    rounded = add(im, rounded, im.cast(offset, Proto::FLOAT));
  auto [low, high] = getRange(dtype);
  rounded = maximum(im, minimum(im, rounded, im.scalar(Proto::FLOAT, high)), im.scalar(Proto::FLOAT, low));
  Tensor *wide = im.cast(rounded, Proto::INT32);
  if (!wide)
    return nullptr;
  Tensor *codes = im.elementwise(dtype, {wide}, [&](OpBuilder &b, ValueRange v) -> Value {
    auto type = cast<RankedTensorType>(v[0].getType()).clone(im.elementType(dtype));
    return arith::TruncIOp::create(b, im.loc, type, v[0]);
  });
  if (codes && !block && im.product(scale->dims).isConstant(1))
    codes->quantized = Quantized{t, scale, zero, /*isDynamic=*/false};
  return codes;
}

static LogicalResult importDequantizeLinear(Importer &im, Node &n) {
  Tensor *scale = n.input(1);
  DType dtype = n.integer("output_dtype", 0);
  return n.yield({dequantize(im, n.input(0), scale, n.input(2), n.integer("axis", 1), n.integer("block_size", 0),
                             dtype ? dtype : scale->dtype)});
}

static LogicalResult importQuantizeLinear(Importer &im, Node &n) {
  Tensor *zero = n.input(2);
  DType dtype = n.integer("output_dtype", 0);
  return n.yield({quantize(im, n.input(0), n.input(1), zero, n.integer("axis", 1), n.integer("block_size", 0),
                           zero ? zero->dtype : dtype ? dtype : DType(Proto::UINT8))});
}

TERSE_ONNX_OP("", DequantizeLinear, 10, 2, 3) { return importDequantizeLinear(im, n); }
TERSE_ONNX_OP("", QuantizeLinear, 10, 2, 3) { return importQuantizeLinear(im, n); }

/// y, scale, zero point of a whole tensor, in 8 bits.
TERSE_ONNX_OP("", DynamicQuantizeLinear, 11, 1, 1) {
  Tensor *t = n.input(0);
  Value source = im.value(t);
  if (!source || !floatInput(im, t))
    return failure();
  auto scalar = [&](Type element) { return RankedTensorType::get({}, element); };
  auto op = QuantizeTensorOp::create(im.b, im.loc, cast<RankedTensorType>(source.getType()).clone(im.b.getI8Type()),
                                     scalar(im.b.getF32Type()), scalar(im.b.getI8Type()), source);
  Tensor *codes = im.make(Proto::UINT8, t->dims, op.getCodes()), *scale = im.make(Proto::FLOAT, {}, op.getScale()),
         *zero = im.make(Proto::UINT8, {}, op.getZeroPoint());
  codes->quantized = Quantized{t, scale, zero, /*isDynamic=*/true};
  return n.yield({codes, scale, zero});
}

/// Codes minus their zero points, in 32 bits. A vector of zero points is one for each row (`rows`) or column.
static Tensor *centre(Importer &im, Tensor *codes, Tensor *zero, bool rows) {
  Tensor *wide = im.cast(codes, Proto::INT32);
  if (!zero)
    return wide;
  if (rows && zero->rank() == 1 && codes->rank() > 1 && !im.symbols.resolve(zero->dims[0]).isConstant(1))
    zero = im.unsqueeze(zero, {1});
  else if (zero->rank() == 1 && im.symbols.resolve(zero->dims[0]).isConstant(1))
    zero = im.reshape(zero, {});
  return subtract(im, wide, im.cast(zero, Proto::INT32));
}

/// The same of a matrix of the file, whose codes lie as those of layers do: [N, K], unsigned. Null if this is none.
static Tensor *centreMatrix(Importer &im, Tensor *codes, Tensor *zero) {
  if (!isOfFile(codes) || !isOfFile(zero) || codes->rank() != 2 || codes->ints || getElementSize(codes->dtype) != 1 ||
      (zero && (zero->dtype != codes->dtype || zero->rank() > 1)))
    return nullptr;
  int64_t k = *codes->dims[0].constant(), columns = *codes->dims[1].constant();
  int64_t zeroStride = zero && !im.product(zero->dims).isConstant(1) ? 1 : 0;
  if (k < 1 || columns < 1 || (zeroStride && zero->dims[0] != Dim(columns)))
    return nullptr;
  CodedMatrix m{codes, nullptr, zero, Proto::INT32, 8, !isUnsigned(codes->dtype), 0, {k, columns}, {k, 1}, {columns, 1}, {}, {0, zeroStride}};
  auto [weight, zeros] = im.codesAndZeros(m, /*axis=*/1);
  if (!weight)
    return nullptr;
  Tensor *middle = zeros ? im.cast(im.make(Proto::UINT8, {Dim(columns), Dim(1)}, zeros), Proto::INT32) : im.scalar(Proto::INT32, 128);
  Tensor *wide = im.cast(im.make(Proto::UINT8, {Dim(columns), Dim(k)}, weight), Proto::INT32);
  return im.transpose(subtract(im, wide, middle), {1, 0});
}

TERSE_ONNX_OP("", MatMulInteger, 10, 2, 4) {
  Tensor *rhs = centreMatrix(im, n.input(1), n.input(3));
  if (!rhs)
    rhs = centre(im, n.input(1), n.input(3), /*rows=*/false);
  return n.yield({im.matmul(centre(im, n.input(0), n.input(2), /*rows=*/true), rhs)});
}

/// Values that a matrix product is computed of: a vector of scales is one for each row of the left side, column of the right.
static Tensor *dequantizeOperand(Importer &im, Tensor *codes, Tensor *scale, Tensor *zero, bool isLeft) {
  return dequantize(im, codes, scale, zero, isLeft && codes->rank() > 1 ? -2 : -1, 0, scale->dtype);
}

TERSE_ONNX_OP("", QLinearMatMul, 10, 8, 8) {
  Tensor *lhs = dequantizeOperand(im, n.input(0), n.input(1), n.input(2), /*isLeft=*/true),
         *rhs = dequantizeOperand(im, n.input(3), n.input(4), n.input(5), /*isLeft=*/false);
  Tensor *product = im.matmul(lhs, rhs);
  if (!product)
    return failure();
  return n.yield({quantize(im, product, n.input(6), n.input(7), -2, 0, n.input(7)->dtype)});
}
