//===- Data.cpp - what a model is calibrated with -------------------------===//
#include "Data.h"

#include "terse-c/terse.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"

#include <memory>
#include <random>

using namespace terse;
using llvm::StringRef;

namespace {
/// FILE[:KEY=VALUE,...]; `label` is for messages.
struct Source {
  std::string path, field = "text", format, label;
  double weight = 1;
};

struct CloseTokenizer {
  void operator()(terse_tokenizer *tokenizer) const { terse_tokenizer_close(tokenizer); }
};
using Tokenizer = std::unique_ptr<terse_tokenizer, CloseTokenizer>;
} // namespace

/// `label` says what was given, and for what.
static llvm::Error refuse(StringRef label, const llvm::Twine &why) { return llvm::createStringError(label + ": " + why); }

/// Files of which windows are taken.
struct Request {
  StringRef what;
  const std::vector<std::string> &files;
  int64_t windows;
  /// Fewer will do; they are spread over the files, not taken from their beginnings.
  bool isSample = false;
};

static llvm::Expected<Source> parseSource(StringRef spec, StringRef label) {
  Source source;
  size_t colon = spec.rfind(':');
  bool hasKeys = colon != StringRef::npos && spec.drop_front(colon).contains('=') && !llvm::sys::fs::exists(spec);
  source.path = spec.take_front(hasKeys ? colon : spec.size()).str();
  llvm::SmallVector<StringRef> keys;
  if (hasKeys)
    spec.drop_front(colon + 1).split(keys, ',');
  for (StringRef key : keys) {
    auto [name, value] = key.split('=');
    if (name == "weight") {
      if (value.getAsDouble(source.weight) || !(source.weight > 0) || source.weight > 1e9)
        return refuse(label, "expected a positive weight; got '" + value + "'");
    } else if (name == "field") {
      source.field = value.str();
    } else if (name == "format") {
      source.format = value.str();
    } else {
      return refuse(label, "unknown key '" + name + "' (known: weight, field, format)");
    }
  }
  StringRef path = source.path;
  if (source.format.empty())
    source.format = path.ends_with(".jsonl") ? "jsonl" : path.ends_with(".ids") ? "ids" : path.ends_with(".npz") ? "npz" : "text";
  if (!llvm::is_contained({"text", "jsonl", "ids", "npz"}, source.format))
    return refuse(label, "unknown format '" + source.format + "' (known: text, jsonl, ids, npz)");
  if (llvm::sys::fs::exists(path) && !llvm::sys::fs::is_regular_file(path))
    return refuse(label, "not a regular file");
  return source;
}

static llvm::Error encode(StringRef label, StringRef text, const terse_tokenizer *tokenizer, std::vector<int32_t> &tokens) {
  if (!tokenizer)
    return refuse(label, "expected --tokenizer, as it is a text");
  size_t count = 0, before = tokens.size();
  if (terse_tokenizer_encode(tokenizer, text.data(), text.size(), nullptr, 0, &count) != TERSE_OK)
    return refuse(label, terse_last_error());
  tokens.resize(before + count);
  if (terse_tokenizer_encode(tokenizer, text.data(), text.size(), tokens.data() + before, count, &count) != TERSE_OK)
    return refuse(label, terse_last_error());
  return llvm::Error::success();
}

/// The whole file as one sequence of tokens.
static llvm::Expected<std::vector<int32_t>> readTokens(StringRef label, const Source &source, const terse_tokenizer *tokenizer) {
  auto buffer = llvm::MemoryBuffer::getFile(source.path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return refuse(label, buffer.getError().message());
  StringRef text = (*buffer)->getBuffer();
  std::vector<int32_t> tokens;
  if (source.format == "text") {
    if (llvm::Error error = encode(label, text, tokenizer, tokens))
      return error;
    return tokens;
  }
  size_t line = 0;
  while (!text.empty()) {
    StringRef row;
    std::tie(row, text) = text.split('\n');
    ++line;
    row = row.trim();
    if (row.empty())
      continue;
    if (source.format == "ids") {
      llvm::SmallVector<StringRef> words;
      llvm::SplitString(row, words, ", \t");
      for (StringRef word : words) {
        int32_t id;
        if (word.getAsInteger(10, id) || id < 0)
          return refuse(label, "line " + llvm::Twine(line) + ": expected token ids; got '" + word.take_front(40) + "'");
        tokens.push_back(id);
      }
      continue;
    }
    llvm::Expected<llvm::json::Value> value = llvm::json::parse(row);
    if (!value)
      return refuse(label, "line " + llvm::Twine(line) + ": " + llvm::toString(value.takeError()));
    const llvm::json::Object *object = value->getAsObject();
    std::optional<StringRef> field = object ? object->getString(source.field) : std::nullopt;
    if (!field)
      return refuse(label, "line " + llvm::Twine(line) + ": expected an object with a text '" + source.field + "'");
    if (llvm::Error error = encode(label, *field, tokenizer, tokens))
      return error;
  }
  return tokens;
}

namespace {
/// Reads windows or samples, each file's share of them.
class Reader {
public:
  Reader(const CalibrationOptions &options, const Request &request, llvm::ArrayRef<ModelInput> inputs)
      : options(options), request(request), inputs(inputs) {}

  llvm::Expected<CalibrationData> read() {
    if (options.window < 1 || options.windows < 1 || options.window > 1 << 20 || options.windows > 1 << 24)
      return llvm::createStringError("calibration: expected windows of 1 to 1048576 tokens, and 1 to 16777216 of them");
    if (llvm::Error error = open())
      return std::move(error);
    double share = 0;
    int64_t wantedSoFar = 0;
    for (const Source &source : sources) {
      data.name += (data.name.empty() ? "" : ", ") + llvm::sys::path::filename(source.path).str();
      // Shares are rounded so that they add up.
      share += source.weight / weights;
      int64_t wanted = static_cast<int64_t>(share * request.windows + 0.5) - wantedSoFar;
      wantedSoFar += wanted;
      if (llvm::Error error = data.samples ? addSamples(source, wanted) : addWindows(source, wanted))
        return std::move(error);
    }
    std::array<uint8_t, 32> digest = hash.final();
    data.sha256 = llvm::toHex(digest, /*LowerCase=*/true);
    return std::move(data);
  }

private:
  llvm::Error open() {
    for (StringRef spec : request.files) {
      std::string label = (request.what + " '" + spec + "'").str();
      llvm::Expected<Source> source = parseSource(spec, label);
      if (!source)
        return source.takeError();
      source->label = label;
      weights += source->weight;
      sources.push_back(std::move(*source));
    }
    for (const Source &source : sources)
      if ((source.format == "npz") != (sources.front().format == "npz"))
        return refuse(source.label, "expected arrays in all files or in none; '" + sources.front().path + "' has " +
                                        (sources.front().format == "npz" ? "some" : "none"));
    if (sources.front().format == "npz") {
      data.samples = std::make_shared<Samples>(inputs);
      return llvm::Error::success();
    }
    if (options.tokenizer.empty())
      return llvm::Error::success();
    terse_tokenizer *opened = nullptr;
    if (terse_tokenizer_open(options.tokenizer.c_str(), &opened) != TERSE_OK)
      return llvm::createStringError("cannot read the tokenizer '" + options.tokenizer + "': " + terse_last_error());
    tokenizer.reset(opened);
    return llvm::Error::success();
  }

  llvm::Error addWindows(const Source &source, int64_t wanted) {
    llvm::Expected<std::vector<int32_t>> tokens = readTokens(source.label, source, tokenizer.get());
    if (!tokens)
      return tokens.takeError();
    int64_t length = tokens->size(), fitting = length / options.window;
    if (fitting == 0)
      return refuse(source.label, "expected at least a window of " + llvm::Twine(options.window) + " tokens; got " + llvm::Twine(length));
    if (request.isSample)
      wanted = std::min(wanted, fitting);
    else if (!options.seed && fitting < wanted)
      return refuse(source.label, "expected " + llvm::Twine(wanted) + " windows of " + llvm::Twine(options.window) + " tokens; it has " +
                                      llvm::Twine(fitting) + " (fewer --calib-windows, or --calib-seed to draw them)");
    std::mt19937_64 random(options.seed.value_or(0));
    for (int64_t i = 0; i < wanted; ++i) {
      int64_t begin = request.isSample ? i * fitting / wanted * options.window
                      : options.seed   ? static_cast<int64_t>(random() % (length - options.window + 1))
                                       : i * options.window;
      auto first = tokens->begin() + begin;
      data.windows.emplace_back(first, first + options.window);
      hash.update(llvm::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(&*first), options.window * sizeof(int32_t)));
    }
    return llvm::Error::success();
  }

  llvm::Error addSamples(const Source &source, int64_t wanted) {
    // What has to be unpacked lies beside the folder, on a disk that has room for such things.
    StringRef parent = llvm::sys::path::parent_path(options.folder);
    SampleChoice choice;
    choice.wanted = wanted;
    choice.seed = request.isSample ? std::nullopt : options.seed;
    choice.isSpread = request.isSample;
    return data.samples->add(source.label, source.path, parent.empty() ? "." : parent, choice, hash);
  }

  const CalibrationOptions &options;
  const Request &request;
  llvm::ArrayRef<ModelInput> inputs;
  std::vector<Source> sources;
  double weights = 0;
  Tokenizer tokenizer;
  CalibrationData data;
  llvm::SHA256 hash;
};
} // namespace

llvm::Expected<CalibrationData> terse::readCalibrationData(const CalibrationOptions &options, llvm::ArrayRef<ModelInput> inputs) {
  return Reader(options, {"calibration data", options.data, options.windows}, inputs).read();
}

llvm::Expected<CalibrationData> terse::readTraffic(const CalibrationOptions &options, llvm::ArrayRef<ModelInput> inputs) {
  Request request{"traffic", options.traffic, std::min(options.windows, kTrafficWindows), /*isSample=*/true};
  return Reader(options, request, inputs).read();
}

llvm::Expected<CalibrationSizes> terse::findCalibrationSizes(const CalibrationOptions &options, llvm::ArrayRef<ModelInput> inputs) {
  CalibrationSizes sizes;
  sizes.symbols["past"] = 0;
  StringRef spec = options.data.front();
  std::string label = ("calibration data '" + spec + "'").str();
  llvm::Expected<Source> source = parseSource(spec, label);
  if (!source)
    return source.takeError();
  if (source->format == "npz") {
    llvm::Expected<int64_t> atOnce = Samples::findSizes(label, source->path, inputs, sizes.symbols);
    if (!atOnce)
      return atOnce.takeError();
    sizes.numParts = llvm::divideCeil(options.windows, *atOnce);
    return std::move(sizes);
  }
  auto ids = llvm::find_if(inputs, [](const ModelInput &input) { return input.name == "input_ids"; });
  int64_t batch = getWindowsAtOnce(options.window);
  if (ids != inputs.end() && ids->dims.size() == 2) {
    StringRef(ids->dims[0]).getAsInteger(10, batch);
    sizes.symbols[ids->dims[0]] = batch;
    sizes.symbols[ids->dims[1]] = options.window;
  }
  sizes.numParts = llvm::divideCeil(options.windows, std::max<int64_t>(batch, 1));
  return std::move(sizes);
}
