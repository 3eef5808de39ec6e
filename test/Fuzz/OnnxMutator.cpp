//===- OnnxMutator.cpp - changes ONNX models as models --------------------===//
//
// Bytes changed at random rarely make a protobuf message. This reads one into a
// tree of fields by the part of ONNX's schema below, changes a few fields, and
// writes it again.
//
//===----------------------------------------------------------------------===//
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace {

enum Message { Model, OpsetId, Graph, Node, Attribute, ValueInfo, Type, TensorType, Shape, Dim, Tensor, Entry, Function, Leaf };

/// What a field of a message is; a Leaf that is not listed is a number or bytes.
Message typeOf(Message message, uint32_t field) {
  static const std::map<std::pair<int, uint32_t>, Message> inner = {
      {{Model, 7}, Graph},      {{Model, 8}, OpsetId},     {{Model, 25}, Function},   {{Graph, 1}, Node},
      {{Graph, 5}, Tensor},     {{Graph, 11}, ValueInfo},  {{Graph, 12}, ValueInfo},  {{Graph, 13}, ValueInfo},
      {{Node, 5}, Attribute},   {{Attribute, 5}, Tensor},  {{Attribute, 6}, Graph},   {{Attribute, 10}, Tensor},
      {{Attribute, 11}, Graph}, {{ValueInfo, 2}, Type},    {{Type, 1}, TensorType},   {{TensorType, 2}, Shape},
      {{Shape, 1}, Dim},        {{Tensor, 13}, Entry},     {{Function, 7}, Node},     {{Function, 9}, OpsetId},
      {{Function, 11}, Attribute}};
  auto found = inner.find({message, field});
  return found == inner.end() ? Leaf : found->second;
}

const char *const operatorNames[] = {
#include "OperatorNames.inc"
};
const char *const attributeNames[] = {
    "axis",      "axes",       "perm",        "to",         "keepdims", "epsilon", "alpha",      "beta",        "transA",
    "transB",    "num_heads",  "kv_num_heads", "block_size", "bits",     "K",       "N",          "start",       "end",
    "value",     "value_int",  "value_ints",  "equation",   "mode",     "upper",   "is_causal",  "scale",       "softcap",
    "allowzero", "batch_dims", "num_outputs", "exclusive",  "reverse",  "largest", "interleaved", "stash_type", "rotary_embedding_dim"};
const uint64_t numbers[] = {0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13, 16, 17, 22, 23, 64, 255, 256, 4096, 65536,
                            1ull << 31, (1ull << 31) - 1, 1ull << 32, 1ull << 40, 1ull << 48, 1ull << 62,
                            ~0ull, ~0ull - 1, ~0ull - 2, 1ull << 63, (1ull << 63) - 1};

struct Field {
  uint32_t number = 0;
  uint8_t wire = 0;
  uint64_t value = 0;  // of a number
  std::string bytes;   // of a leaf
  Message type = Leaf;
  std::vector<Field> fields; // of a message
};

bool readVarint(std::string_view &text, uint64_t &value) {
  value = 0;
  for (int shift = 0; shift < 70 && !text.empty(); shift += 7) {
    uint8_t byte = text[0];
    text.remove_prefix(1);
    if (shift < 64)
      value |= uint64_t(byte & 127) << shift;
    if (byte < 128)
      return true;
  }
  return false;
}

void writeVarint(uint64_t value, std::string &out) {
  for (; value >= 128; value >>= 7)
    out += char(value | 128);
  out += char(value);
}

bool parse(std::string_view text, Message type, std::vector<Field> &fields, int depth = 0) {
  while (!text.empty()) {
    uint64_t tag;
    if (depth > 40 || !readVarint(text, tag) || tag >> 3 == 0 || tag >> 3 > 1000)
      return false;
    Field field;
    field.number = uint32_t(tag >> 3);
    field.wire = tag & 7;
    uint64_t size = field.wire == 1 ? 8 : field.wire == 5 ? 4 : 0;
    if (field.wire == 0) {
      if (!readVarint(text, field.value))
        return false;
    } else if (field.wire == 2) {
      if (!readVarint(text, size) || size > text.size())
        return false;
      field.type = typeOf(type, field.number);
    } else if (!size || size > text.size()) {
      return false;
    }
    if (field.type == Leaf)
      field.bytes = text.substr(0, size);
    else if (!parse(text.substr(0, size), field.type, field.fields, depth + 1))
      return false;
    text.remove_prefix(size);
    fields.push_back(std::move(field));
  }
  return true;
}

std::string print(const std::vector<Field> &fields) {
  std::string out;
  for (const Field &field : fields) {
    writeVarint(field.number << 3 | field.wire, out);
    if (field.wire == 0) {
      writeVarint(field.value, out);
      continue;
    }
    std::string bytes = field.type == Leaf ? field.bytes : print(field.fields);
    if (field.wire == 2)
      writeVarint(bytes.size(), out);
    out += bytes;
  }
  return out;
}

class Mutator {
public:
  explicit Mutator(unsigned seed) : random(seed) {}

  void mutate(std::vector<Field> &model) {
    for (int count = 1 + below(4); count > 0; --count)
      mutateOnce(model);
  }

private:
  size_t below(size_t bound) { return bound ? random() % bound : 0; }
  template <typename List>
  auto pick(const List &list) { return list[below(std::size(list))]; }

  struct Place {
    Message owner;
    std::vector<Field> *list;
    size_t index;
    Field &field() const { return (*list)[index]; }
  };

  static void collect(Message owner, std::vector<Field> &list, std::vector<Place> &places) {
    for (size_t i = 0; i < list.size(); ++i) {
      places.push_back({owner, &list, i});
      if (list[i].type != Leaf)
        collect(list[i].type, list[i].fields, places);
    }
  }

  void mutateOnce(std::vector<Field> &list, Message owner = Model) {
    std::vector<Place> places;
    collect(owner, list, places);
    if (places.empty())
      return;
    Place place = pick(places);
    Field &field = place.field();
    switch (below(10)) {
    case 0: // away with it
      place.list->erase(place.list->begin() + place.index);
      return;
    case 1: { // twice, perhaps elsewhere
      Field copy = field;
      place.list->insert(place.list->begin() + below(place.list->size() + 1), std::move(copy));
      return;
    }
    case 2: // another order
      std::swap(field, (*place.list)[below(place.list->size())]);
      return;
    case 3: { // the same field of another message
      std::vector<Place> same;
      std::copy_if(places.begin(), places.end(), std::back_inserter(same), [&](const Place &other) {
        return other.owner == place.owner && other.field().number == field.number;
      });
      Field copy = pick(same).field();
      field = std::move(copy);
      return;
    }
    case 4: { // an attribute of a node
      std::vector<Place> nodes;
      std::copy_if(places.begin(), places.end(), std::back_inserter(nodes),
                   [](const Place &other) { return other.field().type == Node; });
      if (nodes.empty())
        return;
      Field attribute{5, 2, 0, {}, Attribute, {}};
      attribute.fields.push_back({1, 2, 0, pick(attributeNames), Leaf, {}});
      if (below(2)) {
        attribute.fields.push_back({20, 0, 2, {}, Leaf, {}});
        attribute.fields.push_back({3, 0, pick(numbers), {}, Leaf, {}});
      } else {
        attribute.fields.push_back({20, 0, 7, {}, Leaf, {}});
        for (size_t i = below(4); i > 0; --i)
          attribute.fields.push_back({8, 0, pick(numbers), {}, Leaf, {}});
      }
      pick(nodes).field().fields.push_back(std::move(attribute));
      return;
    }
    default:
      return mutateValue(place, places);
    }
  }

  void mutateValue(const Place &place, const std::vector<Place> &places) {
    Field &field = place.field();
    if (field.wire == 0) {
      field.value = below(3) ? pick(numbers) : field.value + below(5) - 2;
    } else if (field.wire != 2) {
      std::generate(field.bytes.begin(), field.bytes.end(), [&] { return char(random()); });
    } else if (place.owner == Node && field.number == 4) {
      field.bytes = pick(operatorNames);
    } else if (place.owner == Attribute && field.number == 1) {
      field.bytes = pick(attributeNames);
    } else if (field.type == Leaf && below(2)) { // a name that another field has
      std::vector<Place> strings;
      std::copy_if(places.begin(), places.end(), std::back_inserter(strings), [](const Place &other) {
        return other.field().wire == 2 && other.field().type == Leaf && other.field().bytes.size() < 64;
      });
      if (!strings.empty())
        field.bytes = std::string(pick(strings).field().bytes);
    } else if (field.type == Leaf) {
      size_t size = field.bytes.size();
      field.bytes.resize(size + 16);
      field.bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t *>(field.bytes.data()), size, size + 16));
    } else {
      mutateOnce(field.fields, field.type);
    }
  }

  std::minstd_rand random;
};

} // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned seed) {
  std::vector<Field> model;
  // A few bytes as they are too: the wire format has its own dark corners.
  if (seed % 16 == 0 || !parse({reinterpret_cast<const char *>(data), size}, Model, model))
    return LLVMFuzzerMutate(data, size, maxSize);
  Mutator(seed).mutate(model);
  std::string bytes = print(model);
  if (bytes.size() > maxSize)
    return LLVMFuzzerMutate(data, size, maxSize);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
