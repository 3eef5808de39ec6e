//===- Manifest.cpp - what an artifact says of itself -----------*- C++ -*-===//
#include "terse/Runtime/Manifest.h"

#include "terse/Runtime/ArtifactABI.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <exception>
#include <set>
#include <stdexcept>

namespace terse::rt {

using nlohmann::json;

namespace {

/// Thrown inside this file only; parse() turns it into a Status.
struct Bad : std::runtime_error {
  using std::runtime_error::runtime_error;
};

const json &member(const json &object, const char *key, json::value_t type) {
  auto found = object.find(key);
  if (found == object.end())
    throw Bad(std::string("'") + key + "' is missing");
  if (found->type() != type)
    throw Bad(std::string("'") + key + "' has the wrong type");
  return *found;
}

std::string text(const json &object, const char *key) {
  auto found = object.find(key);
  if (found == object.end() || found->is_null())
    return "";
  if (!found->is_string())
    throw Bad(std::string("'") + key + "' has the wrong type");
  return found->get<std::string>();
}

int64_t integer(const json &value, const char *what) {
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX))
    throw Bad(std::string(what) + " is not an integer");
  return value.get<int64_t>();
}

uint64_t size(const json &object, const char *key) {
  auto found = object.find(key);
  if (found == object.end())
    throw Bad(std::string("'") + key + "' is missing");
  int64_t value = integer(*found, key);
  if (value < 0)
    throw Bad(std::string("'") + key + "' is negative");
  return uint64_t(value);
}

int symbolIndex(const Manifest &manifest, const std::string &name) {
  auto found =
      std::find(manifest.symbols.begin(), manifest.symbols.end(), name);
  if (found == manifest.symbols.end())
    throw Bad("unknown symbol '" + name + "'");
  return int(found - manifest.symbols.begin());
}

/// The bytes that hexadecimal digits say.
std::vector<uint64_t> fromHex(const std::string &digits) {
  auto value = [&](char c) {
    if (c >= '0' && c <= '9')
      return c - '0';
    if (c >= 'a' && c <= 'f')
      return c - 'a' + 10;
    throw Bad("a default is not in hexadecimal");
  };
  std::vector<uint64_t> words(digits.size() / 16 + 1);
  auto *bytes = reinterpret_cast<unsigned char *>(words.data());
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes[i / 2] = (unsigned char)(value(digits[i]) << 4 | value(digits[i + 1]));
  return words;
}

/// The default of an input, of the size that its shape says.
std::vector<uint64_t> defaultValue(const json &item, const TensorSpec &spec) {
  if (!item.contains("default"))
    return {};
  std::string digits = text(item, "default");
  int64_t bytes = int64_t(sizeOf(spec.dtype));
  for (const Expr &dim : spec.shape) {
    int64_t size;
    if (!dim.constant(size) || __builtin_mul_overflow(bytes, size, &bytes))
      throw Bad("'" + spec.name + "' has a default but no known size");
  }
  if (digits.size() % 2 || int64_t(digits.size() / 2) != bytes)
    throw Bad("the default of '" + spec.name + "' is not of its size");
  return fromHex(digits);
}

std::vector<TensorSpec> tensors(const json &object, const char *key,
                                const Manifest &manifest) {
  std::vector<TensorSpec> specs;
  std::set<std::string> names;
  for (const json &item : member(object, key, json::value_t::array)) {
    TensorSpec spec;
    if (!item.is_object())
      throw Bad(std::string("'") + key + "' has the wrong type");
    spec.name = member(item, "name", json::value_t::string);
    if (!names.insert(spec.name).second)
      throw Bad("'" + spec.name + "' is there twice");
    spec.role = text(item, "role");
    std::string dtype = member(item, "dtype", json::value_t::string);
    if (!parseDType(dtype, spec.dtype))
      throw Bad("unknown dtype '" + dtype + "'");
    for (const json &dim : member(item, "shape", json::value_t::array)) {
      if (dim.is_string()) {
        spec.shapeText.push_back(dim.get<std::string>());
        Result<Expr> expr =
            Expr::parse(spec.shapeText.back(), manifest.symbols);
        if (!expr.ok())
          throw Bad(expr.status().message());
        spec.shape.push_back(std::move(*expr));
        continue;
      }
      int64_t value = integer(dim, "a dimension");
      if (value < 0)
        throw Bad("a dimension is negative");
      spec.shapeText.push_back(std::to_string(value));
      spec.shape.push_back(Expr(value));
    }
    spec.defaultValue = defaultValue(item, spec);
    if (item.contains("counted")) {
      int64_t axis = integer(item["counted"], "'counted'");
      if (axis < 0 || axis >= int64_t(spec.shape.size()))
        throw Bad("'" + spec.name + "' is counted along no dimension of its");
      spec.counted = int(axis);
    }
    specs.push_back(std::move(spec));
  }
  return specs;
}

ConstraintSpec constraint(const json &item, const Manifest &manifest) {
  ConstraintSpec spec;
  if (!item.is_string())
    throw Bad("'constraints' has the wrong type");
  spec.text = item.get<std::string>();
  size_t at = spec.text.find(" <= ");
  if (at == std::string::npos) {
    spec.equal = true;
    at = spec.text.find(" == ");
  }
  if (at == std::string::npos)
    throw Bad("bad constraint '" + spec.text + "'");
  auto parse = [&](std::string_view text) {
    Result<Expr> expr = Expr::parse(text, manifest.symbols);
    if (!expr.ok())
      throw Bad(expr.status().message());
    return std::move(*expr);
  };
  spec.left = parse(std::string_view(spec.text).substr(0, at));
  spec.right = parse(std::string_view(spec.text).substr(at + 4));
  return spec;
}

/// The role that exporters mean by a name.
const char *usualRole(const TensorSpec &spec, bool input) {
  auto startsWith = [&](std::string_view prefix) {
    return std::string_view(spec.name).substr(0, prefix.size()) == prefix;
  };
  for (const char *role : {"input_ids", "attention_mask", "position_ids"})
    if (input && spec.name == role)
      return role;
  if (!input && spec.name == "logits")
    return "logits";
  if (spec.shape.size() >= 3 && startsWith(input ? "past" : "present"))
    return input ? "past" : "present";
  return "";
}

EntrySpec entry(const json &item, const Manifest &manifest) {
  EntrySpec spec;
  if (!item.is_object())
    throw Bad("'entries' has the wrong type");
  spec.name = member(item, "name", json::value_t::string);
  const json &functions = member(item, "functions", json::value_t::object);
  for (auto it = functions.begin(); it != functions.end(); ++it) {
    if (!it->is_string())
      throw Bad("'functions' has the wrong type");
    spec.functions[it.key()] = it->get<std::string>();
  }
  for (const std::string &level : manifest.levels)
    if (!spec.functions.count(level))
      throw Bad("entry '" + spec.name + "' has no function for level '" +
                level + "'");
  if (auto when = item.find("when"); when != item.end()) {
    if (!when->is_object())
      throw Bad("'when' has the wrong type");
    for (auto it = when->begin(); it != when->end(); ++it)
      spec.when.emplace_back(symbolIndex(manifest, it.key()),
                             integer(*it, "a condition"));
  }
  return spec;
}

WeightSpec weight(const json &item, uint64_t total) {
  WeightSpec spec;
  if (!item.is_object())
    throw Bad("'tensors' has the wrong type");
  spec.name = member(item, "name", json::value_t::string);
  spec.kind = text(item, "kind");
  spec.scale = text(item, "scale");
  spec.codebook = text(item, "codebook");
  spec.partOf = text(item, "part_of");
  spec.rows = text(item, "rows");
  for (const json &dim : member(item, "shape", json::value_t::array))
    spec.shape.push_back(integer(dim, "a dimension"));
  if (auto bits = item.find("bits"); bits != item.end() && bits->is_number())
    spec.bits = bits->get<double>();
  if (auto group = item.find("group_size");
      group != item.end() && !group->is_null())
    spec.groupSize = integer(*group, "group_size");
  if (auto symmetric = item.find("symmetric");
      symmetric != item.end() && symmetric->is_boolean())
    spec.symmetric = symmetric->get<bool>();
  spec.offset = size(item, "offset");
  spec.bytes = size(item, "bytes");
  if (spec.offset > total || spec.bytes > total - spec.offset)
    throw Bad("weight '" + spec.name + "' lies outside the weights section");
  return spec;
}

void fill(Manifest &manifest, const json &root) {
  if (!root.is_object())
    throw Bad("not a JSON object");
  int64_t format = integer(
      member(root, "format", json::value_t::number_unsigned), "'format'");
  if (format != TERSE_MANIFEST_FORMAT)
    throw Bad("expected format " + std::to_string(TERSE_MANIFEST_FORMAT) +
              "; got " + std::to_string(format));
  manifest.compiler = text(root, "terse");
  manifest.recipe = text(root, "recipe");
  if (auto source = root.find("source");
      source != root.end() && source->is_object()) {
    manifest.sourceName = text(*source, "name");
    manifest.sourceHash = text(*source, "sha256");
  }
  if (auto code = root.find("code"); code != root.end() && code->is_object())
    manifest.codeHash = text(*code, "sha256");
  if (auto tokenizer = root.find("tokenizer");
      tokenizer != root.end() && tokenizer->is_object())
    manifest.tokenizerKind = text(*tokenizer, "kind");
  for (const json &level : member(root, "levels", json::value_t::array)) {
    if (!level.is_string())
      throw Bad("'levels' has the wrong type");
    manifest.levels.push_back(level.get<std::string>());
  }
  if (root.contains("symbols"))
    for (const json &name : member(root, "symbols", json::value_t::array)) {
      if (!name.is_string())
        throw Bad("'symbols' has the wrong type");
      manifest.symbols.push_back(name.get<std::string>());
    }
  if (std::string name = text(root, "past"); !name.empty())
    manifest.past = symbolIndex(manifest, name);
  if (root.contains("context"))
    manifest.context = int64_t(size(root, "context"));
  if (std::string name = text(root, "capacity"); !name.empty())
    manifest.capacity = symbolIndex(manifest, name);
  if (std::string name = text(root, "logits_to_keep"); !name.empty()) {
    manifest.logitsToKeep = symbolIndex(manifest, "logits_to_keep");
    manifest.tokens = symbolIndex(manifest, name);
  }
  manifest.inputs = tensors(root, "inputs", manifest);
  manifest.outputs = tensors(root, "outputs", manifest);
  for (TensorSpec &spec : manifest.inputs)
    if (spec.role.empty())
      spec.role = usualRole(spec, /*input=*/true);
  for (TensorSpec &spec : manifest.outputs)
    if (spec.role.empty())
      spec.role = usualRole(spec, /*input=*/false);
  if (root.contains("states"))
    manifest.states = tensors(root, "states", manifest);
  if (!manifest.states.empty() && (manifest.past < 0 || manifest.capacity < 0))
    throw Bad("there are states but no 'past' and 'capacity' symbols");
  if (root.contains("constraints"))
    for (const json &item : member(root, "constraints", json::value_t::array))
      manifest.constraints.push_back(constraint(item, manifest));
  if (root.contains("coupled_tokens"))
    manifest.coupledTokens =
        member(root, "coupled_tokens", json::value_t::boolean).get<bool>();
  bool general = false;
  for (const json &item : member(root, "entries", json::value_t::array)) {
    manifest.entries.push_back(entry(item, manifest));
    general |= manifest.entries.back().when.empty();
  }
  if (!general)
    throw Bad("no entry fits every size");
  const json &weights = member(root, "weights", json::value_t::object);
  manifest.weightsBytes = size(weights, "bytes");
  manifest.weightsHash = text(weights, "sha256");
  if (weights.contains("tensors"))
    for (const json &item : member(weights, "tensors", json::value_t::array))
      manifest.weights.push_back(weight(item, manifest.weightsBytes));
}

} // namespace

Result<Manifest> Manifest::parse(std::string_view text) {
  Manifest manifest;
  manifest.text = text;
  try {
    json root = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (root.is_discarded())
      throw Bad("not valid JSON");
    fill(manifest, root);
  } catch (const std::exception &error) {
    return fail(Code::BadArtifact, "bad manifest: %s", error.what());
  }
  return manifest;
}

bool ConstraintSpec::holds(const int64_t *symbols) const {
  int64_t a, b;
  return left.evaluate(symbols, a) && right.evaluate(symbols, b) &&
         (equal ? a == b : a <= b);
}

int Manifest::find(const std::vector<TensorSpec> &list, std::string_view name) {
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i].name == name)
      return int(i);
  return -1;
}

std::string describe(const TensorSpec &spec) {
  std::string text = std::string(nameOf(spec.dtype)) + " [";
  for (size_t i = 0; i < spec.shapeText.size(); ++i)
    text += (i ? ", " : "") + spec.shapeText[i];
  return text + "]";
}

} // namespace terse::rt
