//===- DescribeStatistics.cpp - what lies in a file of statistics ---------===//
#include "terse-c/compiler.h"

#include "terse/Statistics/Statistics.h"
#include "terse/Target/Artifact.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

#include <algorithm>
#include <cmath>
#include <set>

using namespace terse;
using llvm::StringRef;

static constexpr double kOutlierRatio = 10;

namespace {
bool isFinite(const TapStatistics &tap) {
  return llvm::all_of(llvm::ArrayRef<llvm::ArrayRef<float>>{tap.absMax, tap.absMean, tap.mean}, [](llvm::ArrayRef<float> values) {
    return llvm::all_of(values, [](float value) { return std::isfinite(value); });
  });
}

/// One row.
llvm::json::Object describe(const TapStatistics &tap) {
  llvm::json::Object row{{"name", llvm::json::fixUTF8(tap.name)}, {"tokens", tap.count}, {"channels", tap.size}};
  if (!tap.absMax.empty()) {
    std::vector<float> sorted(tap.absMax.begin(), tap.absMax.end());
    llvm::sort(sorted);
    double median = (double(sorted[(sorted.size() - 1) / 2]) + sorted[sorted.size() / 2]) / 2;
    row["abs_max"] = sorted.back();
    if (median > 0)
      row["ratio"] = sorted.back() / median;
    llvm::json::Array outliers;
    for (auto [channel, value] : llvm::enumerate(tap.absMax))
      if (value > kOutlierRatio * median)
        outliers.push_back(int64_t(channel));
    row["outlier_channels"] = std::move(outliers);
  }
  if (!tap.absMean.empty()) {
    double sum = 0;
    for (float value : tap.absMean)
      sum += value;
    row["abs_mean"] = sum / tap.absMean.size();
  }
  row["histogram"] = !tap.histogram.empty();
  row["second_moment"] = !tap.secondMoment.empty();
  return row;
}

llvm::Expected<llvm::json::Object> describe(const std::string &path) {
  if (llvm::sys::fs::exists(path) && !llvm::sys::fs::is_regular_file(path))
    return llvm::createStringError("cannot open '" + path + "': not a regular file");
  llvm::Expected<Statistics> statistics = Statistics::open(path);
  if (!statistics)
    return statistics.takeError();
  std::map<std::string, std::set<std::string>> layersOf;
  for (const auto &layer : statistics->getLayers())
    layersOf[layer.second].insert(layer.first().str());
  llvm::json::Array taps;
  std::vector<TapStatistics> readable = statistics->getTaps();
  for (const SafetensorsEntry &entry : statistics->getFile().getEntries()) {
    StringRef name = entry.name;
    if (!name.consume_back("/count"))
      continue;
    auto fail = [&](const llvm::Twine &why) {
      return llvm::createStringError("cannot use the statistics '" + path + "': " + why + " at the tap '" + name + "'");
    };
    auto tap = llvm::find_if(readable, [&](const TapStatistics &tap) { return tap.name == name; });
    if (tap == readable.end())
      return fail("unexpected types or shapes");
    if (!isFinite(*tap))
      return fail("expected finite numbers");
    llvm::json::Object row = describe(*tap);
    llvm::json::Array layers;
    for (const std::string &layer : layersOf[name.str()])
      layers.push_back(llvm::json::fixUTF8(layer));
    row["layers"] = std::move(layers);
    taps.push_back(std::move(row));
  }
  llvm::Expected<std::string> hash = hashFile(path);
  if (!hash)
    return hash.takeError();
  uint64_t bytes = 0;
  (void)llvm::sys::fs::file_size(path, bytes);
  llvm::json::Object root{{"file", llvm::json::fixUTF8(path)}, {"bytes", int64_t(bytes)}, {"sha256", *hash}, {"taps", std::move(taps)}};
  llvm::json::Object similarity;
  for (const char *kind : {"block", "sublayer"})
    for (const auto &span : statistics->getSimilarities(kind)) {
      llvm::json::Value &spans = similarity.try_emplace(kind, llvm::json::Object()).first->second;
      (*spans.getAsObject())[llvm::json::fixUTF8(span.first())] = span.second;
    }
  if (!similarity.empty())
    root["similarity"] = std::move(similarity);
  const auto &metadata = statistics->getFile().getMetadata();
  if (auto source = metadata.find("source_sha256"); source != metadata.end())
    root["source_sha256"] = llvm::json::fixUTF8(source->second);
  if (auto data = metadata.find("data"); data != metadata.end()) {
    llvm::Expected<llvm::json::Value> value = llvm::json::parse(data->second);
    if (!value)
      return llvm::createStringError("cannot use the statistics '" + path + "': malformed 'data': " + llvm::toString(value.takeError()));
    root["data"] = std::move(*value);
  }
  return root;
}
} // namespace

terse_compile_status terse_describe_statistics(const char *path, terse_description_fn emit, void *user) {
  llvm::Expected<llvm::json::Object> root = describe(path);
  std::string text = root ? llvm::formatv("{0}", llvm::json::Value(std::move(*root))).str() : llvm::toString(root.takeError());
  emit(user, text.data(), text.size());
  return root ? TERSE_COMPILED : TERSE_COMPILE_FAILED;
}
