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
  if (!scale.isF16() && !scale.isF32())
    return emitError() << "expected scales of type f16 or f32; got " << scale;
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
