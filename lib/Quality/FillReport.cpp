//===- FillReport.cpp - a report of a compile -----------------------------===//
#include "FillReport.h"
#include "terse/Quality/Guard.h"
#include "terse/Quality/Measure.h"

#include "terse/Target/Artifact.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"

#include <cmath>

using namespace terse;
using llvm::Error;
using llvm::StringRef;

std::vector<std::pair<std::string, double>> terse::getLayerErrors(const CompileRecord &record) {
  std::map<std::string, double> squares;
  for (const CompileRecord::Fact &fact : record.facts)
    if (fact.name == "layer-errors")
      if (const llvm::json::Object *layers = fact.value.getAsObject())
        for (const auto &entry : *layers)
          if (auto error = entry.second.getAsNumber()) {
            StringRef name = entry.first;
            name.consume_back(".pruned");
            // Relative to what the pass before left.
            double &square = squares[name.str()];
            square += std::max(0.0, 1 - square) * *error * *error;
          }
  std::vector<std::pair<std::string, double>> errors;
  for (const auto &[name, square] : squares)
    errors.emplace_back(name, std::sqrt(square));
  // Worst first; equals by name, whatever the order of the object was.
  llvm::sort(errors, [](const auto &a, const auto &b) { return std::pair(-a.second, a.first) < std::pair(-b.second, b.first); });
  return errors;
}

static llvm::Expected<CompressionReport::File> describeFile(const std::string &path) {
  llvm::Expected<std::string> hash = hashFile(path);
  if (!hash)
    return hash.takeError();
  CompressionReport::File file;
  file.name = llvm::sys::path::filename(path).str();
  file.sha256 = *hash;
  uint64_t bytes = 0;
  if (!llvm::sys::fs::file_size(path, bytes))
    file.bytes = bytes;
  return file;
}

static std::string toText(const llvm::json::Value &value) {
  if (auto text = value.getAsString())
    return text->str();
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}

Error terse::fillIdentity(CompressionReport &report, const CompileOptions &options, const CompileRecord &record) {
  report.title = record.sourceName + ", " + record.recipe;
  report.recipe = record.recipe;
  report.pipeline = record.pipeline;
  llvm::SHA256 hash;
  hash.update(record.recipe + "\n" + record.pipeline);
  report.recipeSha256 = llvm::toHex(hash.final(), /*LowerCase=*/true);
  report.source.emplace();
  report.source->name = record.sourceName;
  report.source->sha256 = record.sourceHash;
  llvm::StringSet<> said;
  for (const CompileRecord::Fact &fact : record.facts) {
    if (const llvm::json::Object *left = fact.name == "left" ? fact.value.getAsObject() : nullptr)
      for (const auto &[layer, reason] : *left)
        report.refused.push_back({fact.pass, layer.str() + ": " + toText(reason)});
    std::string value = toText(fact.value);
    // What passes that run for each CPU level say of each is mostly the same.
    if (fact.value.getAsObject() || !said.insert(fact.pass + ":" + fact.name + ":" + value).second)
      continue;
    report.facts.push_back({fact.pass, fact.name, value});
    StringRef name = fact.name;
    auto count = fact.value.getAsInteger();
    if (count && *count > 0 && name == "layers-zeros-stored")
      report.refused.push_back({fact.pass, value + " pruned layers are stored with their zeros, which save neither bytes nor time: only "
                                                   "2:4 in symmetric codes of 4 bits does"});
    if (count && *count > 0 && (name.ends_with("-left") || name.ends_with("-not-recognized")))
      report.refused.push_back({fact.pass, value + " " + (name.ends_with("-left")
                                                               ? name.drop_back(5).str() + " were left as they are"
                                                               : name.drop_back(15).str() + " were not recognized as part of a layer: right, but slower")});
  }
  report.cost.emplace();
  report.cost->pricePerHour = options.pricePerHour;
  if (options.queryTokens) {
    report.cost->promptTokens = options.queryTokens->first;
    report.cost->completionTokens = options.queryTokens->second;
  }
  report.cost->batch = 1;
  report.cost->compressionSeconds = record.seconds;
  report.date = options.reportDate;
  return Error::success();
}

namespace {
struct LayerInfo {
  CompressionReport::Layer layer;
  int64_t elements = 1;
};
} // namespace

static llvm::Expected<std::vector<LayerInfo>> readLayers(const std::string &path, CompressionReport::Measured &side) {
  llvm::Expected<llvm::json::Value> described = describeArtifact(path);
  if (!described)
    return described.takeError();
  std::vector<LayerInfo> layers;
  const llvm::json::Object *root = described->getAsObject();
  const llvm::json::Array *list = root ? root->getArray("layers") : nullptr;
  uint64_t bytes = 0;
  int64_t elements = 0;
  if (list)
    for (const llvm::json::Value &value : *list) {
      const llvm::json::Object &object = *value.getAsObject();
      LayerInfo info;
      CompressionReport::Layer &layer = info.layer;
      layer.name = object.getString("name").value_or("").str();
      layer.kind = object.getString("kind").value_or("").str();
      if (const llvm::json::Array *shape = object.getArray("shape"))
        for (const llvm::json::Value &size : *shape) {
          layer.shape.push_back(size.getAsInteger().value_or(0));
          info.elements *= layer.shape.back();
        }
      layer.bits = object.getNumber("bits");
      layer.bytesAfter = object.getInteger("bytes");
      layer.bitsPerWeight = object.getNumber("bits_per_weight");
      StringRef scale = object.getString("scale").value_or("none");
      if (scale != "none" && !scale.empty()) {
        int64_t group = object.getInteger("group_size").value_or(0);
        bool row = group == 0 || (!layer.shape.empty() && group == layer.shape.back());
        layer.format = (row ? "rows" : "g" + std::to_string(group)) + " " + scale.str();
        if (StringRef codebook = object.getString("codebook").value_or(""); !codebook.empty())
          layer.format = codebook.str() + " " + layer.format;
        if (!object.getBoolean("symmetric").value_or(true))
          layer.format += " zero";
      }
      bytes += layer.bytesAfter.value_or(0);
      elements += info.elements;
      layers.push_back(std::move(info));
    }
  side.weightBytes = bytes;
  if (elements > 0)
    side.bitsPerWeight = 8 * double(bytes) / double(elements);
  return layers;
}

llvm::Expected<uint64_t> terse::sumWeightBytes(const std::string &path) {
  CompressionReport::Measured side;
  if (auto layers = readLayers(path, side); !layers)
    return layers.takeError();
  return *side.weightBytes;
}

/// The layer's part of a weight's name: passes say in its end what they did to it.
static StringRef dropEndings(StringRef name) {
  while (name.consume_back(".pruned") || name.consume_back(".scaled") || name.consume_back(".rotated"))
    ;
  name.consume_back(".weight");
  return name;
}

bool terse::isPartOf(StringRef layer, StringRef name) {
  name = dropEndings(name);
  llvm::SmallVector<StringRef> parts;
  layer.split(parts, '+');
  StringRef first = parts.front();
  for (StringRef part : parts) {
    part = dropEndings(part);
    if (part == name)
      return true;
    if (part.data() != first.data() && name.ends_with(part)) {
      StringRef before = name.drop_back(part.size());
      if (first.starts_with(before))
        return true;
    }
  }
  return false;
}

Error terse::fillLayers(CompressionReport &report, const CompileOptions &options, const CompileRecord &record) {
  llvm::Expected<CompressionReport::File> file = describeFile(options.output);
  if (!file)
    return file.takeError();
  report.artifact = *file;
  CompressionReport::Measured &after = report.after.emplace();
  after.name = record.recipe;
  after.artifactBytes = file->bytes;
  llvm::Expected<std::vector<LayerInfo>> layers = readLayers(options.output, after);
  if (!layers)
    return layers.takeError();
  std::vector<std::pair<std::string, double>> errors = getLayerErrors(record);
  for (LayerInfo &info : *layers) {
    // Worst first: that of a merged layer's worst part.
    auto error = llvm::find_if(errors, [&](const auto &entry) { return isPartOf(info.layer.name, entry.first); });
    if (error != errors.end())
      info.layer.relativeError = error->second;
    report.layers.push_back(std::move(info.layer));
  }
  return Error::success();
}

Error terse::fillOriginal(CompressionReport &report, const std::string &path) {
  llvm::Expected<CompressionReport::File> file = describeFile(path);
  if (!file)
    return file.takeError();
  CompressionReport::Measured &before = report.before.emplace();
  before.name = "original";
  llvm::Expected<std::vector<LayerInfo>> layers = readLayers(path, before);
  if (!layers)
    return layers.takeError();
  // One CPU level of code alone: less than what it is compared with.
  before.artifactBytes = file->bytes;
  for (CompressionReport::Layer &layer : report.layers) {
    auto same = llvm::find_if(*layers, [&](const LayerInfo &info) { return info.layer.name == layer.name; });
    if (same != layers->end())
      layer.bytesBefore = same->layer.bytesAfter;
  }
  return Error::success();
}
