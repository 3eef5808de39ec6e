//===- Calibrate.cpp - the loop over a model's blocks ---------------------===//
#include "terse/Calibrate/Calibrate.h"

#include "BlockRun.h"
#include "Data.h"
#include "Folder.h"

#include "Terse/LayerAttributes.h"
#include "Terse/TerseDialect.h"
#include "terse/Analysis/Blocks.h"
#include "terse/Analysis/ModelInputs.h"
#include "terse/Passes.h"
#include "terse/Statistics/Statistics.h"
#include "terse/Support/TemporaryFile.h"

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
/// Data that runs through the blocks.
struct Stream {
  CalibrationData data;
  llvm::StringRef suffix; ///< of its files in the folder
  bool hasSecondMoments;
};

class Calibration {
public:
  Calibration(ModuleOp module, const CalibrationOptions &options, const CalibrationHost &host)
      : module(module), options(options), host(host), folder(options.folder) {}

  llvm::Expected<CalibrationRecord> run() {
    if (llvm::Error error = readData())
      return std::move(error);
    llvm::Expected<bool> goesOn = folder.open(makeKey());
    if (!goesOn)
      return goesOn.takeError();
    if (*goesOn)
      host.say("calibration goes on with what '" + options.folder + "' has");
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
    streams.push_back({std::move(*data), "", /*hasSecondMoments=*/true});
    if (options.traffic.empty())
      return llvm::Error::success();
    llvm::Expected<CalibrationData> traffic = readTraffic(options, inputs);
    if (!traffic)
      return traffic.takeError();
    record.traffic = {traffic->name, traffic->sha256, traffic->windows};
    streams.push_back({std::move(*traffic), ".traffic", /*hasSecondMoments=*/false});
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
    return llvm::all_of(streams, [&](const Stream &stream) { return fs::exists(folder.getStatisticsPath(index, stream.suffix)); });
  }
  bool hasOutput(size_t index) const {
    return llvm::all_of(streams, [&](const Stream &stream) { return fs::exists(folder.getOutputPath(index, stream.suffix)); });
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
      for (const Stream &stream : streams)
        (void)fs::remove(folder.getOutputPath(index - 1, stream.suffix));
    return llvm::Error::success();
  }

  /// A copy of the module that is only this block, compiled.
  llvm::Error compileBlock(size_t index, bool withTaps, const std::string &path) {
    OwningOpRef<ModuleOp> block = module.clone();
    PassManager manager(module.getContext(), ModuleOp::getOperationName());
    if (withTaps)
      manager.addPass(createInsertTaps());
    ExtractBlockOptions extract;
    extract.index = index;
    manager.addPass(createExtractBlock(extract));
    if (failed(manager.run(*block)))
      return llvm::createStringError("calibration: the model could not be cut into blocks");
    return host.compile(*block, path);
  }

  llvm::Error runArtifact(const Stream &stream, size_t index, const std::string &what, bool givesOutput, Accumulators &taps) {
    auto parallel = [&](int64_t count, llvm::function_ref<void(int64_t)> work) {
      parallelFor(module.getContext(), 0, count, [&](size_t i) { work(i); });
    };
    BlockRun run;
    run.artifact = folder.getPath("block.so");
    run.data = &stream.data;
    run.threads = options.threads;
    if (index)
      run.input = folder.getOutputPath(index - 1, stream.suffix);
    if (givesOutput)
      run.output = folder.getOutputPath(index, stream.suffix);
    run.hasSecondMoments = stream.hasSecondMoments;
    int shown = -1;
    return terse::runBlock(run, taps, parallel, [&](double share) {
      if (int quarter = static_cast<int>(share * 4); quarter != shown) {
        shown = quarter;
        host.say(llvm::formatv("{0}, {1:P0}", what, share).str());
      }
      return host.checkCancelled();
    });
  }

  llvm::Error measure(size_t index, const std::string &name, bool givesOutput) {
    if (llvm::Error error = compileBlock(index, /*withTaps=*/true, folder.getPath("block.so")))
      return error;
    for (const Stream &stream : streams) {
      Accumulators taps;
      if (llvm::Error error =
              runArtifact(stream, index, name + (stream.suffix.empty() ? ": measure" : ": measure traffic"), givesOutput, taps))
        return error;
      std::vector<SafetensorsEntry> entries;
      std::vector<llvm::ArrayRef<char>> contents;
      std::vector<TapStatistics> finished;
      finished.reserve(taps.size());
      for (auto &tap : taps)
        finished.push_back(tap->finish());
      for (TapStatistics &tap : finished)
        tap.list(entries, contents);
      llvm::Expected<llvm::StringMap<std::string>> layers = findLayers(taps);
      if (!layers)
        return layers.takeError();
      if (llvm::Error error = write(folder.getStatisticsPath(index, stream.suffix), *layers, entries, contents))
        return error;
    }
    return llvm::Error::success();
  }

  /// Which layers read what taps named.
  llvm::Expected<llvm::StringMap<std::string>> findLayers(const Accumulators &taps) {
    OwningOpRef<ModuleOp> copy = module.clone();
    PassManager manager(module.getContext(), ModuleOp::getOperationName());
    manager.addPass(createInsertTaps());
    if (failed(manager.run(*copy)))
      return llvm::createStringError("calibration: the model could not be tapped");
    llvm::DenseSet<StringRef> known;
    for (auto &tap : taps)
      known.insert(tap->getName());
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

  llvm::Error write(const std::string &path, const llvm::StringMap<std::string> &layers, llvm::ArrayRef<SafetensorsEntry> entries,
                    llvm::ArrayRef<llvm::ArrayRef<char>> contents) {
    llvm::Expected<SafetensorsWriter> writer =
        SafetensorsWriter::create(path, makeStatisticsMetadata(layers, describeData()), entries);
    if (!writer)
      return writer.takeError();
    for (llvm::ArrayRef<char> content : contents)
      if (llvm::Error error = writer->write(content))
        return error;
    return writer->commit();
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
    if (llvm::Error error = compileBlock(index, /*withTaps=*/false, folder.getPath("block.so")))
      return error;
    for (const Stream &stream : streams) {
      Accumulators none;
      if (llvm::Error error = runArtifact(stream, index, name + ": run", /*givesOutput=*/true, none))
        return error;
    }
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
    return write(options.statistics, layers, entries, contents);
  }

  ModuleOp module;
  const CalibrationOptions &options;
  const CalibrationHost &host;
  CalibrationFolder folder;
  std::vector<Stream> streams; ///< calibration and, where it is known, traffic
  CalibrationRecord record;
  size_t numBlocks = 0;
};
} // namespace

llvm::Expected<CalibrationRecord> terse::calibrate(ModuleOp module, const CalibrationOptions &options, const CalibrationHost &host) {
  return Calibration(module, options, host).run();
}
