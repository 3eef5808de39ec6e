//===- Context.cpp - what the steps of a calibration share ----------------===//
#include "Context.h"

#include "terse/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;

llvm::Error CalibrationContext::compile(size_t first, size_t count, TapsAt taps) const {
  OwningOpRef<ModuleOp> copy = ModuleOp(module).clone();
  PassManager manager(copy->getContext(), ModuleOp::getOperationName());
  if (taps != TapsAt::None) {
    InsertTapsOptions insert;
    insert.at = taps == TapsAt::Layers ? "layers" : "blocks";
    manager.addPass(createInsertTaps(insert));
  }
  ExtractBlockOptions extract;
  extract.index = first;
  extract.count = count;
  manager.addPass(createExtractBlock(extract));
  if (failed(manager.run(*copy)))
    return llvm::createStringError("calibration: the model could not be cut into blocks");
  return host.compile(*copy, folder.getPath("block.so"));
}

llvm::Error CalibrationContext::run(const CalibrationStream &stream, const std::string &what, std::string input, std::string output, OutputReader read) const {
  BlockRun run;
  run.artifact = folder.getPath("block.so");
  run.data = &stream.data;
  run.threads = options.threads;
  run.input = std::move(input);
  run.output = std::move(output);
  int shown = -1;
  return runBlock(run, read, [&](double share) {
    if (int quarter = static_cast<int>(share * 4); quarter != shown) {
      shown = quarter;
      host.say(llvm::formatv("{0}, {1:P0}", what, share).str());
    }
    return host.checkCancelled();
  });
}

llvm::Error terse::writeStatistics(const std::string &path, const llvm::StringMap<std::string> &layers, std::map<std::string, std::string> more,
                                   llvm::ArrayRef<SafetensorsEntry> entries, llvm::ArrayRef<llvm::ArrayRef<char>> contents) {
  llvm::Expected<SafetensorsWriter> writer = SafetensorsWriter::create(path, makeStatisticsMetadata(layers, std::move(more)), entries);
  if (!writer)
    return writer.takeError();
  for (llvm::ArrayRef<char> content : contents)
    if (llvm::Error error = writer->write(content))
      return error;
  return writer->commit();
}
