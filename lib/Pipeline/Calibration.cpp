//===- Calibration.cpp - compressing block by block -----------------------===//
#include "Compiler.h"

#include "mlir/IR/AttrTypeSubElements.h"

#include <cmath>

using namespace mlir;
using namespace terse;

static llvm::DenseSet<Attribute> collectFiles(Operation *root) {
  llvm::DenseSet<Attribute> files;
  AttrTypeWalker walker;
  walker.addWalk([&](FileAttr file) { files.insert(file); });
  root->walk([&](Operation *op) { walker.walk(op->getAttrDictionary()); });
  return files;
}

/// Compiles IR behind the compress stage for this machine, in silence.
llvm::Error Compiler::compileBlock(ModuleOp block, llvm::StringRef path) {
  WeightStore &store = context.getOrLoadDialect<TerseDialect>()->getWeightStore();
  llvm::DenseSet<Attribute> before = collectFiles(block);
  // What the block's copies of weights are made of serves the model too.
  store.setReleasing(false);
  CompileOptions blockOptions;
  blockOptions.output = path.str();
  blockOptions.levels = {getHostLevel().name.str()};
  blockOptions.threads = options.threads;
  CompileListener silent;
  silent.onMessage = [](const Message &) {};
  Compiler compiler(context, blockOptions, silent);
  compiler.module = block.clone();
  compiler.done = Stage::Compress;
  llvm::Error error = compiler.runSharedStages();
  if (!error) {
    llvm::Expected<std::vector<const CPULevel *>> levels =
        compiler.selectLevels();
    error = levels ? compiler.compileLevels(*levels) : levels.takeError();
  }
  store.setReleasing(true);
  // Packed weights of this block serve nothing else.
  for (Attribute file : collectFiles(*compiler.module))
    if (!before.contains(file))
      store.release(file);
  return error;
}

namespace {
/// Facts of the compress stage's runs over one block each, as one run over the model would have recorded them: numbers of
/// things are added up, of measures the largest is kept, texts and what is by layer are put together.
class FactsOfBlocks {
public:
  void add(const Report::Fact &fact) {
    auto found = llvm::find_if(facts, [&](const Report::Fact &known) {
      return known.pass == fact.pass && known.name == fact.name;
    });
    if (found == facts.end())
      facts.push_back(fact);
    else
      merge(found->value, fact.value);
  }
  const std::vector<Report::Fact> &get() const { return facts; }

private:
  static void merge(llvm::json::Value &known, const llvm::json::Value &more) {
    std::optional<double> a = known.getAsNumber(), b = more.getAsNumber();
    if (a && b) {
      bool areCounts = *a == std::floor(*a) && *b == std::floor(*b);
      known = areCounts ? llvm::json::Value(static_cast<int64_t>(*a + *b))
                        : llvm::json::Value(std::max(*a, *b));
    } else if (llvm::json::Object *object = known.getAsObject();
               object && more.getAsObject()) {
      for (auto &[key, value] : *more.getAsObject())
        (*object)[key] = value;
    } else if (known.getAsString() && more.getAsString() && known != more) {
      known = (*known.getAsString() + "; " + *more.getAsString()).str();
    }
  }
  std::vector<Report::Fact> facts;
};
} // namespace

llvm::Error Compiler::runCalibration() {
  CalibrationOptions calibration = options.calibration;
  if (calibration.folder.empty()) {
    if (options.output == "-")
      return llvm::createStringError(
          "expected --calib-dir, or a file for -o, to calibrate");
    calibration.folder = options.output + ".calibration";
  }
  calibration.tokenizer = options.tokenizer;
  calibration.threads = options.threads;
  CalibrationHost host;
  host.recipe = getWholePipeline();
  for (auto &[stage, passes] : options.extraPasses)
    if (stage == Stage::Compress)
      host.recipe += ";" + passes;
  Report &report = context.getOrLoadDialect<TerseDialect>()->getReport();
  const size_t numFacts = report.getFacts().size();
  FactsOfBlocks facts;
  auto collectFacts = [&] {
    std::vector<Report::Fact> all = report.getFacts();
    for (size_t i = numFacts; i < all.size(); ++i)
      facts.add(all[i]);
  };
  host.measuresSpans =
      llvm::StringRef(preparePipeline).contains("terse-prune-blocks");
  host.prepare = [&](ModuleOp target) {
    llvm::Error error = prepareModel(target);
    collectFacts();
    return error;
  };
  host.compress = [&](ModuleOp target) {
    // The passes that compile blocks record facts of no interest.
    report.truncate(numFacts);
    llvm::Error error = runStage(Stage::Compress, target, nullptr);
    collectFacts();
    return error;
  };
  host.compile = [&](ModuleOp block, llvm::StringRef path) {
    return compileBlock(block, path);
  };
  host.say = [&](const llvm::Twine &what) { say("calibrate: " + what); };
  host.warn = [&](const llvm::Twine &what) {
    listener.onMessage({Message::Kind::Warning, "", what.str()});
  };
  host.checkCancelled = [&] { return checkCancelled(); };
  llvm::Expected<CalibrationRecord> record =
      calibrate(*module, calibration, host);
  report.truncate(numFacts);
  for (const Report::Fact &fact : facts.get())
    report.add(fact.pass, fact.name, fact.value);
  if (!record)
    return record.takeError();
  calibrated = std::move(*record);
  return llvm::Error::success();
}
