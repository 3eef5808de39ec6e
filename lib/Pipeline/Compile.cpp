//===- Compile.cpp - from a model to an artifact --------------------------===//
#include "Compiler.h"
#include "IRDump.h"

#include "Kernel/KernelDialect.h"
#include "Terse/LayerAttributes.h"
#include "terse/Pipeline/Recipe.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/ThreadPool.h"

#include <fstream>
#include <malloc.h>

using namespace mlir;
using namespace terse;

void Compiler::say(const llvm::Twine &what) {
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  listener.onMessage({Message::Kind::Progress, "",
                      llvm::formatv("[{0,6:F1} s] {1}", seconds, what).str()});
}

/// A textual pipeline on a module, whether or not it names its anchor.
static llvm::StringRef stripAnchor(llvm::StringRef pipeline) {
  pipeline = pipeline.trim();
  if (pipeline.consume_front("builtin.module(") && pipeline.ends_with(")"))
    return pipeline.drop_back();
  return pipeline;
}

/// Adds the passes of a text to `manager`.
static llvm::Error addPasses(PassManager &manager, Stage stage,
                             llvm::StringRef pipeline) {
  std::string message;
  llvm::raw_string_ostream stream(message);
  pipeline = stripAnchor(pipeline);
  if (pipeline.empty() || succeeded(parsePassPipeline(pipeline, manager, stream)))
    return llvm::Error::success();
  return llvm::createStringError("malformed passes of the stage '" +
                                 getStageName(stage) +
                                 "': " + llvm::StringRef(message).trim());
}

llvm::Error Compiler::checkPasses() {
  PassManager manager(&context, ModuleOp::getOperationName());
  for (const std::string &passes : {preparePipeline, recipePipeline})
    if (llvm::Error error = addPasses(manager, Stage::Compress, passes))
      return error;
  for (auto &[at, passes] : options.extraPasses)
    if (llvm::Error error = addPasses(manager, at, passes))
      return error;
  return llvm::Error::success();
}

/// Long before the stage that reads it.
llvm::Error Compiler::checkTuning() {
  if (options.tuning.empty())
    return llvm::Error::success();
  if (llvm::StringRef(options.tuning).contains('"'))
    return llvm::createStringError("expected a file's name without quotes with "
                                   "--tuning; got " +
                                   options.tuning);
  OwningOpRef<ModuleOp> nothing =
      ModuleOp::create(UnknownLoc::get(&context));
  PassManager manager(&context, ModuleOp::getOperationName());
  if (llvm::Error error = addPasses(
          manager, Stage::Kernel,
          "terse-select-kernel{tuning=\"" + options.tuning + "\"}"))
    return error;
  return failed(manager.run(*nothing))
             ? llvm::createStringError("the tuning cannot be used")
             : llvm::Error::success();
}

llvm::Error Compiler::runStage(Stage stage, ModuleOp target,
                               const CPULevel *level) {
  StageOptions stageOptions;
  stageOptions.optimize = !options.plain;
  stageOptions.keepCacheIO = options.keepCacheIO;
  stageOptions.compress = recipePipeline;
  if (level)
    stageOptions.level = level->name.str();
  stageOptions.emulatedKernels = options.emulatedKernels;
  stageOptions.tuning = options.tuning;
  if (llvm::Error error = checkCancelled())
    return error;
  say(level ? getStageName(stage) + " (" + level->name + ")"
            : llvm::Twine(getStageName(stage)));

  std::vector<std::string> pipelines = {getStagePipeline(stage, stageOptions)};
  for (auto &[at, passes] : options.extraPasses)
    if (at == stage)
      pipelines.push_back(passes);
  for (auto [i, pipeline] : llvm::enumerate(pipelines)) {
    PassManager manager(&context, ModuleOp::getOperationName());
    if (llvm::Error error = addPasses(manager, stage, pipeline))
      return error;
    if (manager.empty())
      continue;
    // Verifying the large IR of kernels behind each of our own passes would be a
    // third of the time: once, at the end, is left to optimised builds.
#ifdef NDEBUG
    bool verifiesOnce = i == 0 && stage >= Stage::Kernel;
#else
    bool verifiesOnce = false;
#endif
    manager.enableVerifier(!verifiesOnce);
    if (!options.dumpIRFolder.empty())
      manager.addInstrumentation(
          makeIRDump(options.dumpIRFolder,
                     level ? (getStageName(stage) + "-" + level->name).str()
                           : getStageName(stage).str(),
                     numDumps));
    LogicalResult result = manager.run(target);
    if (verifiesOnce && succeeded(result))
      result = verify(target);
    if (llvm::Error error = checkCancelled())
      return error;
    if (failed(result))
      return llvm::createStringError("the stage '" + getStageName(stage) +
                                     "' failed");
  }
  return llvm::Error::success();
}

llvm::Error Compiler::prepareModel(ModuleOp target) {
  PassManager manager(&context, ModuleOp::getOperationName());
  if (llvm::Error error = addPasses(manager, Stage::Compress, preparePipeline))
    return error;
  if (manager.empty())
    return llvm::Error::success();
  say("prepare");
  if (!options.dumpIRFolder.empty())
    manager.addInstrumentation(
        makeIRDump(options.dumpIRFolder, "prepare", numDumps));
  if (failed(manager.run(target)))
    return llvm::createStringError("the passes on the whole model failed");
  return checkCancelled();
}

/// Says what stays in parts: it is right but slower.
void Compiler::reportUnrecognized() {
  if (options.plain)
    return;
  int64_t numMatmuls = 0, numSoftmaxes = 0;
  module->walk([&](Operation *op) {
    // An outer product (positions by frequencies) is no layer.
    if (auto matmul = dyn_cast<MatmulOp>(op))
      numMatmuls +=
          cast<ShapedType>(matmul.getLhs().getType()).getShape().back() != 1;
    numSoftmaxes += isa<SoftmaxOp>(op);
  });
  Report &facts = context.getOrLoadDialect<TerseDialect>()->getReport();
  facts.add("tersec", "matmuls-not-recognized", numMatmuls);
  facts.add("tersec", "softmaxes-not-recognized", numSoftmaxes);
  if (numMatmuls + numSoftmaxes)
    say("not recognized as part of a layer (right, but slower): " +
        llvm::Twine(numMatmuls) + " matmul, " + llvm::Twine(numSoftmaxes) +
        " softmax");
}

llvm::Error Compiler::runSharedStages() {
  for (Stage stage :
       {Stage::Normalize, Stage::Compress, Stage::Integerize, Stage::Layout}) {
    if (stage <= done || stage > getLastStage())
      continue;
    // The last moment before weights are read.
    if (stage == Stage::Compress) {
      if (llvm::Error error = preflight())
        return error;
      if (options.preflight)
        return llvm::Error::success();
    }
    bool calibrates =
        stage == Stage::Compress && !options.calibration.data.empty();
    if (stage == Stage::Compress && !calibrates) {
      if (llvm::Error error = prepareModel(*module))
        return error;
      if (!options.statistics.empty())
        (*module)->setAttr(kStatisticsAttr,
                           StringAttr::get(&context, options.statistics));
    }
    if (llvm::Error error = calibrates ? runCalibration()
                                       : runStage(stage, *module, nullptr))
      return error;
    if (stage == Stage::Normalize)
      reportUnrecognized();
    // The recipe stays with the IR that it was used on.
    if (stage == Stage::Compress) {
      (*module)->setAttr("terse.recipe", StringAttr::get(&context, recipeName));
      if (!options.statistics.empty())
        (*module)->removeAttr(kStatisticsAttr);
    }
    done = stage;
  }
  return llvm::Error::success();
}

/// Whether kernels of layers read float weights of this element type.
static bool hasPackedWeights(ModuleOp module, llvm::StringRef element) {
  return module
      .walk([&](kernel::LinearOp layer) {
        std::string own;
        llvm::raw_string_ostream(own)
            << getElementTypeOrSelf(layer.getWeight());
        return own == element ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

llvm::Expected<std::vector<const CPULevel *>> Compiler::selectLevels() const {
  // IR of one level's stages is for that level.
  if (auto own = (*module)->getAttrOfType<StringAttr>("terse.level")) {
    const CPULevel *level = findCPULevel(own.getValue());
    if (!level)
      return llvm::createStringError("unknown CPU level '" + own.getValue() +
                                     "' in the IR");
    return std::vector<const CPULevel *>{level};
  }
  std::vector<const CPULevel *> levels = selectCPULevels(
      options.levels, [&](llvm::StringRef element) {
        return hasPackedWeights(*module, element);
      });
  bool single = options.emit == EmitKind::LLVM ||
                options.emit == EmitKind::MLIR ||
                (options.stopAfter && isPerLevel(*options.stopAfter));
  // Text shows one level, the best unless told otherwise.
  if (single && levels.size() > 1)
    levels.erase(levels.begin(), levels.end() - 1);
  return levels;
}

llvm::Error Compiler::compileLevels(llvm::ArrayRef<const CPULevel *> levels) {
  struct Job {
    const CPULevel *level;
    llvm::LLVMContext llvmContext;
    std::unique_ptr<llvm::Module> llvmModule;
    ObjectCode object;
    std::string error;
  };
  std::vector<std::unique_ptr<Job>> jobs;
  std::vector<ObjectCode> objects;
  std::mutex mutex;
  {
    auto runJob = [&](Job &job) {
      auto finish = [&](llvm::Error error) {
        std::lock_guard<std::mutex> lock(mutex);
        job.error = llvm::toString(std::move(error));
      };
      if (llvm::Error error = optimizeLLVM(*job.llvmModule, *job.level))
        return finish(std::move(error));
      llvm::Expected<ObjectCode> object =
          emitObject(*job.llvmModule, *job.level);
      if (!object)
        return finish(object.takeError());
      job.object = std::move(*object);
      job.llvmModule.reset();
    };
    // LLVM's share of a level runs beside MLIR's of the next. The pool waits for
    // its jobs when it goes: it goes first.
    llvm::DefaultThreadPool pool(llvm::hardware_concurrency(options.threads));
    for (const CPULevel *level : levels) {
      OwningOpRef<ModuleOp> copy = module->clone();
      for (Stage stage : {Stage::Kernel, Stage::Target})
        if (stage > done && stage <= getLastStage())
          if (llvm::Error error = runStage(stage, *copy, level))
            return error;
      (*copy)->setAttr("terse.level", StringAttr::get(&context, level->name));
      if (options.stopAfter && *options.stopAfter < Stage::Emit)
        return writeIR(*copy, *options.stopAfter);
      if (options.emit == EmitKind::MLIR)
        return writeIR(*copy, Stage::Target);
      if (llvm::Error error = runStage(Stage::Emit, *copy, level))
        return error;
      auto job = std::make_unique<Job>();
      job->level = level;
      std::string entry = getEntryName(level->name);
      llvm::Expected<std::unique_ptr<llvm::Module>> translated =
          translateToLLVM(*copy, *level, {entry, entry + "_arena"},
                          job->llvmContext);
      if (!translated)
        return translated.takeError();
      job->llvmModule = std::move(*translated);
      if (options.emit == EmitKind::LLVM) {
        if (llvm::Error error = optimizeLLVM(*job->llvmModule, *level))
          return error;
        std::string text;
        llvm::raw_string_ostream(text) << *job->llvmModule;
        return writeText(text);
      }
      jobs.push_back(std::move(job));
      copy = {};
      pool.async([&runJob, job = jobs.back().get()] { runJob(*job); });
      if (!levelsBesideEachOther) {
        pool.wait();
        malloc_trim(0);
      }
    }
    say("code generation");
  }
  for (std::unique_ptr<Job> &job : jobs) {
    if (!job->error.empty())
      return llvm::createStringError(job->error);
    objects.push_back(std::move(job->object));
  }
  if (llvm::Error error = checkCancelled())
    return error;
  say("link");
  return writeArtifact(levels, std::move(objects));
}

llvm::Error Compiler::checkLevels() const {
  std::vector<std::string> wanted = options.levels;
  if (!options.emulatedKernels.empty())
    wanted.push_back(options.emulatedKernels);
  for (const std::string &name : wanted)
    if (!findCPULevel(name)) {
      llvm::SmallVector<llvm::StringRef> names;
      for (const CPULevel &level : getCPULevels())
        names.push_back(level.name);
      return llvm::createStringError(
          "unknown CPU level '" + name + "'" + suggestNearest(name, names) +
          " (known: " + llvm::join(names, ", ") + ")");
    }
  return llvm::Error::success();
}

std::string terse::getRecipe(const CompileOptions &options) {
  std::string text = options.recipe.value_or("keep");
  if (options.groupSize)
    text += (llvm::StringRef(text).contains(':') ? "," : ":") +
            ("group-size=" + std::to_string(*options.groupSize));
  return text;
}

/// The first passes of a pipeline, at most `limit`, which becomes less by their number. Scales that they leave are folded, where the pipeline does.
static std::string takePasses(llvm::StringRef pipeline, size_t &limit) {
  std::vector<std::string> passes = splitPasses(pipeline);
  size_t count = std::min(limit, passes.size());
  limit -= count;
  bool folds = llvm::any_of(llvm::drop_begin(passes, count), [](llvm::StringRef pass) { return pass.starts_with("terse-fold-scales"); });
  passes.resize(count);
  if (folds)
    passes.push_back("terse-fold-scales");
  return llvm::join(passes, ",");
}

llvm::Error Compiler::selectRecipe() {
  if (llvm::Error error = readRecipe())
    return error;
  if (!options.passLimit)
    return llvm::Error::success();
  size_t limit = *options.passLimit;
  preparePipeline = takePasses(preparePipeline, limit);
  recipePipeline = takePasses(recipePipeline, limit);
  return llvm::Error::success();
}

llvm::Error Compiler::readRecipe() {
  if (!options.calibration.traffic.empty() && options.calibration.data.empty())
    return llvm::createStringError(
        "expected --calib with --traffic: data to compare it with");
  if (options.passPipeline) {
    if (options.recipe || options.groupSize)
      return llvm::createStringError("expected a recipe or passes; got both");
    recipeName = "passes:" + *options.passPipeline;
    recipePipeline = *options.passPipeline;
    return llvm::Error::success();
  }
  bool hasStatistics =
      !options.calibration.data.empty() || !options.statistics.empty();
  llvm::StringRef pruning;
  if (askForZeros(options.policyRules))
    pruning = hasStatistics ? "terse-prune-sparsegpt{sparsity=0}"
                            : "terse-prune-magnitude{sparsity=0}";
  llvm::Expected<Recipe> recipe = parseRecipe(getRecipe(options), pruning);
  if (!recipe)
    return recipe.takeError();
  if (recipe->needsStatistics && !hasStatistics && !options.passLimit)
    return llvm::createStringError("the recipe '" + recipe->name +
                                   "' needs the inputs of layers to be "
                                   "measured: give it data with --calib");
  if (recipe->isSearched && options.policyRules.empty())
    return llvm::createStringError("the recipe 'auto' needs a promise to search "
                                   "for: --max-loss, and a text with --eval");
  recipeName = recipe->name;
  recipePipeline = recipe->pipeline;
  preparePipeline = recipe->prepare;
  if (!options.policyRules.empty())
    recipePipeline = "terse-assign-policy{rules=" + options.policyRules + "}," +
                     recipePipeline;
  return llvm::Error::success();
}

llvm::Error Compiler::run() {
  if (llvm::Error error = runStages())
    return error;
  if (options.report) {
    if (!options.preflight)
      reportUse();
    reportFacts();
  }
  if (listener.onDone && !options.preflight)
    reportDone();
  return llvm::Error::success();
}

llvm::Error Compiler::checkCancelled() const {
  return listener.cancelled ? llvm::createStringError("cancelled")
                            : llvm::Error::success();
}

llvm::Error Compiler::runStages() {
  if (llvm::Error error = checkLevels())
    return error;
  if (llvm::Error error = selectRecipe())
    return error;
  if (llvm::Error error = checkPasses())
    return error;
  if (llvm::Error error = checkTuning())
    return error;
  if (llvm::Error error = checkPaths())
    return error;
  if (llvm::Error error = loadTokenizer())
    return error;
  if (llvm::Error error = loadInput())
    return error;
  inputStage = done;
  if (options.stopAfter && *options.stopAfter < done)
    return llvm::createStringError("expected --stop-after behind the stage '" +
                                   getStageName(done) +
                                   "', which the input has passed; got " +
                                   getStageName(*options.stopAfter));
  // Passes spliced in at the end of the import have their own run: there is no
  // stage around them.
  if (done == Stage::Import && llvm::any_of(options.extraPasses, [](auto &at) {
        return at.first == Stage::Import;
      }))
    if (llvm::Error error = runStage(Stage::Import, *module, nullptr))
      return error;
  if (options.preflight && done >= Stage::Compress)
    return llvm::createStringError(
        "expected a model before the stage 'compress' with --preflight; got "
        "IR behind the stage '" +
        getStageName(done) + "'");
  if (llvm::Error error = runSharedStages())
    return error;
  if (options.preflight)
    return llvm::Error::success();
  if (!isPerLevel(getLastStage()))
    return writeIR(*module, getLastStage());
  llvm::Expected<std::vector<const CPULevel *>> levels = selectLevels();
  if (!levels)
    return levels.takeError();
  return compileLevels(*levels);
}

/// The largest resident set of this process so far. Not getrusage's: that
/// survives exec and may be the parent's.
static uint64_t getPeakMemory() {
  std::ifstream status("/proc/self/status");
  unsigned long kilobytes = 0;
  for (std::string line; std::getline(status, line);)
    if (std::sscanf(line.c_str(), "VmHWM: %lu", &kilobytes) == 1)
      break;
  return uint64_t(kilobytes) * 1024;
}

/// Says what the compile took beside what was forecast.
void Compiler::reportUse() {
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  auto *dialect = context.getOrLoadDialect<TerseDialect>();
  Report &facts = dialect->getReport();
  auto add = [&](llvm::StringRef name, uint64_t value) {
    facts.add("tersec", name, static_cast<int64_t>(value));
  };
  add("forecast-memory-bytes", expected.memoryBytes);
  add("memory-bytes", getPeakMemory());
  add("forecast-disk-bytes", expected.diskBytes);
  add("disk-bytes", dialect->getWeightStore().getMostSpilledSpace());
  facts.add("tersec", "forecast-seconds", expected.seconds);
  facts.add("tersec", "seconds", seconds);
}

/// Passes on what the context will have forgotten.
void Compiler::reportDone() {
  CompileRecord record;
  record.recipe = recipeName;
  record.pipeline = getWholePipeline();
  auto getString = [&](llvm::StringRef name) {
    auto attr = (*module)->getAttrOfType<StringAttr>(name);
    return attr ? attr.getValue().str() : std::string();
  };
  record.sourceName = getString("terse.source");
  record.sourceHash = getString("terse.source_sha256");
  record.inputStage = inputStage;
  record.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  for (Report::Fact &fact :
       context.getOrLoadDialect<TerseDialect>()->getReport().getFacts())
    record.facts.push_back({fact.pass, fact.name, std::move(fact.value)});
  record.calibration = std::move(calibrated);
  listener.onDone(record);
}

void Compiler::reportFacts() {
  // Passes that run once per CPU level mostly say the same of each.
  Report once;
  llvm::StringSet<> said;
  for (Report::Fact &fact :
       context.getOrLoadDialect<TerseDialect>()->getReport().getFacts())
    // Figures of each layer are for the report's file.
    if (!fact.value.getAsObject() &&
        said.insert(
                llvm::formatv("{0}:{1}:{2}", fact.pass, fact.name, fact.value)
                    .str())
            .second)
      once.add(fact.pass, fact.name, std::move(fact.value));
  std::string text;
  llvm::raw_string_ostream stream(text);
  once.print(stream);
  listener.onMessage(
      {Message::Kind::Report, "", llvm::StringRef(text).rtrim('\n').str()});
}
