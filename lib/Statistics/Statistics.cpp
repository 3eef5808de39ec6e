//===- Statistics.cpp - what calibration saw of activations ---------------===//
#include "terse/Statistics/Statistics.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace terse;

template <typename T> static llvm::ArrayRef<char> asBytes(llvm::ArrayRef<T> values) {
  return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)};
}

void TapStatistics::list(std::vector<SafetensorsEntry> &entries, std::vector<llvm::ArrayRef<char>> &data) const {
  auto add = [&](llvm::StringRef what, llvm::StringRef dtype, std::vector<int64_t> shape, auto values) {
    if (values.empty())
      return;
    entries.push_back({name + "/" + what.str(), dtype.str(), std::move(shape)});
    data.push_back(asBytes(values));
  };
  add("count", "I64", {1}, llvm::ArrayRef<int64_t>(count));
  add("abs_max", "F32", {size}, absMax);
  add("abs_mean", "F32", {size}, absMean);
  add("mean", "F32", {size}, mean);
  add("histogram", "I64", {kHistogramBins}, llvm::ArrayRef<int64_t>(histogram));
  if (!histogram.empty())
    add("limit", "F32", {1}, llvm::ArrayRef<float>(limit));
  add("second_moment", "F32", {size, size}, secondMoment);
}

llvm::Expected<Statistics> Statistics::open(llvm::StringRef path) {
  llvm::Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file)
    return file.takeError();
  Statistics statistics(std::move(*file));
  auto fail = [&](const llvm::Twine &why) { return llvm::createStringError("cannot use the statistics '" + path + "': " + why); };
  const auto &metadata = statistics.file.getMetadata();
  auto get = [&](const char *key) {
    auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  if (get("format") != "terse-statistics" || get("version") != "1")
    return fail("expected the format 'terse-statistics' of version 1 in its metadata");
  llvm::Expected<llvm::json::Value> layers = llvm::json::parse(get("layers"));
  if (!layers)
    return fail("malformed 'layers': " + llvm::toString(layers.takeError()));
  const llvm::json::Object *object = layers->getAsObject();
  if (!object)
    return fail("malformed 'layers': expected an object");
  for (auto &[layer, tap] : *object) {
    TapStatistics read;
    if (!tap.getAsString())
      return fail("malformed 'layers': expected names");
    if (llvm::Error error = statistics.readTap(*tap.getAsString(), read))
      return fail(llvm::toString(std::move(error)));
    statistics.layers[llvm::StringRef(layer)] = tap.getAsString()->str();
  }
  if (llvm::Error error = statistics.readSimilarities(get(kSimilarityMetadata)))
    return fail(llvm::toString(std::move(error)));
  return statistics;
}

llvm::Error Statistics::readSimilarities(llvm::StringRef text) {
  if (text.empty())
    return llvm::Error::success();
  auto fail = [](const llvm::Twine &why) { return llvm::createStringError("malformed '" + llvm::Twine(kSimilarityMetadata) + "': " + why); };
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(text);
  if (!value)
    return fail(llvm::toString(value.takeError()));
  const llvm::json::Object *kinds = value->getAsObject();
  if (!kinds)
    return fail("expected an object");
  for (auto &[kind, spans] : *kinds) {
    const llvm::json::Object *object = spans.getAsObject();
    if (!object)
      return fail("expected an object of '" + kind.str() + "'");
    for (auto &[name, cosine] : *object) {
      std::optional<double> number = cosine.getAsNumber();
      // Sums of cosines may exceed what one can be by their rounding.
      if (!number || !(std::fabs(*number) <= 1 + 1e-6))
        return fail("expected a cosine of '" + name.str() + "'");
      similarities[llvm::StringRef(kind)][llvm::StringRef(name)] = *number;
    }
  }
  return llvm::Error::success();
}

const llvm::StringMap<double> &Statistics::getSimilarities(llvm::StringRef kind) const {
  static const llvm::StringMap<double> none;
  auto found = similarities.find(kind);
  return found == similarities.end() ? none : found->second;
}

llvm::Error Statistics::readTap(llvm::StringRef name, TapStatistics &tap) const {
  tap = {};
  tap.name = name.str();
  llvm::Error error = llvm::Error::success();
  auto read = [&](llvm::StringRef what, llvm::StringRef dtype, unsigned rank) -> llvm::ArrayRef<char> {
    const SafetensorsEntry *entry = file.find((name + "/" + what).str());
    if (!entry || error)
      return {};
    // [K] and [K, K] agree on K.
    bool isOfChannels = dtype == "F32" && what != "limit";
    bool fits = entry->dtype == dtype && entry->shape.size() == rank && (rank < 2 || entry->shape[0] == entry->shape[1]);
    if (fits && isOfChannels) {
      fits = tap.size == 0 || tap.size == entry->shape[0];
      tap.size = entry->shape[0];
    }
    if (!fits) {
      llvm::consumeError(std::move(error));
      error = llvm::createStringError("unexpected type or shape of '" + entry->name + "'");
      return {};
    }
    return file.getData(*entry);
  };
  // Floats are read in place; eight bytes need not be aligned in the file.
  auto readFloats = [&](llvm::StringRef what, unsigned rank) {
    llvm::ArrayRef<char> bytes = read(what, "F32", rank);
    if (!error && reinterpret_cast<uintptr_t>(bytes.data()) % alignof(float) != 0)
      error = llvm::createStringError("expected '" + name + "/" + what + "' at a multiple of four bytes");
    return llvm::ArrayRef<float>(reinterpret_cast<const float *>(bytes.data()), bytes.size() / sizeof(float));
  };
  auto readNumbers = [&](llvm::StringRef what) {
    llvm::ArrayRef<char> bytes = read(what, "I64", 1);
    std::vector<int64_t> numbers(bytes.size() / sizeof(int64_t));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char *>(numbers.data()));
    return numbers;
  };
  std::vector<int64_t> count = readNumbers("count");
  tap.absMax = readFloats("abs_max", 1);
  tap.absMean = readFloats("abs_mean", 1);
  tap.mean = readFloats("mean", 1);
  tap.histogram = readNumbers("histogram");
  llvm::ArrayRef<float> limit = readFloats("limit", 1);
  tap.secondMoment = readFloats("second_moment", 2);
  if (error)
    return error;
  if (count.size() != 1 || count[0] <= 0)
    return llvm::createStringError("expected a number of tokens '" + name + "/count'");
  tap.count = count[0];
  if (!tap.histogram.empty()) {
    if (static_cast<int64_t>(tap.histogram.size()) != kHistogramBins || limit.size() != 1 || !(limit[0] > 0) || !std::isfinite(limit[0]))
      return llvm::createStringError("expected " + llvm::Twine(kHistogramBins) + " bins and a limit of '" + name + "/histogram'");
    tap.limit = limit[0];
  }
  return llvm::Error::success();
}

llvm::Expected<TapStatistics> Statistics::find(llvm::StringRef layer, int64_t size) const {
  auto fail = [&](const llvm::Twine &why) {
    return llvm::createStringError("the statistics '" + file.getPath() + "' " + why + " the input of the layer '" + layer + "'");
  };
  auto found = layers.find(layer);
  if (found == layers.end())
    return fail("have nothing of");
  TapStatistics tap;
  if (llvm::Error error = readTap(found->second, tap))
    return error;
  if (tap.size != size)
    return fail("have " + llvm::Twine(tap.size) + " instead of " + llvm::Twine(size) + " channels of");
  return tap;
}

std::vector<TapStatistics> Statistics::getTaps() const {
  std::vector<TapStatistics> taps;
  for (const SafetensorsEntry &entry : file.getEntries()) {
    llvm::StringRef name = entry.name;
    if (!name.consume_back("/count"))
      continue;
    TapStatistics tap;
    if (llvm::Error error = readTap(name, tap))
      llvm::consumeError(std::move(error)); // no layer's
    else
      taps.push_back(std::move(tap));
  }
  return taps;
}

std::map<std::string, std::string> terse::makeStatisticsMetadata(const llvm::StringMap<std::string> &layers,
                                                                 std::map<std::string, std::string> more) {
  llvm::json::Object object;
  for (auto &entry : layers)
    object[entry.first()] = entry.second;
  more["format"] = "terse-statistics";
  more["version"] = "1";
  llvm::raw_string_ostream(more["layers"]) << llvm::json::Value(std::move(object));
  return more;
}
