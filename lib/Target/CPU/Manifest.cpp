//===- Manifest.cpp - what an artifact says of itself ---------------------===//
#include "terse/Runtime/ArtifactABI.h"
#include "terse/Support/JsonText.h"
#include "terse/Target/Artifact.h"

#include "Terse/TerseDialect.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace terse;

namespace json = llvm::json;

std::string terse::getEntryName(llvm::StringRef level) {
  return ("terse_" + TerseDialect::kEntryName + "_" + level).str();
}

/// Attributes as JSON; a string of digits is a number (dimensions are strings
/// in the IR).
static json::Value toJSON(Attribute attr) {
  if (auto dictionary = dyn_cast<DictionaryAttr>(attr)) {
    json::Object object;
    for (NamedAttribute named : dictionary)
      object[json::ObjectKey(toJsonText(named.getName()))] = toJSON(named.getValue());
    return object;
  }
  if (auto array = dyn_cast<ArrayAttr>(attr)) {
    json::Array values;
    for (Attribute value : array)
      values.push_back(toJSON(value));
    return values;
  }
  if (auto boolean = dyn_cast<BoolAttr>(attr))
    return boolean.getValue();
  if (auto integer = dyn_cast<IntegerAttr>(attr))
    return integer.getInt();
  if (auto number = dyn_cast<FloatAttr>(attr))
    return number.getValueAsDouble();
  if (auto string = dyn_cast<StringAttr>(attr))
    return toJsonText(string.getValue());
  return true; // a unit attribute: the key says it
}

/// Interface tensors: sizes without symbols become numbers.
static json::Value tensorsToJSON(Attribute attr) {
  json::Value tensors = attr ? toJSON(attr) : json::Array();
  for (json::Value &tensor : *tensors.getAsArray())
    for (json::Value &dim : *tensor.getAsObject()->getArray("shape")) {
      int64_t number;
      if (!llvm::StringRef(*dim.getAsString()).getAsInteger(10, number))
        dim = number;
    }
  return tensors;
}

static json::Object weightsToJSON(ArrayAttr weights) {
  json::Array tensors;
  int64_t end = 0;
  for (Attribute attr : weights) {
    auto entry = cast<DictionaryAttr>(attr);
    json::Object tensor = *toJSON(entry).getAsObject();
    // Where the compiler had the data is nobody's business.
    tensor.erase("data");
    tensor.erase("type");
    auto type =
        cast<RankedTensorType>(entry.getAs<TypeAttr>("type").getValue());
    Type element = type.getElementType();
    if (!tensor.get("shape")) {
      json::Array shape;
      for (int64_t size : type.getShape())
        shape.push_back(size);
      tensor["shape"] = std::move(shape);
    }
    if (!tensor.get("bits"))
      tensor["bits"] =
          element.isInteger(1)
              ? 8
              : static_cast<int64_t>(element.getIntOrFloatBitWidth());
    end = entry.getAs<IntegerAttr>("offset").getInt() +
          entry.getAs<IntegerAttr>("bytes").getInt();
    tensors.push_back(std::move(tensor));
  }
  return json::Object{{"bytes", end},
                      {"sha256", std::string(64, '0')},
                      {"tensors", std::move(tensors)}};
}

std::string terse::makeManifest(const ArtifactContents &contents) {
  json::Object manifest{
      {"format", TERSE_MANIFEST_FORMAT},
      {"terse", TERSE_VERSION},
      {"recipe", toJsonText(contents.recipe)},
      {"levels", json::Array(contents.levels)},
      {"weights", weightsToJSON(contents.weights)},
      {"code", json::Object{{"sha256", std::string(64, '0')}}}};
  json::Object source{{"name", toJsonText(contents.sourceName)}};
  if (!contents.sourceHash.empty())
    source["sha256"] = contents.sourceHash;
  manifest["source"] = std::move(source);
  for (llvm::StringRef key : {"inputs", "outputs", "states"})
    manifest[json::ObjectKey(key)] = tensorsToJSON(contents.interface.get(key));
  for (llvm::StringRef key : {"symbols", "past", "capacity", "constraints", "coupled_tokens", "logits_to_keep"})
    if (Attribute value = contents.interface.get(key))
      manifest[json::ObjectKey(key)] = toJSON(value);
  json::Object functions;
  for (llvm::StringRef level : contents.levels)
    functions[json::ObjectKey(level.str())] = getEntryName(level);
  manifest["entries"] =
      json::Array{json::Object{{"name", TerseDialect::kEntryName.str()},
                               {"functions", std::move(functions)}}};
  if (!contents.tokenizerKind.empty())
    manifest["tokenizer"] = json::Object{
        {"kind", contents.tokenizerKind},
        {"bytes", static_cast<int64_t>(contents.tokenizer.size())}};
  for (const auto &[key, value] : contents.extra)
    manifest[json::ObjectKey(toJsonText(key))] = value;
  std::string text;
  llvm::raw_string_ostream(text)
      << json::Value(std::move(manifest)); // keys come out sorted
  return text;
}

llvm::Expected<ObjectCode> terse::emitManifestObject(llvm::StringRef manifest) {
  auto littleEndian = [](uint64_t value, unsigned bytes) {
    std::string text;
    for (unsigned i = 0; i < bytes; ++i)
      text.push_back(static_cast<char>(value >> (8 * i)));
    return text;
  };
  return emitDataObject(
      {{TERSE_SYMBOL_ABI_VERSION, littleEndian(TERSE_ARTIFACT_ABI_VERSION, 4),
        "", 4},
       // A section of its own: its hashes are set after linking, and hashing
       // the code leaves it out.
       {TERSE_SYMBOL_MANIFEST, manifest.str(), ".terse.manifest", 8},
       {TERSE_SYMBOL_MANIFEST_SIZE, littleEndian(manifest.size(), 8), "", 8}});
}
