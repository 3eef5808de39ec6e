//===- TerseAttrs.cpp - attributes of the terse dialect -------------------===//
#include "Terse/TerseDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace terse;

#include "Terse/TerseEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "Terse/TerseAttrs.cpp.inc"

LogicalResult SchemeAttr::verify(function_ref<InFlightDiagnostic()> emitError, IntegerType storage, int64_t group,
                                 Type scale, ZeroPoint zero, Codebook codebook) {
  unsigned bits = storage.getWidth();
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
    return emitError() << "expected storage of 2, 3, 4 or 8 bits; got " << bits;
  if (!storage.isSignless())
    return emitError() << "expected a signless storage type; got " << storage;
  if (group < 0)
    return emitError() << "expected a positive group size; got " << group;
  if (!scale.isF16() && !scale.isBF16() && !scale.isF32() && !scale.isSignlessInteger(8))
    return emitError() << "expected scales of type f16, bf16, f32 or i8; got " << scale;
  if (codebook != Codebook::Linear && (bits != 4 || zero != ZeroPoint::None))
    return emitError() << "expected 4 bits without zero points of codes from a table; got " << bits << " bits, zero = "
                       << stringifyZeroPoint(zero);
  return success();
}

Type SchemeAttr::getZeroType() const {
  if (getZero() != ZeroPoint::Float)
    return IntegerType::get(getContext(), 8);
  return hasRowScales() ? Type(Float16Type::get(getContext())) : getScale();
}

ArrayRef<int8_t> SchemeAttr::getTable() const {
  // round(127 v) of the values v of NF4.
  static constexpr int8_t nf4[] = {-127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127};
  return hasTable() ? ArrayRef(nf4) : ArrayRef<int8_t>();
}

LogicalResult GridAttr::verify(function_ref<InFlightDiagnostic()> emitError, GridKind kind, FloatAttr scale, int64_t zero,
                               int64_t low, int64_t high) {
  if (kind != GridKind::Fixed) {
    if (scale || zero || low || high)
      return emitError() << "expected a scale, a zero point and a range of fixed grids alone";
    return success();
  }
  if (!scale || !scale.getType().isF64() || !scale.getValue().isFinite() || !(scale.getValueAsDouble() > 0))
    return emitError() << "expected a scale of type f64 above 0; got " << scale;
  if (low > zero || zero > high || high - low > 255 || low < -32768 || high > 65535)
    return emitError() << "expected low <= zero <= high and at most 256 values; got " << low << ", " << zero << " and " << high;
  return success();
}

int64_t SchemeAttr::getNumGroups(int64_t k) const {
  int64_t size = getGroupSize(k);
  return size ? (k + size - 1) / size : 0;
}

void TerseDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "Terse/TerseAttrs.cpp.inc"
      >();
}
