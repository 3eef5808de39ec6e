//===- Stages.cpp - the order of all work ---------------------------------===//
//
// The only place where the order of passes is written.
//===----------------------------------------------------------------------===//
#include "terse/Pipeline/Stages.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace terse;

static constexpr llvm::StringRef stageNames[kNumStages] = {
    "import", "normalize", "compress", "integerize",
    "layout", "kernel",    "target",   "emit"};

llvm::StringRef terse::getStageName(Stage stage) {
  return stageNames[static_cast<unsigned>(stage)];
}

llvm::ArrayRef<llvm::StringRef> terse::getStageNames() { return stageNames; }

std::optional<Stage> terse::parseStage(llvm::StringRef name) {
  const llvm::StringRef *it = llvm::find(stageNames, name);
  if (it == std::end(stageNames))
    return std::nullopt;
  return static_cast<Stage>(it - stageNames);
}

namespace {
/// A textual pipeline under construction.
struct Pipeline {
  std::string text;
  Pipeline &add(const llvm::Twine &passes) {
    std::string more = passes.str();
    if (!more.empty())
      text += (text.empty() ? "" : ",") + more;
    return *this;
  }
};
} // namespace

static std::string buildNormalize(const StageOptions &options) {
  Pipeline p;
  p.add("terse-drop-dead-weights,canonicalize,cse");
  if (!options.optimize)
    return p.text;
  p.add("terse-recognize-integer-linear,canonicalize,cse");
  p.add(
      "terse-recognize-norm,terse-recognize-activation,terse-fuse-linear-bias");
  p.add("terse-simplify-movement,canonicalize,cse");
  // Recognised one after the other, each in the clean form that the one before
  // leaves.
  p.add("terse-recognize-rope,canonicalize,cse");
  p.add("terse-recognize-attention,canonicalize,cse,terse-simplify-movement,"
        "canonicalize,cse");
  if (!options.keepCacheIO)
    p.add("terse-kv-cache,canonicalize,cse,terse-simplify-movement,"
          "canonicalize,cse");
  p.add("terse-drop-dead-weights");
  return p.text;
}

static std::string buildIntegerize(const StageOptions &options) {
  // -O0 keeps the float meaning of what a recipe did.
  return options.optimize
             ? "terse-slice-logits,"
               "terse-simplify-movement{through-layers=true},canonicalize,cse,"
               "terse-integerize,terse-merge-linears,canonicalize,cse"
             : "";
}

static std::string buildLayout(const StageOptions &options) {
  Pipeline p;
  p.add("terse-record-interface");
  if (options.optimize)
    p.add("terse-pack-weights");
  p.add("terse-place-weights");
  return p.text;
}

static std::string buildSelect(const StageOptions &options) {
  std::string level = options.emulatedKernels.empty() ? options.level
                                                      : options.emulatedKernels;
  std::string tuning =
      options.tuning.empty() ? "" : " tuning=\"" + options.tuning + "\"";
  return "terse-select-kernel{level=" + level + tuning + "}";
}

static std::string buildKernel(const StageOptions &options) {
  if (!options.optimize)
    return "";
  Pipeline p;
  bool emulate = !options.emulatedKernels.empty();
  std::string level =
      "{level=" + (emulate ? options.emulatedKernels : options.level) + "}";
  p.add("terse-lower-attention" + level);
  p.add(buildSelect(options));
  p.add("terse-lower-linear" + level);
  // What norms the layers did not take with them.
  p.add("terse-lower-norm");
  p.add(llvm::Twine("convert-kernel-mma{emulate=") +
        (emulate ? "true" : "false") + "}");
  p.add("canonicalize,cse");
  return p.text;
}

static std::string buildTarget(const StageOptions &options) {
  Pipeline p;
  p.add("terse-lower-to-linalg,canonicalize,cse");
  p.add(llvm::Twine("terse-bufferize{fuse=") +
        (options.optimize ? "true" : "false") + "}");
  p.add("terse-spmd,terse-plan-arena");
  p.add("terse-emit-entry{level=" + options.level + "}");
  p.add("terse-lower-to-llvm{level=" + options.level + "},canonicalize,cse");
  return p.text;
}

std::string terse::getStagePipeline(Stage stage, const StageOptions &options) {
  switch (stage) {
  case Stage::Normalize:
    return buildNormalize(options);
  case Stage::Compress:
    return options.compress;
  case Stage::Integerize:
    return buildIntegerize(options);
  case Stage::Layout:
    return buildLayout(options);
  case Stage::Kernel:
    return buildKernel(options);
  case Stage::Target:
    return buildTarget(options);
  case Stage::Import:
  case Stage::Emit:
    return "";
  }
  return "";
}

namespace {
/// The options of a stage's flag in terse-opt.
struct StageFlagOptions : PassPipelineOptions<StageFlagOptions> {
  Option<bool> optimize{*this, "optimize",
                        llvm::cl::desc("false: as with tersec's -O0"),
                        llvm::cl::init(true)};
  Option<bool> keepCacheIO{
      *this, "keep-cache-io",
      llvm::cl::desc("leave past and present in the interface"),
      llvm::cl::init(false)};
  Option<std::string> level{*this, "level", llvm::cl::desc("CPU level"),
                            llvm::cl::init("baseline")};
};
} // namespace

void terse::registerStagePipelines() {
  for (unsigned i = 0; i < kNumStages; ++i) {
    Stage stage = static_cast<Stage>(i);
    // Passes of the compress stage are the recipe's.
    if (getStagePipeline(stage, StageOptions()).empty())
      continue;
    // PassPipelineRegistration keeps no copy of its strings.
    static std::vector<std::unique_ptr<std::string>> strings;
    auto keep = [&](std::string text) -> llvm::StringRef {
      return *strings.emplace_back(
          std::make_unique<std::string>(std::move(text)));
    };
    llvm::StringRef name =
        keep(("terse-" + getStageName(stage) + "-stage").str());
    llvm::StringRef summary =
        keep(("the passes of the stage '" + getStageName(stage) + "'").str());
    registerPassPipeline(
        name, summary,
        [stage](OpPassManager &pm, llvm::StringRef text,
                llvm::function_ref<LogicalResult(const llvm::Twine &)> fail) {
          StageFlagOptions flags;
          if (failed(flags.parseFromString(text)))
            return fail("malformed options of a stage");
          StageOptions options;
          options.optimize = flags.optimize;
          options.keepCacheIO = flags.keepCacheIO;
          options.level = flags.level;
          return parsePassPipeline(getStagePipeline(stage, options), pm);
        },
        [](llvm::function_ref<void(const mlir::detail::PassOptions &)> visit) {
          visit(StageFlagOptions());
        });
  }
}
