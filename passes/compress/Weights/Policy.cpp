//===- Policy.cpp - what compression is to do with a layer ------------------===//
#include "compress/Weights/Policy.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace terse;

std::string SparsityPattern::str() const {
  return isStructured() ? std::to_string(n) + ":" + std::to_string(m) : "unstructured";
}

std::optional<SparsityPattern> SparsityPattern::parse(StringRef text) {
  SparsityPattern pattern;
  if (text.empty() || text == "unstructured")
    return pattern;
  auto [n, m] = text.split(':');
  if (n.getAsInteger(10, pattern.n) || m.getAsInteger(10, pattern.m) || pattern.n < 1 || pattern.m <= pattern.n || pattern.m > 64)
    return std::nullopt;
  return pattern;
}

DictionaryAttr Policy::toAttr(MLIRContext *context) const {
  Builder builder(context);
  SmallVector<NamedAttribute> entries;
  auto add = [&](StringRef name, Attribute value) { entries.push_back(builder.getNamedAttr(name, value)); };
  if (bits)
    add("bits", builder.getI64IntegerAttr(*bits));
  if (groupSize)
    add("group_size", builder.getI64IntegerAttr(*groupSize));
  if (symmetric)
    add("symmetric", builder.getBoolAttr(*symmetric));
  if (method)
    add("method", builder.getStringAttr(*method));
  if (sparsity)
    add("sparsity", builder.getF64FloatAttr(*sparsity));
  if (pattern)
    add("pattern", builder.getStringAttr(pattern->str()));
  if (keep)
    add("keep", builder.getUnitAttr());
  return builder.getDictionaryAttr(entries);
}

LogicalResult Policy::set(StringRef key, StringRef value, function_ref<InFlightDiagnostic()> emitError) {
  int64_t number = 0;
  bool isNumber = !value.getAsInteger(10, number);
  if (key == "bits") {
    if (!isNumber || (number != 2 && number != 3 && number != 4 && number != 8))
      return emitError() << "expected bits of 2, 3, 4 or 8; got '" << value << "'";
    bits = number;
  } else if (key == "group_size") {
    if (!isNumber || number < 0)
      return emitError() << "expected a group_size of 0 or more; got '" << value << "'";
    groupSize = number;
  } else if (key == "symmetric") {
    if (value != "true" && value != "false")
      return emitError() << "expected symmetric to be true or false; got '" << value << "'";
    symmetric = value == "true";
  } else if (key == "method") {
    if (value != "rtn" && value != "gptq" && value != "hqq")
      return emitError() << "expected method to be rtn, gptq or hqq; got '" << value << "'";
    method = value.str();
  } else if (key == "sparsity") {
    double part = 0;
    if (value.getAsDouble(part) || !(part >= 0 && part < 1))
      return emitError() << "expected a sparsity of 0 or more and less than 1; got '" << value << "'";
    sparsity = part;
  } else if (key == "pattern") {
    pattern = SparsityPattern::parse(value);
    if (!pattern)
      return emitError() << "expected a pattern N:M with 0 < N < M <= 64; got '" << value << "'";
  } else if (key == "keep") {
    keep = true;
  } else {
    return emitError() << "expected bits, group_size, symmetric, method, sparsity, pattern or keep; got '" << key << "'";
  }
  return success();
}

FailureOr<Policy> terse::getPolicy(Operation *layer) {
  Policy policy;
  Attribute attr = layer->getAttr(kPolicyAttr);
  if (!attr)
    return policy;
  auto emitError = [&]() { return layer->emitError() << kPolicyAttr << ": "; };
  auto entries = dyn_cast<DictionaryAttr>(attr);
  if (!entries) {
    emitError() << "expected a dictionary; got " << attr;
    return failure();
  }
  for (NamedAttribute entry : entries) {
    std::string text;
    if (auto value = dyn_cast<BoolAttr>(entry.getValue()))
      text = value.getValue() ? "true" : "false";
    else if (auto value = dyn_cast<IntegerAttr>(entry.getValue()))
      text = std::to_string(value.getInt());
    else if (auto value = dyn_cast<FloatAttr>(entry.getValue()))
      text = std::to_string(value.getValueAsDouble());
    else if (auto value = dyn_cast<StringAttr>(entry.getValue()))
      text = value.getValue().str();
    if (failed(policy.set(entry.getName(), text, emitError)))
      return failure();
  }
  return policy;
}
