//===- Experts.cpp - mixtures of experts ----------------------------------===//
#include "Helpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// Matrix `e` of a weight [E, N, K] of the file, as a weight of its own.
static Value expertWeight(Importer &im, Tensor *all, int64_t e) {
  Value found = im.weight(all, /*alwaysWeight=*/true);
  auto whole = found ? found.getDefiningOp<WeightOp>() : WeightOp();
  if (!whole)
    return {};
  RankedTensorType type = whole.getType();
  auto own = RankedTensorType::get(type.getShape().drop_front(), type.getElementType());
  int64_t bytes = own.getNumElements() * type.getElementTypeBitWidth() / 8;
  Attribute data;
  if (auto file = dyn_cast<FileAttr>(whole.getData())) {
    data = FileAttr::get(im.b.getContext(), file.getPath(), file.getOffset() + e * bytes, bytes);
  } else {
    auto dense = cast<DenseElementsAttr>(whole.getData());
    data = dense.isSplat() ? dense.resizeSplat(own)
                           : DenseElementsAttr::getFromRawBuffer(own, dense.getRawData().slice(e * bytes, bytes));
  }
  OpBuilder builder(whole);
  std::string name = (whole.getName() + "." + Twine(e)).str();
  return WeightOp::create(builder, whole.getLoc(), own, builder.getStringAttr(name), data);
}

/// x W[e]^T + bias[e].
static Tensor *expertLayer(Importer &im, Tensor *x, Tensor *weights, Tensor *biases, int64_t e) {
  if (!x || !im.unify(x->dims.back(), weights->dims[2], "channels of input and experts"))
    return nullptr;
  Value input = im.value(x), weight = expertWeight(im, weights, e);
  if (!input || !weight)
    return nullptr;
  Dims dims(x->dims.begin(), x->dims.end() - 1);
  dims.push_back(weights->dims[1]);
  std::string name = (StringRef(weights->name).rsplit(".weight").first + "." + Twine(e)).str();
  Tensor *y = im.make(x->dtype, dims,
                      LinearOp::create(im.b, im.loc, im.type(x->dtype, dims), input, weight, Value(),
                                       im.b.getI64IntegerAttr(1), im.b.getStringAttr(name)));
  if (!biases)
    return y;
  return add(im, y, im.reshape(im.slice(biases, {Dim(e), Dim(0)}, {Dim(1), biases->dims[1]}, {1, 1}), {biases->dims[1]}));
}

/// What each expert's output is multiplied by, of the shape of `router`: probabilities of the k largest, 0 elsewhere.
static Tensor *gates(Importer &im, Tensor *router, int64_t experts, int64_t k, bool normalized) {
  Tensor *wide = im.cast(router, onnx::TensorProto::FLOAT);
  Value logits = wide ? im.value(wide) : Value();
  if (!logits)
    return nullptr;
  int64_t last = router->rank() - 1;
  Tensor *all = im.make(wide->dtype, wide->dims, SoftmaxOp::create(im.b, im.loc, logits.getType(), logits, last));
  Tensor *chosen = im.generate(wide->dtype, wide->dims, [&](OpBuilder &b, ValueRange at) -> Value {
    // An expert is chosen if fewer than k come before it; equal ones come in order.
    Value own = im.element(b, wide, at);
    auto index = [&](int64_t v) -> Value { return arith::ConstantIndexOp::create(b, im.loc, v); };
    auto loop = scf::ForOp::create(
        b, im.loc, index(0), index(experts), index(1), ValueRange{index(0)},
        [&](OpBuilder &nested, Location loc, Value e, ValueRange state) {
          SmallVector<Value> place(at);
          place.back() = e;
          Value other = im.element(nested, wide, place);
          Value larger = arith::CmpFOp::create(nested, loc, arith::CmpFPredicate::OGT, other, own);
          Value equal = arith::CmpFOp::create(nested, loc, arith::CmpFPredicate::OEQ, other, own);
          Value earlier = arith::CmpIOp::create(nested, loc, arith::CmpIPredicate::slt, e, at.back());
          Value before = arith::OrIOp::create(nested, loc, larger, arith::AndIOp::create(nested, loc, equal, earlier));
          Value one = arith::IndexCastUIOp::create(nested, loc, nested.getIndexType(), before);
          scf::YieldOp::create(nested, loc, ValueRange{arith::AddIOp::create(nested, loc, state[0], one)});
        });
    Value first = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::slt, loop.getResult(0), index(k));
    return arith::SelectOp::create(b, im.loc, first, im.literal(b, wide->dtype, 1), im.literal(b, wide->dtype, 0));
  });
  Tensor *scale = multiply(im, all, chosen);
  if (normalized)
    scale = divide(im, scale, reduceSum(im, scale, {last}, /*keep=*/true));
  return scale ? im.cast(scale, router->dtype) : nullptr;
}

/// g sigmoid(alpha g) (l + beta) of the two halves of the channels, which lie side by side or one behind the other.
static Tensor *swiglu(Importer &im, Node &n, Tensor *t, bool interleaved) {
  auto half = t ? im.symbols.resolve(t->dims.back()).divideExactly(Dim(2)) : std::nullopt;
  if (!half)
    return t ? im.error("expected an even number of channels") : nullptr;
  auto part = [&](int64_t i) {
    Dims offsets(t->rank(), Dim(0)), sizes(t->dims.begin(), t->dims.end());
    SmallVector<int64_t> strides(t->rank(), 1);
    offsets.back() = interleaved ? Dim(i) : Dim(i) * *half;
    sizes.back() = *half;
    strides.back() = interleaved ? 2 : 1;
    return im.slice(t, offsets, sizes, strides);
  };
  auto number = [&](double value) { return im.scalar(t->dtype, value); };
  Tensor *gate = part(0), *linear = part(1);
  if (n.has("swiglu_limit")) {
    double limit = n.real("swiglu_limit", 0);
    gate = minimum(im, gate, number(limit));
    linear = maximum(im, minimum(im, linear, number(limit)), number(-limit));
  }
  double alpha = n.real("activation_alpha", 1), beta = n.real("activation_beta", 0);
  if (beta != 0)
    linear = add(im, linear, number(beta));
  if (alpha == 1)
    return multiply(im, activation(im, gate, ActivationKind::Silu), linear);
  Tensor *open = activation(im, multiply(im, gate, number(alpha)), ActivationKind::Sigmoid);
  return multiply(im, multiply(im, gate, open), linear);
}

/// Every expert is computed for every token and weighed by its gate, which is 0 for all but k.
TERSE_ONNX_OP("com.microsoft", MoE, 1, 5, 8) {
  Tensor *x = n.input(0), *router = n.input(1), *first = n.input(2), *second = n.input(4);
  if (!hasRank(im, first, 3, "weights of experts") || !hasRank(im, second, 3, "weights of experts") || !floatInput(im, x))
    return failure();
  if (x->rank() < 2 || !sameType(im, {x, first, second}))
    return im.error("expected tokens of rank 2 or 3, of the weights' type"), failure();
  for (int i : {3, 5})
    if (n.input(i) && !hasRank(im, n.input(i), 2, "biases of experts"))
      return failure();
  if (!first->initializer || !second->initializer || first->transposed || second->transposed)
    return im.error("expected weights of experts that are initializers"), failure();
  if (n.input(6) || n.integer("use_sparse_mixer", 0) || n.integer("swiglu_limit_after_activation", 0))
    return im.error("fc3, use_sparse_mixer and swiglu_limit_after_activation are not supported"), failure();
  auto experts = im.symbols.resolve(first->dims[0]).constant();
  int64_t k = n.integer("k", 1);
  if (!experts || k < 1 || k > *experts || !im.unify(second->dims[0], Dim(*experts), "numbers of experts"))
    return im.error("expected k in 1 to the number of experts; got " + Twine(k)), failure();
  Dims dims(x->dims.begin(), x->dims.end() - 1);
  dims.push_back(Dim(*experts));
  router = im.reshape(router, dims);
  Tensor *gate = router ? gates(im, router, *experts, k, n.integer("normalize_routing_weights", 0) != 0) : nullptr;
  if (!gate)
    return failure();
  StringRef kind = n.string("activation_type", "relu");
  int64_t fusion = n.integer("swiglu_fusion", 0);
  Tensor *sum = nullptr;
  for (int64_t e = 0; e < *experts; ++e) {
    Tensor *h = expertLayer(im, x, first, n.input(3), e);
    if (kind == "relu")
      h = activation(im, h, ActivationKind::Relu);
    else if (kind == "gelu") // by tanh, as ONNX Runtime computes it
      h = activation(im, h, ActivationKind::GeluTanh);
    else if (kind == "silu")
      h = activation(im, h, ActivationKind::Silu);
    else if (kind == "swiglu" && fusion)
      h = swiglu(im, n, h, fusion == 1);
    else if (kind != "identity")
      return im.error("activation_type '" + kind + "' with swiglu_fusion " + Twine(fusion) + " is not supported"), failure();
    Dims offsets(dims.size(), Dim(0)), sizes = dims;
    offsets.back() = Dim(e);
    sizes.back() = Dim(1);
    Tensor *own = multiply(im, expertLayer(im, h, second, n.input(5), e),
                           im.slice(gate, offsets, sizes, SmallVector<int64_t>(dims.size(), 1)));
    sum = sum ? add(im, sum, own) : own;
    if (!sum)
      return failure();
  }
  return n.yield({sum});
}
