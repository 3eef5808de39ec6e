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
                                 FloatType scale, ZeroPoint zero) {
  unsigned bits = storage.getWidth();
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
    return emitError() << "expected storage of 2, 3, 4 or 8 bits; got " << bits;
  if (!storage.isSignless())
    return emitError() << "expected a signless storage type; got " << storage;
  if (group < 0)
    return emitError() << "expected a positive group size; got " << group;
  if (!scale.isF16() && !scale.isBF16() && !scale.isF32())
    return emitError() << "expected scales of type f16, bf16 or f32; got " << scale;
  return success();
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
