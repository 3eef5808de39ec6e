//===- GraphOps.cpp - verifiers of the model's operations -----------------===//
//
// Labels (L1, A3, ...) name the constraints; test/invalid.mlir has a case for
// each.
#include "Terse/CachedRow.h"
#include "Terse/TerseDialect.h"

using namespace mlir;
using namespace terse;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Sizes that may be equal at run time.
static bool compatible(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

/// The result has the leading dimensions of `input` and `last` as the last one.
static LogicalResult verifyRowwise(Operation *op, RankedTensorType input, RankedTensorType result, int64_t last) {
  if (input.getRank() != result.getRank())
    return op->emitOpError("expected a result of rank ") << input.getRank() << "; got " << result.getRank();
  for (int64_t i = 0, e = input.getRank() - 1; i < e; ++i)
    if (!compatible(input.getDimSize(i), result.getDimSize(i)))
      return op->emitOpError("expected dimension ")
             << i << " of the result to be " << input.getDimSize(i) << "; got " << result.getDimSize(i);
  if (!compatible(result.getShape().back(), last))
    return op->emitOpError("expected the last dimension of the result to be ")
           << last << "; got " << result.getShape().back();
  return success();
}

static LogicalResult verifyVector(Operation *op, Value vector, int64_t size, StringRef what) {
  auto type = tensorType(vector);
  if (type.getRank() != 1 || !compatible(type.getDimSize(0), size))
    return op->emitOpError("expected ") << what << " of shape [" << size << "]; got " << type;
  return success();
}

//===----------------------------------------------------------------------===//
// weight
//===----------------------------------------------------------------------===//

LogicalResult WeightOp::verify() {
  auto type = getType();
  if (!type.hasStaticShape()) // W1
    return emitOpError("expected a static shape; got ") << type;
  std::optional<uint64_t> bytes = getByteSize(type);
  if (!bytes) // W2
    return emitOpError("expected elements of whole bytes; got ") << type;
  if (auto file = dyn_cast<FileAttr>(getData())) {
    if (file.getBytes() != *bytes) // W3
      return emitOpError("expected data of ") << *bytes << " bytes; got " << file.getBytes();
    return success();
  }
  auto elements = cast<ElementsAttr>(getData());
  if (elements.getShapedType() != type) // W4
    return emitOpError("expected data of type ") << type << "; got " << elements.getShapedType();
  return success();
}

//===----------------------------------------------------------------------===//
// linear
//===----------------------------------------------------------------------===//

OpOperand &LinearOp::getInputOperand() { return getInputMutable(); }
OpOperand &LinearOp::getWeightOperand() { return getWeightMutable(); }
int64_t LinearOp::getOutputChannels() { return tensorType(getWeight()).getDimSize(1 - getReductionAxis()); }
int64_t LinearOp::getReductionSize() { return tensorType(getWeight()).getDimSize(getReductionAxis()); }

void LinearOp::replaceWeight(Value weight) {
  getWeightMutable().assign(weight);
  setReductionAxis(1);
}

LogicalResult LinearOp::verify() {
  auto input = tensorType(getInput()), weight = tensorType(getWeight());
  if (weight.getRank() != 2) // L1
    return emitOpError("expected a weight of rank 2; got ") << weight;
  if (getReductionAxis() != 0 && getReductionAxis() != 1) // L2
    return emitOpError("expected reduction_axis 0 or 1; got ") << getReductionAxis();
  if (input.getRank() < 1) // L3
    return emitOpError("expected an input of rank 1 or more; got ") << input;
  if (!compatible(input.getShape().back(), getReductionSize())) // L4
    return emitOpError("expected the input's last dimension to be ")
           << getReductionSize() << "; got " << input.getShape().back();
  if (getBias() && failed(verifyVector(*this, getBias(), getOutputChannels(), "a bias"))) // L5
    return failure();
  return verifyRowwise(*this, input, getType(), getOutputChannels()); // L6
}

//===----------------------------------------------------------------------===//
// matmul
//===----------------------------------------------------------------------===//

LogicalResult MatmulOp::verify() {
  auto lhs = tensorType(getLhs()), rhs = tensorType(getRhs()), result = getType();
  int64_t rank = lhs.getRank();
  if (rank < 2 || rhs.getRank() != rank || result.getRank() != rank) // M1
    return emitOpError("expected operands and result of one rank, 2 or more; got ")
           << lhs << ", " << rhs << " and " << result;
  for (int64_t i = 0; i < rank - 2; ++i)
    if (!compatible(lhs.getDimSize(i), rhs.getDimSize(i)) || !compatible(lhs.getDimSize(i), result.getDimSize(i))) // M2
      return emitOpError("expected equal batch dimensions; got ") << lhs << ", " << rhs << " and " << result;
  if (!compatible(lhs.getDimSize(rank - 1), rhs.getDimSize(rank - 2))) // M3
    return emitOpError("expected equal sizes to sum over; got ")
           << lhs.getDimSize(rank - 1) << " and " << rhs.getDimSize(rank - 2);
  if (!compatible(result.getDimSize(rank - 2), lhs.getDimSize(rank - 2)) ||
      !compatible(result.getDimSize(rank - 1), rhs.getDimSize(rank - 1))) // M4
    return emitOpError("expected a result of ")
           << lhs.getDimSize(rank - 2) << " by " << rhs.getDimSize(rank - 1) << "; got " << result;
  return success();
}

//===----------------------------------------------------------------------===//
// norm, softmax
//===----------------------------------------------------------------------===//

OpOperand &NormOp::getChannelScaleOperand() { return getScaleMutable(); }

LogicalResult NormOp::verify() {
  auto input = tensorType(getInput());
  if (input.getRank() < 1) // N1
    return emitOpError("expected an input of rank 1 or more; got ") << input;
  int64_t channels = input.getShape().back();
  if (failed(verifyVector(*this, getScale(), channels, "a scale"))) // N2
    return failure();
  if (getBias() && failed(verifyVector(*this, getBias(), channels, "a bias"))) // N3
    return failure();
  if (getBias() && getKind() == NormKind::RMS) // N4
    return emitOpError("expected no bias in RMS normalization");
  if (!(getEpsilon().convertToDouble() >= 0)) // N5
    return emitOpError("expected an epsilon of 0 or more; got ") << getEpsilon().convertToDouble();
  return success();
}

LogicalResult SoftmaxOp::verify() {
  int64_t rank = getType().getRank(), axis = getAxis();
  if (axis < 0 || axis >= rank) // S1
    return emitOpError("expected an axis in 0..") << rank - 1 << "; got " << axis;
  return success();
}

//===----------------------------------------------------------------------===//
// embedding
//===----------------------------------------------------------------------===//

LogicalResult EmbeddingOp::verify() {
  auto ids = tensorType(getIds()), table = tensorType(getTable()), result = getType();
  if (table.getRank() != 2) // E1
    return emitOpError("expected a table of rank 2; got ") << table;
  if (result.getRank() != ids.getRank() + 1) // E2
    return emitOpError("expected a result of rank ") << ids.getRank() + 1 << "; got " << result.getRank();
  for (int64_t i = 0; i < ids.getRank(); ++i)
    if (!compatible(ids.getDimSize(i), result.getDimSize(i))) // E3
      return emitOpError("expected dimension ")
             << i << " of the result to be " << ids.getDimSize(i) << "; got " << result.getDimSize(i);
  if (!compatible(result.getShape().back(), table.getDimSize(1))) // E4
    return emitOpError("expected rows of ") << table.getDimSize(1) << " values; got " << result.getShape().back();
  if (result.getElementType() != table.getElementType()) // E5
    return emitOpError("expected a result of ") << table.getElementType() << "; got " << result.getElementType();
  return success();
}

//===----------------------------------------------------------------------===//
// rope, attention, cache_update
//===----------------------------------------------------------------------===//

LogicalResult RopeOp::verify() {
  auto input = tensorType(getInput()), cos = tensorType(getCos()), sin = tensorType(getSin());
  if (input.getRank() != 3) // R1
    return emitOpError("expected an input of shape [batch, sequence, channels]; got ") << input;
  if (cos != sin || cos.getRank() != 3) // R2
    return emitOpError("expected cos and sin of one type and rank 3; got ") << cos << " and " << sin;
  int64_t channels = input.getDimSize(2), heads = getNumHeads();
  if (heads < 1 || (!ShapedType::isDynamic(channels) && channels % heads)) // R3
    return emitOpError("expected channels to be a multiple of num_heads; got ") << channels << " and " << heads;
  if (!ShapedType::isDynamic(channels) && !ShapedType::isDynamic(cos.getDimSize(2)) &&
      2 * cos.getDimSize(2) > channels / heads) // R4
    return emitOpError("expected at most ") << channels / heads / 2 << " angles a head; got " << cos.getDimSize(2);
  if (!compatible(cos.getDimSize(1), input.getDimSize(1))) // R5
    return emitOpError("expected angles for ") << input.getDimSize(1) << " tokens; got " << cos.getDimSize(1);
  if (cos.getDimSize(0) != 1 && !compatible(cos.getDimSize(0), input.getDimSize(0))) // R6
    return emitOpError("expected angles for a batch of 1 or ")
           << input.getDimSize(0) << "; got " << cos.getDimSize(0);
  return success();
}

/// `starts`, if given, has an element for each sequence.
static LogicalResult verifyStarts(Operation *op, Value starts, int64_t batch) {
  if (starts && (tensorType(starts).getRank() != 1 || !compatible(tensorType(starts).getDimSize(0), batch)))
    return op->emitOpError("expected starts of shape [batch]; got ") << starts.getType();
  return success();
}

/// A cache [.., rows, size] holds floats, or codes of `bits`.
static LogicalResult verifyCache(Operation *op, RankedTensorType cache, std::optional<uint64_t> bits, StringRef attribute) {
  if (bits && *bits != 4 && *bits != 8) // B1
    return op->emitOpError("expected ") << attribute << " of 4 or 8; got " << *bits;
  if (cache.getElementType().isInteger(8) != bits.has_value()) // B2
    return op->emitOpError("expected ") << attribute << " exactly with a cache of i8; got " << cache;
  if (bits && cache.getDimSize(3) <= kCachedParameterBytes) // B3
    return op->emitOpError("expected rows of more than ") << kCachedParameterBytes << " bytes; got " << cache;
  return success();
}

int64_t AttentionOp::getRowSize(Value cache, std::optional<uint64_t> bits) {
  int64_t size = tensorType(cache).getDimSize(3);
  return bits ? getCachedRowSize(size, *bits) : size;
}

LogicalResult AttentionOp::verify() {
  auto query = tensorType(getQuery()), key = tensorType(getKey()), value = tensorType(getValue());
  if (query.getRank() != 3 || getType().getRank() != 3) // A1
    return emitOpError("expected query and result of shape [batch, sequence, channels]; got ")
           << query << " and " << getType();
  if (key.getRank() != 4 || value.getRank() != 4) // A2
    return emitOpError("expected key and value of shape [batch, heads, rows, size]; got ") << key << " and " << value;
  int64_t kvHeads = key.getDimSize(1), heads = getNumHeads();
  if (ShapedType::isDynamic(kvHeads) || key.isDynamicDim(3) || value.isDynamicDim(3)) // A3
    return emitOpError("expected static numbers of KV heads and head sizes; got ") << key << " and " << value;
  if (failed(verifyCache(*this, key, getKeyBits(), "key_bits")) || failed(verifyCache(*this, value, getValueBits(), "value_bits")))
    return failure();
  int64_t size = getKeySize(), valueSize = getValueSize();
  if (kvHeads < 1 || heads < 1 || heads % kvHeads || value.getDimSize(1) != kvHeads) // A4
    return emitOpError("expected num_heads to be a multiple of the KV heads; got ")
           << heads << ", " << kvHeads << " and " << value.getDimSize(1);
  if (!compatible(query.getDimSize(2), heads * size)) // A5
    return emitOpError("expected query channels of ") << heads * size << "; got " << query.getDimSize(2);
  if (!compatible(getType().getDimSize(2), heads * valueSize)) // A6
    return emitOpError("expected result channels of ") << heads * valueSize << "; got " << getType().getDimSize(2);
  if (!compatible(key.getDimSize(2), value.getDimSize(2))) // A7
    return emitOpError("expected as many keys as values; got ") << key.getDimSize(2) << " and " << value.getDimSize(2);
  if (getPadding() && tensorType(getPadding()).getRank() != 2) // A8
    return emitOpError("expected padding of shape [batch, rows]; got ") << getPadding().getType();
  if (getBias() && tensorType(getBias()).getRank() != 4) // A9
    return emitOpError("expected a bias of rank 4; got ") << getBias().getType();
  if (getWindow() && (*getWindow() < 1 || !getCausal())) // A10
    return emitOpError("expected a window of 1 or more in causal attention; got ") << *getWindow();
  if (getSoftcap() && !(getSoftcap()->convertToDouble() > 0)) // A11
    return emitOpError("expected a softcap above 0; got ") << getSoftcap()->convertToDouble();
  if (failed(verifyStarts(*this, getStarts(), query.getDimSize(0)))) // A12
    return failure();
  for (auto [name, vector] : {std::pair<StringRef, Value>("slopes", getSlopes()), {"sinks", getSinks()}}) // A13
    if (vector && (tensorType(vector).getRank() != 1 || !compatible(tensorType(vector).getDimSize(0), heads)))
      return emitOpError("expected ") << name << " of shape [" << heads << "]; got " << vector.getType();
  return success();
}

LogicalResult CacheUpdateOp::verify() {
  auto cache = tensorType(getCache()), update = tensorType(getUpdate());
  if (cache.getRank() != 4) // C1
    return emitOpError("expected a cache of shape [batch, heads, rows, size]; got ") << cache;
  if (update.getRank() != 3) // C2
    return emitOpError("expected an update of shape [batch, sequence, channels]; got ") << update;
  if (failed(verifyCache(*this, cache, getBits(), "bits")))
    return failure();
  int64_t heads = cache.getDimSize(1), size = cache.getDimSize(3);
  if (getBits() && !ShapedType::isDynamic(size))
    size = getCachedRowSize(size, *getBits());
  if (ShapedType::isDynamic(heads) || ShapedType::isDynamic(size) || !compatible(update.getDimSize(2), heads * size)) // C3
    return emitOpError("expected update channels of heads times size; got ") << update << " for " << cache;
  return verifyStarts(*this, getStarts(), update.getDimSize(0)); // C4
}
