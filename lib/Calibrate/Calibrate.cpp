//===- Calibrate.cpp - the loop over a model's blocks ---------------------===//
#include "terse/Calibrate/Calibrate.h"

#include "BlockRun.h"
#include "Data.h"

#include "Terse/LayerAttributes.h"
#include "Terse/TerseDialect.h"
#include "terse/Analysis/Blocks.h"
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
class Calibration {
public:
  Calibration(ModuleOp module, const CalibrationOptions &options, const CalibrationHost &host)
      : module(module), options(options), host(host) {}

  llvm::Error run() {
    llvm::Expected<CalibrationData> read = readCalibrationData(options);
    if (!read)
      return read.takeError();
    data = std::move(*read);
    if (llvm::Error error = openFolder())
      return error;
    if (llvm::Error error = host.prepare(module))
      return error;
    numBlocks = findBlocks(getEntry()).size();
    for (size_t i = 0; i < numBlocks; ++i)
      if (llvm::Error error = runBlock(i))
        return error;
    if (!options.statistics.empty())
      if (llvm::Error error = joinStatistics())
        return error;
    module->removeAttr(kStatisticsAttr);
    if (!options.keepFolder)
      (void)fs::remove_directories(options.folder);
    return llvm::Error::success();
  }

private:
  func::FuncOp getEntry() { return module.lookupSymbol<func::FuncOp>(TerseDialect::kEntryName); }

  std::string getPath(const llvm::Twine &name) const {
    llvm::SmallString<128> path(options.folder);
    llvm::sys::path::append(path, name);
    return path.str().str();
  }
  std::string getStatisticsPath(size_t block) const { return getPath(llvm::formatv("block-{0:3}.tstats", block).str()); }
  std::string getOutputPath(size_t block) const { return getPath(llvm::formatv("block-{0:3}.outputs", block).str()); }

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
                     {"data", data.sha256},
                     {"from_original", options.fromOriginal}};
    return llvm::formatv("{0:2}\n", json::Value(std::move(key))).str();
  }

  llvm::Error openFolder() {
    std::string key = makeKey(), path = getPath("key");
    if (auto found = llvm::MemoryBuffer::getFile(path)) {
      if ((*found)->getBuffer() != key)
        return llvm::createStringError("the folder '" + options.folder +
                                       "' is of another calibration: remove it, or name another one with --calib-dir");
      host.say("calibration goes on with what '" + options.folder + "' has");
      return llvm::Error::success();
    }
    if (fs::exists(options.folder) && !fs::is_directory(options.folder))
      return llvm::createStringError("cannot make the folder '" + options.folder + "': there is a file");
    if (fs::is_directory(options.folder)) {
      std::error_code error;
      if (fs::directory_iterator(options.folder, error) != fs::directory_iterator())
        return llvm::createStringError("expected the folder '" + options.folder + "' to be empty or of a calibration");
    }
    if (std::error_code error = fs::create_directories(options.folder))
      return llvm::createStringError("cannot make the folder '" + options.folder + "': " + error.message());
    llvm::Expected<TemporaryFile> file = TemporaryFile::create(options.folder, TemporaryFile::Kind::Document);
    if (!file)
      return file.takeError();
    if (llvm::Error error = file->write(key, path))
      return error;
    return file->commit(path);
  }

  llvm::Error runBlock(size_t index) {
    std::vector<ModelBlock> blocks = findBlocks(getEntry());
    if (blocks.size() != numBlocks)
      return llvm::createStringError("a pass of the compress stage changed where the model's blocks begin: there were " +
                                     llvm::Twine(numBlocks) + ", now " + llvm::Twine(blocks.size()));
    std::string name = llvm::formatv("block {0} of {1}", index + 1, numBlocks).str();
    std::string input = index ? getOutputPath(index - 1) : "", output = index + 1 < numBlocks ? getOutputPath(index) : "";
    bool isMeasured = fs::exists(getStatisticsPath(index)), hasOutput = output.empty() || fs::exists(output);
    bool runsOriginal = options.fromOriginal && !hasOutput;
    if (!isMeasured || runsOriginal)
      if (llvm::Error error = measure(index, name, input, runsOriginal ? output : ""))
        return error;
    if (llvm::Error error = compress(index, blocks[index], name))
      return error;
    if (!hasOutput && !options.fromOriginal)
      if (llvm::Error error = advance(index, name, input, output))
        return error;
    // The next block's input is there.
    if (!input.empty())
      (void)fs::remove(input);
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

  llvm::Error runArtifact(const std::string &what, const std::string &input, const std::string &output, Accumulators &taps) {
    auto parallel = [&](int64_t count, llvm::function_ref<void(int64_t)> work) {
      parallelFor(module.getContext(), 0, count, [&](size_t i) { work(i); });
    };
    BlockRun run{getPath("block.so"), &data, options.threads, input, output};
    int shown = -1;
    return terse::runBlock(run, taps, parallel, [&](double share) {
      if (int quarter = static_cast<int>(share * 4); quarter != shown) {
        shown = quarter;
        host.say(llvm::formatv("{0}, {1:P0}", what, share).str());
      }
      return host.checkCancelled();
    });
  }

  llvm::Error measure(size_t index, const std::string &name, const std::string &input, const std::string &output) {
    if (llvm::Error error = compileBlock(index, /*withTaps=*/true, getPath("block.so")))
      return error;
    Accumulators taps;
    if (llvm::Error error = runArtifact(name + ": measure", input, output, taps))
      return error;
    // Which layers read what a tap named: in the block's own copy, where the taps are.
    llvm::StringMap<std::string> layers;
    OwningOpRef<ModuleOp> copy = module.clone();
    PassManager manager(module.getContext(), ModuleOp::getOperationName());
    manager.addPass(createInsertTaps());
    if (failed(manager.run(*copy)))
      return llvm::createStringError("calibration: the model could not be tapped");
    llvm::DenseSet<StringRef> known;
    for (auto &tap : taps)
      known.insert(tap->getName());
    copy->walk([&](LinearLike layer) {
      if (auto tap = layer.getInputOperand().get().getDefiningOp<TapOp>(); tap && known.contains(tap.getName()))
        layers[getNameOfLayer(layer)] = tap.getName().str();
    });

    std::vector<SafetensorsEntry> entries;
    std::vector<llvm::ArrayRef<char>> contents;
    std::vector<TapStatistics> finished;
    finished.reserve(taps.size());
    for (auto &tap : taps)
      finished.push_back(tap->finish());
    for (TapStatistics &tap : finished)
      tap.list(entries, contents);
    return write(getStatisticsPath(index), layers, entries, contents);
  }

  std::map<std::string, std::string> describeData() {
    std::map<std::string, std::string> more;
    if (auto source = module->getAttrOfType<StringAttr>("terse.source_sha256"))
      more["source_sha256"] = source.str();
    if (auto rotation = module->getAttrOfType<StringAttr>(kRotationAttr))
      more["rotation"] = rotation.str();
    json::Object described{{"sha256", data.sha256},
                           {"windows", static_cast<int64_t>(data.windows.size())},
                           {"window", options.window},
                           {"inputs", options.fromOriginal ? "original" : "compressed"}};
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
    module->setAttr(kStatisticsAttr, builder.getStringAttr(getStatisticsPath(index)));
    llvm::Error error = host.compress(module);
    module->walk([&](Operation *op) { op->removeAttr(kFrozenAttr); });
    return error;
  }

  llvm::Error advance(size_t index, const std::string &name, const std::string &input, const std::string &output) {
    if (llvm::Error error = compileBlock(index, /*withTaps=*/false, getPath("block.so")))
      return error;
    Accumulators none;
    return runArtifact(name + ": run", input, output, none);
  }

  /// All blocks' statistics in one file.
  llvm::Error joinStatistics() {
    std::vector<SafetensorsEntry> entries;
    std::vector<llvm::ArrayRef<char>> contents;
    std::vector<Statistics> files;
    llvm::StringMap<std::string> layers;
    for (size_t i = 0; i < numBlocks; ++i) {
      llvm::Expected<Statistics> file = Statistics::open(getStatisticsPath(i));
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
  CalibrationData data;
  size_t numBlocks = 0;
};
} // namespace

llvm::Error terse::calibrate(ModuleOp module, const CalibrationOptions &options, const CalibrationHost &host) {
  return Calibration(module, options, host).run();
}
