//===- MicrosoftQuantized.cpp - quantized operators of ONNX Runtime -------===//
#include "Quantize.h"
#include "Terse/LayerAttributes.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;
using Proto = onnx::TensorProto;

/// A bias behind a product, if there is one.
static Tensor *withBias(Importer &im, Tensor *product, Tensor *bias) {
  return product && bias ? add(im, product, bias) : product;
}

static std::optional<int64_t> getConstantSize(Importer &im, Tensor *t) {
  auto count = im.product(t->dims).constant();
  if (!count)
    im.error("expected weights of constant size");
  return count;
}

static bool areOfFile(Importer &im, ArrayRef<Tensor *> tensors) {
  if (llvm::all_of(tensors, [](Tensor *t) { return !t || (t->initializer && !t->transposed); }))
    return true;
  im.error("expected weights, scales and zero points of the file");
  return false;
}

/// Column j of the result is column order[j] of `t`.
static Tensor *gatherColumns(Importer &im, Tensor *t, ArrayRef<int64_t> order) {
  SmallVector<Dim> positions(order.begin(), order.end());
  Tensor *source = im.fromInts(Proto::INT64, {Dim(static_cast<int64_t>(order.size()))}, positions);
  if (!im.unify(t->dims.back(), source->dims[0], "channels and indices of groups") || !im.value(t) || !im.value(source))
    return nullptr;
  return im.generate(t->dtype, t->dims, [&](OpBuilder &b, ValueRange at) -> Value {
    SmallVector<Value> from(at);
    from.back() = arith::IndexCastOp::create(b, im.loc, b.getIndexType(), im.element(b, source, at.back()));
    return im.element(b, t, from);
  });
}

/// A product with a [K, N] weight of `bits` bits in blocks along K: codes are uint8 [N, blocks, bytes of a block], scales
/// [N, blocks], zero points packed bytes, each row to whole ones.
TERSE_ONNX_OP("com.microsoft", MatMulNBits, 1, 3, 6) {
  Tensor *codes = n.input(1), *scales = n.input(2), *zeros = n.input(3), *groupOf = n.input(4), *input = n.input(0);
  int64_t k = n.integer("K", 0), columns = n.integer("N", 0), bits = n.integer("bits", 4), block = n.integer("block_size", 0);
  if (bits != 2 && bits != 4 && bits != 8)
    return im.error("expected bits of 2, 4 or 8; got " + Twine(bits)), failure();
  if (k < 1 || columns < 1 || block < 16 || block & (block - 1) || k > (1ll << 32) || columns > (1ll << 32) || block > (1ll << 32))
    return im.error("expected K and N of 1 or more and a block_size that is a power of 2 from 16 on; got " + Twine(k) + ", " +
                    Twine(columns) + " and " + Twine(block)),
           failure();
  if (!areOfFile(im, {codes, scales, zeros, groupOf}))
    return failure();
  if (codes->dtype != Proto::UINT8 || !isFloat(scales->dtype) || scales->dtype == Proto::DOUBLE)
    return im.error("expected uint8 weights and scales of a float type; got " + getTypeName(codes->dtype) + " and " +
                    getTypeName(scales->dtype)),
           failure();
  int64_t blocks = (k + block - 1) / block, zeroBytes = (blocks * bits + 7) / 8;
  auto checkSize = [&](Tensor *t, int64_t wanted, StringRef what) {
    auto count = getConstantSize(im, t);
    if (count && *count != wanted)
      im.error("expected " + Twine(wanted) + " " + what + "; got " + Twine(*count));
    return count && *count == wanted;
  };
  if (!checkSize(codes, columns * blocks * block * bits / 8, "bytes of weights") ||
      !checkSize(scales, columns * blocks, "scales"))
    return failure();
  CodedMatrix m{codes, scales, zeros, input->dtype, static_cast<unsigned>(bits), /*isSigned=*/false, 1 << (bits - 1),
                {columns, k}, {1, block}, {blocks * block, 1}, {blocks, 1}, {zeroBytes * 8 / bits, 1}};
  if (zeros && zeros->dtype != Proto::UINT8) {
    if (zeros->dtype != scales->dtype || !checkSize(zeros, columns * blocks, "zero points"))
      return im.error("expected zero points of uint8 or of the scales' type; got " + getTypeName(zeros->dtype)), failure();
    m.zeroStrides[0] = blocks;
  } else if (zeros && !checkSize(zeros, columns * zeroBytes, "bytes of zero points")) {
    return failure();
  }
  if (groupOf) {
    // Channel k is of the group groupOf[k]: put in the order of groups they are as without.
    if (!checkSize(groupOf, k, "indices of groups") || groupOf->dtype != Proto::INT32)
      return im.error("expected int32 indices of groups"), failure();
    std::optional<WeightData> data = im.read(groupOf);
    if (!data)
      return failure();
    ArrayRef<int32_t> group = data->as<int32_t>();
    for (int64_t i = 0; i < k; ++i)
      m.order.push_back(i);
    llvm::stable_sort(m.order, [&](int64_t a, int64_t b) { return group[a] < group[b]; });
    for (int64_t i = 0; i < k; ++i)
      if (group[m.order[i]] != i / block)
        return im.error("expected g_idx to put " + Twine(block) + " channels into each group"), failure();
    input = gatherColumns(im, input, m.order);
  }
  Tensor *product = im.matmul(input, im.fromCodes(m, /*transposed=*/true));
  // Level 4 allows products with the input in int8.
  if (product && n.integer("accuracy_level", 0) == 4)
    if (auto linear = product->value.getDefiningOp<LinearOp>())
      linear->setAttr(kRoundInputAttr, im.b.getUnitAttr());
  return n.yield({withBias(im, product, n.input(5))});
}

/// Rows of a table in codes: int4, uint4, or uint8 that hold `bits` bits a value.
TERSE_ONNX_OP("com.microsoft", GatherBlockQuantized, 1, 3, 4) {
  Tensor *codes = n.input(0), *indices = n.input(1), *scales = n.input(2), *zeros = n.input(3);
  if (!hasRank(im, codes, 2, "a table") || !areOfFile(im, {codes, scales, zeros}))
    return failure();
  auto gatherAxis = im.axis(n.integer("gather_axis", 0), 2), axis = im.axis(n.integer("quantize_axis", 1), 2);
  int64_t block = n.integer("block_size", 128);
  bool packed = codes->dtype == Proto::UINT8;
  int64_t bits = packed ? n.integer("bits", 4) : getElementBits(codes->dtype);
  if (!gatherAxis || !axis)
    return failure();
  if (*gatherAxis != 0 || *axis != 1 || block < 16 || block & (block - 1) || block > (1ll << 32) || (bits != 4 && bits != 8 && bits != 2))
    return im.error("expected gather_axis 0, quantize_axis 1, a block_size that is a power of 2 from 16 on and 2, 4 or 8 bits"),
           failure();
  int64_t rows = *codes->dims[0].constant(), columns = *codes->dims[1].constant() * (packed ? 8 / bits : 1);
  int64_t blocks = (columns + block - 1) / block, zeroRow = packed ? (blocks * bits + 7) / 8 * (8 / bits) : blocks;
  if (im.product(scales->dims) != Dim(rows * blocks))
    return im.error("expected " + Twine(rows * blocks) + " scales; got " + im.symbols.print(im.product(scales->dims))), failure();
  if (zeros && (zeros->dtype != codes->dtype || im.product(zeros->dims) != Dim(rows * zeroRow / (packed ? 8 / bits : 1))))
    return im.error("expected zero points of the table's type, one for each scale"), failure();
  CodedMatrix m{codes, scales, zeros, scales->dtype, static_cast<unsigned>(bits), !isUnsigned(codes->dtype),
                packed ? 1ll << (bits - 1) : 0, {rows, columns}, {1, block}, {columns, 1}, {blocks, 1}, {zeroRow, 1}};
  Dims dims(indices->dims.begin(), indices->dims.end());
  dims.push_back(Dim(columns));
  return n.yield({im.embed(im.fromCodes(m, /*transposed=*/false), indices, dims)});
}

static DType getCodeType(Tensor *zero) { return zero ? zero->dtype : DType(Proto::UINT8); }

TERSE_ONNX_OP("com.microsoft", DequantizeLinear, 1, 2, 3) {
  return n.yield({dequantize(im, n.input(0), n.input(1), n.input(2), n.integer("axis", 1), n.integer("block_size", 0), n.input(1)->dtype)});
}
TERSE_ONNX_OP("com.microsoft", QuantizeLinear, 1, 2, 3) {
  return n.yield({quantize(im, n.input(0), n.input(1), n.input(2), n.integer("axis", 1), n.integer("block_size", 0), getCodeType(n.input(2)))});
}

/// (A - a_zero) a_scale times (B - b_zero) b_scale, plus a bias, in float.
TERSE_ONNX_OP("com.microsoft", MatMulIntegerToFloat, 1, 4, 7) {
  Tensor *lhs = dequantize(im, n.input(0), n.input(2), n.input(4), -2, 0, n.input(2)->dtype),
         *rhs = dequantize(im, n.input(1), n.input(3), n.input(5), -1, 0, n.input(3)->dtype);
  return n.yield({withBias(im, im.matmul(lhs, rhs), n.input(6))});
}

/// DynamicQuantizeLinear of A and MatMulIntegerToFloat.
TERSE_ONNX_OP("com.microsoft", DynamicQuantizeMatMul, 1, 3, 5) {
  Value source = im.value(n.input(0));
  if (!source || !floatInput(im, n.input(0)))
    return failure();
  Tensor *lhs = im.make(n.input(0)->dtype, n.input(0)->dims,
                        QuantizeDynamicOp::create(im.b, im.loc, source.getType(), source, 8, /*per_tensor=*/true));
  Tensor *rhs = dequantize(im, n.input(1), n.input(2), n.input(3), -1, 0, n.input(2)->dtype);
  return n.yield({withBias(im, im.matmul(lhs, rhs), n.input(4))});
}

/// The values that `codes` (input i, with scale and zero point behind it) stand for.
static Tensor *dequantizeInput(Importer &im, Node &n, int i) {
  return dequantize(im, n.input(i), n.input(i + 1), n.input(i + 2), 1, 0, n.input(i + 1)->dtype);
}
/// Codes of `t` by the scale and the zero point in inputs i and i + 1.
static LogicalResult yieldQuantized(Importer &im, Node &n, Tensor *t, int i, DType otherwise) {
  if (!t)
    return failure();
  Tensor *zero = n.input(i + 1);
  return n.yield({quantize(im, t, n.input(i), zero, 1, 0, zero ? zero->dtype : otherwise)});
}

TERSE_ONNX_OP("com.microsoft", QLinearAdd, 1, 7, 8) {
  Tensor *lhs = dequantizeInput(im, n, 0), *rhs = dequantizeInput(im, n, 3);
  return yieldQuantized(im, n, lhs && rhs ? add(im, lhs, rhs) : nullptr, 6, n.input(0)->dtype);
}
TERSE_ONNX_OP("com.microsoft", QLinearMul, 1, 7, 8) {
  Tensor *lhs = dequantizeInput(im, n, 0), *rhs = dequantizeInput(im, n, 3);
  return yieldQuantized(im, n, lhs && rhs ? multiply(im, lhs, rhs) : nullptr, 6, n.input(0)->dtype);
}
TERSE_ONNX_OP("com.microsoft", QLinearSigmoid, 1, 4, 5) {
  Tensor *t = dequantizeInput(im, n, 0);
  if (!t || !im.value(t))
    return failure();
  auto kind = ActivationKindAttr::get(im.b.getContext(), ActivationKind::Sigmoid);
  Tensor *sigmoid = im.elementwise(t->dtype, {t}, [&](OpBuilder &b, ValueRange v) -> Value { return ActivationOp::create(b, im.loc, v[0], kind); });
  return yieldQuantized(im, n, sigmoid, 3, n.input(0)->dtype);
}

/// alpha A' B' + C / (alpha a_scale b_scale), with int32 C; to codes if an output scale is given.
TERSE_ONNX_OP("com.microsoft", QGemm, 1, 6, 9) {
  Tensor *lhs = dequantize(im, n.input(0), n.input(1), n.input(2), -2, 0, n.input(1)->dtype);
  bool transposed = n.integer("transB", 0) != 0;
  Tensor *rhs = dequantize(im, n.input(3), n.input(4), n.input(5), transposed ? 0 : 1, 0, n.input(4)->dtype);
  if (!lhs || !rhs)
    return failure();
  if (n.integer("transA", 0))
    lhs = im.transpose(lhs, {1, 0});
  if (transposed)
    rhs = im.transpose(rhs, {1, 0});
  Tensor *product = im.matmul(lhs, rhs);
  if (Tensor *bias = n.input(6); product && bias)
    product = add(im, product, multiply(im, im.cast(bias, product->dtype), multiply(im, n.input(1), n.input(4))));
  if (double alpha = n.real("alpha", 1); product && alpha != 1)
    product = multiply(im, product, im.scalar(product->dtype, alpha));
  if (!n.input(7))
    return n.yield({product});
  return yieldQuantized(im, n, product, 7, n.input(0)->dtype);
}
