//===- Calibrate.cpp - the loop over a model's blocks ---------------------===//
#include "terse/Calibrate/Calibrate.h"

#include "Context.h"
#include "Spans.h"
#include "Taps.h"

#include "Terse/LayerAttributes.h"
#include "Terse/TerseDialect.h"
#include "terse/Analysis/Blocks.h"
#include "terse/Analysis/ModelInputs.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Threading.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"

using namespace mlir;
using namespace terse;
namespace fs = llvm::sys::fs;
namespace json = llvm::json;

namespace {
class Calibration {
public:
  Calibration(ModuleOp module, const CalibrationOptions &options, const CalibrationHost &host)
      : module(module), options(options), host(host), folder(options.folder), context{module, options, host, folder} {}

  llvm::Expected<CalibrationRecord> run() {
    if (llvm::Error error = readData())
      return std::move(error);
    llvm::Expected<bool> goesOn = folder.open(makeKey());
    if (!goesOn)
      return goesOn.takeError();
    if (*goesOn)
      host.say("calibration goes on with what '" + options.folder + "' has");
    if (host.measuresSpans) {
      llvm::Expected<json::Object> measured = measureSpans(context, streams.front(), describeData());
      if (!measured)
        return measured.takeError();
      similarity = std::move(*measured);
    }
    if (llvm::Error error = host.prepare(module))
      return std::move(error);
    numBlocks = findBlocks(getEntry()).size();
    for (size_t i = 0; i < numBlocks; ++i)
      if (llvm::Error error = runBlock(i))
        return std::move(error);
    if (record.traffic)
      if (llvm::Error error = compareTaps())
        return std::move(error);
    if (!options.statistics.empty())
      if (llvm::Error error = joinStatistics())
        return std::move(error);
    module->removeAttr(kStatisticsAttr);
    if (!options.keepFolder)
      folder.remove();
    return std::move(record);
  }

private:
  func::FuncOp getEntry() { return module.lookupSymbol<func::FuncOp>(TerseDialect::kEntryName); }

  void warn(std::string text) {
    if (text.empty())
      return;
    host.warn(text);
    record.warnings.push_back(std::move(text));
  }

  llvm::Error readData() {
    std::vector<ModelInput> inputs = getModelInputs(getEntry());
    llvm::Expected<CalibrationData> data = readCalibrationData(options, inputs);
    if (!data)
      return data.takeError();
    record.calibration = {data->name, data->sha256, data->windows};
    streams.push_back({std::move(*data), ""});
    if (options.traffic.empty())
      return llvm::Error::success();
    llvm::Expected<CalibrationData> traffic = readTraffic(options, inputs);
    if (!traffic)
      return traffic.takeError();
    record.traffic = {traffic->name, traffic->sha256, traffic->windows};
    streams.push_back({std::move(*traffic), ".traffic"});
    if (streams[0].data.windows.empty() != streams[1].data.windows.empty())
      return llvm::createStringError("expected --traffic to be text or arrays as --calib is; got '" + record.traffic->name + "' and '" +
                                     record.calibration.name + "'");
    if (streams[0].data.samples)
      return llvm::Error::success();
    record.tokens = compareTokens(record.calibration.windows, record.traffic->windows);
    warn(describeMisfit(*record.tokens));
    return llvm::Error::success();
  }

  /// What the work depends on.
  std::string makeKey() {
    std::string text;
    llvm::raw_string_ostream stream(text);
    module->print(stream);
    llvm::SHA256 hash;
    hash.update(text);
    std::array<uint8_t, 32> digest = hash.final();
    json::Object key{{"module", llvm::toHex(digest, /*LowerCase=*/true)},
                     {"recipe", host.recipe},
                     {"data", streams.front().data.sha256},
                     {"from_original", options.fromOriginal}};
    if (record.traffic)
      key["traffic"] = record.traffic->sha256;
    return llvm::formatv("{0:2}\n", json::Value(std::move(key))).str();
  }

  bool isMeasured(size_t index) const {
    return llvm::all_of(streams, [&](const CalibrationStream &stream) { return fs::exists(folder.getStatisticsPath(index, stream.suffix)); });
  }
  bool hasOutput(size_t index) const {
    return llvm::all_of(streams, [&](const CalibrationStream &stream) { return fs::exists(folder.getOutputPath(index, stream.suffix)); });
  }
  /// Whether a block after this one is still to be run on what this one gives.
  bool needsOutput(size_t index) const {
    if (index + 1 >= numBlocks)
      return false;
    return !isMeasured(index + 1) || (needsOutput(index + 1) && !hasOutput(index + 1));
  }

  llvm::Error runBlock(size_t index) {
    std::vector<ModelBlock> blocks = findBlocks(getEntry());
    if (blocks.size() != numBlocks)
      return llvm::createStringError("a pass of the compress stage changed where the model's blocks begin: there were " +
                                     llvm::Twine(numBlocks) + ", now " + llvm::Twine(blocks.size()));
    std::string name = llvm::formatv("block {0} of {1}", index + 1, numBlocks).str();
    bool givesOutput = needsOutput(index) && !hasOutput(index);
    bool runsOriginal = options.fromOriginal && givesOutput;
    if (!isMeasured(index) || runsOriginal)
      if (llvm::Error error = measure(index, name, runsOriginal))
        return error;
    if (llvm::Error error = compress(index, blocks[index], name))
      return error;
    if (givesOutput && !options.fromOriginal)
      if (llvm::Error error = advance(index, name))
        return error;
    // The next block's input is there.
    if (index)
      for (const CalibrationStream &stream : streams)
        (void)fs::remove(folder.getOutputPath(index - 1, stream.suffix));
    return llvm::Error::success();
  }

  std::string getInput(const CalibrationStream &stream, size_t index) const { return index ? folder.getOutputPath(index - 1, stream.suffix) : ""; }

  llvm::Error measure(size_t index, const std::string &name, bool givesOutput) {
    if (llvm::Error error = context.compile(index, 1, TapsAt::Layers))
      return error;
    auto parallel = [&](int64_t count, llvm::function_ref<void(int64_t)> work) {
      parallelFor(module.getContext(), 0, count, [&](size_t i) { work(i); });
    };
    for (const CalibrationStream &stream : streams) {
      bool isTraffic = !stream.suffix.empty();
      Taps taps(/*hasSecondMoments=*/!isTraffic, parallel);
      auto read = [&](size_t i, const terse_tensor &output) { return taps.read(i, output); };
      if (llvm::Error error = context.run(stream, name + (isTraffic ? ": measure traffic" : ": measure"), getInput(stream, index),
                                          givesOutput ? folder.getOutputPath(index, stream.suffix) : "", read))
        return error;
      std::vector<SafetensorsEntry> entries;
      std::vector<llvm::ArrayRef<char>> contents;
      std::vector<TapStatistics> finished = taps.finish();
      for (TapStatistics &tap : finished)
        tap.list(entries, contents);
      llvm::Expected<llvm::StringMap<std::string>> layers = findLayers(finished);
      if (!layers)
        return layers.takeError();
      if (llvm::Error error = writeStatistics(folder.getStatisticsPath(index, stream.suffix), *layers, describeData(), entries, contents))
        return error;
    }
    return llvm::Error::success();
  }

  /// Which layers read what taps named.
  llvm::Expected<llvm::StringMap<std::string>> findLayers(llvm::ArrayRef<TapStatistics> taps) {
    OwningOpRef<ModuleOp> copy = module.clone();
    PassManager manager(module.getContext(), ModuleOp::getOperationName());
    manager.addPass(createInsertTaps());
    if (failed(manager.run(*copy)))
      return llvm::createStringError("calibration: the model could not be tapped");
    llvm::DenseSet<StringRef> known;
    for (const TapStatistics &tap : taps)
      known.insert(tap.name);
    llvm::StringMap<std::string> layers;
    copy->walk([&](LinearLike layer) {
      if (auto tap = layer.getInputOperand().get().getDefiningOp<TapOp>(); tap && known.contains(tap.getName()))
        layers[getNameOfLayer(layer)] = tap.getName().str();
    });
    return layers;
  }

  std::map<std::string, std::string> describeData() {
    std::map<std::string, std::string> more;
    if (auto source = module->getAttrOfType<StringAttr>("terse.source_sha256"))
      more["source_sha256"] = source.str();
    if (auto rotation = module->getAttrOfType<StringAttr>(kRotationAttr))
      more["rotation"] = rotation.str();
    const CalibrationData &data = streams.front().data;
    json::Object described{{"sha256", data.sha256}, {"inputs", options.fromOriginal ? "original" : "compressed"}};
    described[data.samples ? "samples" : "windows"] = data.size();
    if (!data.samples)
      described["window"] = options.window;
    llvm::raw_string_ostream(more["data"]) << json::Value(std::move(described));
    return more;
  }

  /// Runs the compress stage with all layers but the block's frozen.
  llvm::Error compress(size_t index, const ModelBlock &block, const std::string &name) {
    host.say(name + ": compress");
    Builder builder(module.getContext());
    DenseSet<Operation *> own;
    for (LinearLike layer : block.layers)
      own.insert(layer);
    module->walk([&](LinearLike layer) {
      if (!own.contains(layer))
        layer->setAttr(kFrozenAttr, builder.getUnitAttr());
    });
    module->setAttr(kStatisticsAttr, builder.getStringAttr(folder.getStatisticsPath(index, "")));
    llvm::Error error = host.compress(module);
    module->walk([&](Operation *op) { op->removeAttr(kFrozenAttr); });
    return error;
  }

  llvm::Error advance(size_t index, const std::string &name) {
    if (llvm::Error error = context.compile(index, 1, TapsAt::None))
      return error;
    for (const CalibrationStream &stream : streams)
      if (llvm::Error error = context.run(stream, name + ": run", getInput(stream, index), folder.getOutputPath(index, stream.suffix),
                                          [](size_t, const terse_tensor &) { return llvm::Error::success(); }))
        return error;
    return llvm::Error::success();
  }

  llvm::Error compareTaps() {
    for (size_t i = 0; i < numBlocks; ++i) {
      llvm::Expected<Statistics> calibration = Statistics::open(folder.getStatisticsPath(i, streams[0].suffix));
      if (!calibration)
        return calibration.takeError();
      llvm::Expected<Statistics> traffic = Statistics::open(folder.getStatisticsPath(i, streams[1].suffix));
      if (!traffic)
        return traffic.takeError();
      for (auto [first, second] : llvm::zip_equal(calibration->getTaps(), traffic->getTaps()))
        record.ranges.push_back(compareRanges(first, second));
    }
    warn(describeMisfit(record.ranges));
    return llvm::Error::success();
  }

  /// All blocks' statistics in one file.
  llvm::Error joinStatistics() {
    std::vector<SafetensorsEntry> entries;
    std::vector<llvm::ArrayRef<char>> contents;
    std::vector<Statistics> files;
    llvm::StringMap<std::string> layers;
    for (size_t i = 0; i < numBlocks; ++i) {
      llvm::Expected<Statistics> file = Statistics::open(folder.getStatisticsPath(i, ""));
      if (!file)
        return file.takeError();
      files.push_back(std::move(*file));
    }
    for (Statistics &file : files) {
      for (const SafetensorsEntry &entry : file.getFile().getEntries()) {
        entries.push_back(entry);
        contents.push_back(file.getFile().getData(entry));
      }
      for (auto &layer : file.getLayers())
        layers[layer.first()] = layer.second;
    }
    std::map<std::string, std::string> described = describeData();
    if (similarity)
      described[kSimilarityMetadata] = llvm::formatv("{0}", json::Value(std::move(*similarity)));
    return writeStatistics(options.statistics, layers, std::move(described), entries, contents);
  }

  ModuleOp module;
  const CalibrationOptions &options;
  const CalibrationHost &host;
  CalibrationFolder folder;
  CalibrationContext context;
  std::optional<json::Object> similarity; ///< of what spans of blocks take and give, where it was measured
  std::vector<CalibrationStream> streams; ///< calibration and, where it is known, traffic
  CalibrationRecord record;
  size_t numBlocks = 0;
};
} // namespace

llvm::Expected<CalibrationRecord> terse::calibrate(ModuleOp module, const CalibrationOptions &options, const CalibrationHost &host) {
  return Calibration(module, options, host).run();
}
