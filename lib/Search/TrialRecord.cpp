//===- TrialRecord.cpp - what is kept of a trial --------------------------===//
#include "Trials.h"

#include "terse/Quality/Guard.h"

#include "llvm/ADT/STLExtras.h"

using namespace terse;
namespace json = llvm::json;

json::Object terse::toJson(const Trial &trial) {
  json::Object layers;
  for (const auto &[layer, found] : trial.layers)
    layers[layer] = json::Array{found.format.bits,
                                found.format.groupSize,
                                found.format.symmetric.value_or(true),
                                found.format.method,
                                found.format.isSparse,
                                found.inputOf,
                                found.bytes,
                                found.error,
                                found.n,
                                found.k,
                                found.hasStatistics};
  json::Object tables;
  for (const auto &[table, found] : trial.tables)
    tables[table] = json::Array{found.bytes, found.error};
  json::Array bands;
  for (std::optional<double> loss : trial.loss.bands)
    bands.push_back(loss ? json::Value(*loss) : json::Value(nullptr));
  return json::Object{{"bytes", int64_t(trial.bytes)}, {"loss", trial.loss.all},     {"bands", std::move(bands)}, {"kl", trial.kl},
                      {"layers", std::move(layers)},   {"tables", std::move(tables)}};
}

std::optional<Trial> terse::readTrial(const json::Object &object) {
  auto bytes = object.getInteger("bytes");
  auto loss = object.getNumber("loss"), kl = object.getNumber("kl");
  const json::Object *layers = object.getObject("layers"), *tables = object.getObject("tables");
  const json::Array *bands = object.getArray("bands");
  if (!bytes || !loss || !kl || !layers || !tables || !bands || bands->size() != TERSE_BAND_COUNT)
    return std::nullopt;
  Trial trial;
  trial.bytes = *bytes;
  trial.loss.all = *loss;
  for (auto [band, value] : llvm::zip(trial.loss.bands, *bands))
    if (auto number = value.getAsNumber())
      band = *number;
  trial.kl = *kl;
  for (const auto &[layer, entry] : *layers) {
    const json::Array *fields = entry.getAsArray();
    if (!fields || fields->size() != 11)
      return std::nullopt;
    auto number = [&](size_t i) { return (*fields)[i].getAsNumber().value_or(0); };
    auto text = [&](size_t i) { return (*fields)[i].getAsString().value_or("").str(); };
    auto is = [&](size_t i) { return (*fields)[i].getAsBoolean().value_or(false); };
    trial.layers[layer.str()] = {{int64_t(number(0)), int64_t(number(1)), is(2), text(3), is(4)},
                                 text(5),
                                 number(6),
                                 number(7),
                                 int64_t(number(8)),
                                 int64_t(number(9)),
                                 is(10)};
  }
  for (const auto &[table, entry] : *tables) {
    const json::Array *fields = entry.getAsArray();
    if (!fields || fields->size() != 2)
      return std::nullopt;
    trial.tables[table.str()] = {(*fields)[0].getAsNumber().value_or(0), (*fields)[1].getAsNumber().value_or(0)};
  }
  return trial;
}

/// Pruning tells by the end of a weight's name, which is the layer's where that has none, what it did.
static std::string getLayerName(llvm::StringRef name) {
  name.consume_back(".pruned");
  return name.str();
}

void terse::readFacts(const CompileRecord &record, bool storesZeros, Trial &trial) {
  auto visit = [&](llvm::StringRef name, llvm::function_ref<void(const json::Object &)> read) {
    for (const CompileRecord::Fact &fact : record.facts)
      if (const json::Object *object = fact.name == name ? fact.value.getAsObject() : nullptr)
        read(*object);
  };
  visit("layers", [&](const json::Object &layers) {
    for (const auto &[name, entry] : layers) {
      const json::Object *layer = entry.getAsObject();
      const json::Array *shape = layer ? layer->getArray("shape") : nullptr;
      if (!shape || shape->size() != 2)
        continue;
      const int64_t n = (*shape)[0].getAsInteger().value_or(0), k = (*shape)[1].getAsInteger().value_or(0);
      WeightFormat format{layer->getInteger("bits").value_or(0), layer->getInteger("group_size").value_or(0),
                          layer->getBoolean("symmetric").value_or(true), layer->getString("method").value_or("").str(),
                          layer->getString("sparsity") == "2:4"};
      double bytes = layer->getNumber("bytes").value_or(0);
      if (format.isSparse && format.bits == 4 && *format.symmetric && !storesZeros)
        bytes -= double(n * k) / 8;
      trial.layers[getLayerName(name)] = {
          format, getLayerName(layer->getString("input_of").value_or(name)), bytes, 0, n, k, layer->getString("error_of") == "outputs"};
    }
  });
  visit("tables", [&](const json::Object &tables) {
    for (const auto &[name, bytes] : tables)
      trial.tables[name.str()] = {bytes.getAsNumber().value_or(0), 0};
  });
  for (const auto &[name, error] : getLayerErrors(record)) {
    if (auto layer = trial.layers.find(name); layer != trial.layers.end())
      layer->second.error = error;
    if (auto table = trial.tables.find(name); table != trial.tables.end())
      table->second.error = error;
  }
}
