//===- Options.cpp - the table of a compile's options ---------------------===//
#include "terse/Pipeline/Options.h"

#include "terse/Pipeline/Recipe.h"
#include "terse/Runtime/FrequencyBands.h"
#include "terse/Support/Share.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

using namespace terse;
using llvm::Error;
using llvm::StringRef;
using Kind = OptionInfo::Kind;

/// For a value that is none of `known`.
static Error refuse(StringRef what, StringRef value,
                    llvm::ArrayRef<StringRef> known) {
  return llvm::createStringError("unknown " + what + " '" + value + "'" +
                                 suggestNearest(value, known) +
                                 " (known: " + llvm::join(known, ", ") + ")");
}

template <auto Member> static Error setText(CompileOptions &o, StringRef text) {
  o.*Member = text.str();
  return Error::success();
}

template <auto Member> static Error setFlag(CompileOptions &o, StringRef text) {
  if (text != "true" && text != "false")
    return llvm::createStringError("expected true or false; got '" + text +
                                   "'");
  o.*Member = text == "true";
  return Error::success();
}

template <auto Member>
static Error setNumber(CompileOptions &o, StringRef text) {
  uint32_t number;
  if (text.getAsInteger(10, number) || number > INT32_MAX)
    return llvm::createStringError(
        "expected a whole number of at least 0; got '" + text + "'");
  o.*Member = number;
  return Error::success();
}

template <auto Member>
static Error addToList(CompileOptions &o, StringRef text) {
  (o.*Member).push_back(text.str());
  return Error::success();
}

static Error readStage(StringRef text, std::optional<Stage> &stage) {
  stage = parseStage(text);
  return stage ? Error::success() : refuse("stage", text, getStageNames());
}

static Error setEmit(CompileOptions &o, StringRef text) {
  static constexpr std::pair<llvm::StringLiteral, EmitKind> kinds[] = {
      {"so", EmitKind::SharedObject}, {"exe", EmitKind::Executable},
      {"obj", EmitKind::Object},      {"llvm", EmitKind::LLVM},
      {"mlir", EmitKind::MLIR},
  };
  llvm::SmallVector<StringRef> known;
  for (auto &[name, kind] : kinds) {
    known.push_back(name);
    if (name == text) {
      o.emit = kind;
      return Error::success();
    }
  }
  return refuse("kind of output", text, known);
}

static Error setLevels(CompileOptions &o, StringRef text) {
  llvm::SmallVector<StringRef> names;
  text.split(names, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (StringRef name : names)
    o.levels.push_back(name.str());
  return Error::success();
}

static Error setStopAfter(CompileOptions &o, StringRef text) {
  if (Error error = readStage(text, o.stopAfter))
    return error;
  if (o.stopAfter == Stage::Emit)
    o.stopAfter.reset(); // all stages
  return Error::success();
}

static Error setStartFrom(CompileOptions &o, StringRef text) {
  if (Error error = readStage(text, o.startFrom))
    return error;
  if (o.startFrom == Stage::Emit)
    return llvm::createStringError("expected a stage before 'emit'");
  return Error::success();
}

static Error addExtraPasses(CompileOptions &o, StringRef text) {
  auto [name, passes] = text.split(':');
  std::optional<Stage> stage;
  if (passes.empty())
    return llvm::createStringError("expected STAGE:PASSES; got '" + text + "'");
  if (Error error = readStage(name, stage))
    return error;
  o.extraPasses.emplace_back(*stage, passes.str());
  return Error::success();
}

/// "512M" to bytes.
static Error setMaxMemory(CompileOptions &o, StringRef text) {
  StringRef number = text;
  unsigned shift = number.consume_back_insensitive("k")   ? 10
                   : number.consume_back_insensitive("m") ? 20
                   : number.consume_back_insensitive("g") ? 30
                                                          : 0;
  uint64_t value;
  if (number.getAsInteger(10, value) || value == 0 || value > UINT64_MAX >> 30)
    return llvm::createStringError(
        "expected a size such as 512M or 2G; got '" + text + "'");
  o.maxMemory = value << shift;
  return Error::success();
}

static Error setReport(CompileOptions &o, StringRef text) {
  if (text.empty() || text == "true" || text == "false")
    o.report = text != "false";
  else
    o.reportFile = text.str();
  return Error::success();
}

/// SHARE or BAND:SHARE, several with commas between them: "1%" or "0.01" is 0.01.
static Error setMaxLoss(CompileOptions &o, StringRef text) {
  o.promises.clear();
  llvm::SmallVector<StringRef> items;
  text.split(items, ',');
  for (StringRef item : items) {
    auto [band, number] = item.contains(':') ? item.split(':') : std::pair(StringRef(), item);
    band = band.trim();
    std::optional<double> loss = parseShare(number.trim());
    if (!loss || *loss >= 1e6)
      return llvm::createStringError(
          "expected a share of at least 0, such as 1% or 0.01; got '" +
          number.trim() + "'");
    llvm::SmallVector<StringRef> known;
    for (int i = 0; i < rt::FrequencyBands::kCount; ++i)
      known.push_back(rt::FrequencyBands::nameOf(i));
    if (item.contains(':') && !llvm::is_contained(known, band))
      return refuse("band of token frequency", band, known);
    if (llvm::any_of(o.promises, [&, name = band](const LossPromise &other) { return other.band == name; }))
      return llvm::createStringError("two promises for " + (band.empty() ? "all tokens" : "the band '" + band.str() + "'"));
    o.promises.push_back({band.str(), *loss});
  }
  return Error::success();
}

static Error setObjective(CompileOptions &o, StringRef text) {
  static constexpr std::pair<llvm::StringLiteral, Objective> objectives[] = {
      {"size", Objective::Size},
      {"latency", Objective::Latency},
      {"cost", Objective::Cost},
  };
  llvm::SmallVector<StringRef> known;
  for (auto &[name, objective] : objectives) {
    known.push_back(name);
    if (name == text) {
      o.objective = objective;
      return Error::success();
    }
  }
  return refuse("objective", text, known);
}

static Error setPrice(CompileOptions &o, StringRef text) {
  double value;
  if (text.getAsDouble(value) || !(value >= 0 && value < 1e12))
    return llvm::createStringError("expected a price of at least 0; got '" +
                                   text + "'");
  o.pricePerHour = value;
  return Error::success();
}

static Error setQuery(CompileOptions &o, StringRef text) {
  auto [prompt, completion] = text.split(':');
  uint32_t counts[2];
  if (prompt.getAsInteger(10, counts[0]) ||
      completion.getAsInteger(10, counts[1]))
    return llvm::createStringError(
        "expected PROMPT:COMPLETION, tokens such as 500:150; got '" + text +
        "'");
  o.queryTokens = {counts[0], counts[1]};
  return Error::success();
}

template <auto Member>
static Error addToCalibration(CompileOptions &o, StringRef text) {
  (o.calibration.*Member).push_back(text.str());
  return Error::success();
}

template <auto Member>
static Error setCalibrationText(CompileOptions &o, StringRef text) {
  o.calibration.*Member = text.str();
  return Error::success();
}

template <auto Member>
static Error setCalibrationNumber(CompileOptions &o, StringRef text) {
  uint32_t number;
  if (text.getAsInteger(10, number) || number > INT32_MAX)
    return llvm::createStringError(
        "expected a whole number of at least 0; got '" + text + "'");
  o.calibration.*Member = number;
  return Error::success();
}

static Error setCalibrationInputs(CompileOptions &o, StringRef text) {
  if (text != "compressed" && text != "original")
    return refuse("source of inputs", text, {"compressed", "original"});
  o.calibration.fromOriginal = text == "original";
  return Error::success();
}

static Error setCalibrationFolder(CompileOptions &o, StringRef text) {
  o.calibration.folder = text.str();
  o.calibration.keepFolder = true;
  return Error::success();
}

static constexpr OptionInfo table[] = {
    {"recipe", Kind::Text, "NAME[:KEY=VALUE,...]",
     "how to compress: keep (as the file has it, the default), f32, f16, w8, "
     "w4, w3, w2, auto",
     setText<&CompileOptions::recipe>},
    {"group-size", Kind::Number, "n",
     "weights that share a scale, for the recipes w8 to w2; 0: a whole row",
     setNumber<&CompileOptions::groupSize>},
    {"pass-pipeline", Kind::Text, "passes",
     "passes that compress, instead of a recipe",
     setText<&CompileOptions::passPipeline>},
    {"calib", Kind::List, "file[:key=value,...]",
     "measure the inputs of layers on this data while compressing: text, JSON "
     "lines (.jsonl; key field), token ids (.ids) or, for any model, arrays "
     "named as its inputs, of which the leading dimension counts samples "
     "(.npz); key weight for its share (may be repeated)",
     addToCalibration<&CalibrationOptions::data>},
    {"traffic", Kind::List, "file[:key=value,...]",
     "data like what the model will be used on, in the forms of --calib: warn "
     "where the calibration is unlike it, in tokens, inputs of layers or "
     "perplexity (may be repeated)",
     addToCalibration<&CalibrationOptions::traffic>},
    {"calib-windows", Kind::Number, "n",
     "sequences of a text, or samples of a .npz file, to calibrate with "
     "(default 128)",
     setCalibrationNumber<&CalibrationOptions::windows>},
    {"calib-window", Kind::Number, "n", "tokens in each sequence of a text (default 256)",
     setCalibrationNumber<&CalibrationOptions::window>},
    {"calib-seed", Kind::Number, "n",
     "draw sequences at random places of the data, samples at random without "
     "putting them back (default: from its beginning)",
     setCalibrationNumber<&CalibrationOptions::seed>},
    {"calib-inputs", Kind::Text, "source",
     "what a block is measured with: what the blocks before it give when they "
     "are compressed (the default), or original",
     setCalibrationInputs},
    {"calib-dir", Kind::Text, "folder",
     "keep what calibration has measured here, also when it is done (default: "
     "OUT.calibration until then); an interrupted one goes on from it",
     setCalibrationFolder},
    {"save-statistics", Kind::Text, "file",
     "write what calibration measured, for the option stats of passes",
     setCalibrationText<&CalibrationOptions::statistics>},
    {"emit", Kind::Text, "kind",
     "what to write: so (an artifact, the default), exe (a program: terse-run "
     "and artifact in one), obj (an object to link to a program), llvm (LLVM "
     "IR of one CPU level), mlir (the llvm dialect of one CPU level)",
     setEmit},
    {"O0", Kind::Flag, "",
     "plain float code of every operation, the oracle of the rest",
     setFlag<&CompileOptions::plain>},
    {"levels", Kind::List, "level,...",
     "CPU levels to make code for: baseline, avx2, avx512vnni, avx512bf16 "
     "(default: all, the last where layers have bf16 weights)",
     setLevels},
    {"emulate-kernels", Kind::Text, "level",
     "for checks: run this level's kernels on any machine, their matrix "
     "instructions by definition (slow)",
     setText<&CompileOptions::emulatedKernels>},
    {"tuning", Kind::Text, "file",
     "choose the kernels of linear layers by these measurements (terse-bench "
     "--tune writes them; default: built-in tables)",
     setText<&CompileOptions::tuning>},
    {"keep-cache-io", Kind::Flag, "",
     "leave past and present keys and values as inputs and outputs",
     setFlag<&CompileOptions::keepCacheIO>},
    {"tokenizer", Kind::Text, "file",
     "tokenizer to embed (SentencePiece or llama2.c), or 'bytes'",
     setText<&CompileOptions::tokenizer>},
    {"context", Kind::Number, "n",
     "positions that the runtime makes room for unless told otherwise",
     setNumber<&CompileOptions::context>},
    {"stop-after", Kind::Text, "stage",
     "write the IR after this stage: import, normalize, compress, integerize, "
     "layout, kernel, target",
     setStopAfter},
    {"start-from", Kind::Text, "stage",
     "MODEL is the IR after this stage (as --stop-after wrote it): go on from "
     "it",
     setStartFrom},
    {"at", Kind::List, "stage:passes",
     "run these passes too, at the stage's end (may be repeated)",
     addExtraPasses},
    {"dump-ir-dir", Kind::Text, "folder",
     "write the IR after each pass to a numbered file",
     setText<&CompileOptions::dumpIRFolder>},
    {"threads", Kind::Number, "n",
     "threads to compile with (default: one a processor)",
     setNumber<&CompileOptions::threads>},
    {"max-memory", Kind::Text, "size",
     "use no more memory than this: bytes, or with K, M or G (default: what "
     "the machine has)",
     setMaxMemory},
    {"preflight", Kind::Flag, "",
     "say what the compile would take (memory, disk, time), or why it cannot "
     "be done, and stop",
     setFlag<&CompileOptions::preflight>},
    {"report", Kind::OptionalText, "file",
     "say what each pass did; with a file (.html or .json): write there what "
     "was compiled, sizes, layers, and with --eval quality, speed and cost",
     setReport},
    {"report-date", Kind::Text, "date",
     "date in the report's file (default: today)",
     setText<&CompileOptions::reportDate>},
    {"skip-pass-losses", Kind::Flag, "",
     "with --eval and a report's file: measure what the whole compression "
     "loses, but not, by a compile for each, what each of its passes adds",
     setFlag<&CompileOptions::skipPassLosses>},
    {"eval", Kind::Text, "file",
     "run the artifact and the original on this text and say what quality was "
     "lost",
     setText<&CompileOptions::evalText>},
    {"eval-window", Kind::Number, "n", "tokens in a window (default 256)",
     setNumber<&CompileOptions::evalWindow>},
    {"eval-windows", Kind::Number, "n",
     "only the first n windows (default 40); 0: all",
     setNumber<&CompileOptions::evalWindows>},
    {"max-loss", Kind::Text, "share",
     "raise the bits of layers until perplexity on the --eval text rises by no "
     "more than this, such as 1%, or 1%,rarest_1:5%,rarest_10:3% to promise "
     "bands of token frequency apart (the rarest 1 % of the text, what follows "
     "up to 10 %, the rest: rest); where that does not do, fail with the best "
     "artifact written",
     setMaxLoss},
    {"objective", Kind::Text, "what",
     "what the recipe auto makes as little as --max-loss allows: size (bytes, "
     "the default), latency (time of a decode step, by timing layers on this "
     "machine), cost (of a query of --query, prompt and completion)",
     setObjective},
    {"search-trials", Kind::Number, "n",
     "compile and measure at most so many models to keep --max-loss (default: "
     "as many as it takes)",
     setNumber<&CompileOptions::searchTrials>},
    {"search-dir", Kind::Text, "folder",
     "keep what the search has measured here, also when it is done (default: "
     "OUT.search until then); an interrupted one goes on from it",
     setText<&CompileOptions::searchFolder>},
    {"price-per-hour", Kind::Text, "price",
     "price of an hour of this machine, for the costs in the report's file",
     setPrice},
    {"query", Kind::Text, "prompt:completion",
     "tokens of a query, for its cost in the report's file",
     setQuery},
    {"load-pass-plugin", Kind::List, "file",
     "load passes from a shared object (may be repeated)",
     addToList<&CompileOptions::plugins>},
    {"load-dialect-plugin", Kind::List, "file",
     "load a dialect from a shared object (may be repeated)",
     addToList<&CompileOptions::plugins>},
};

llvm::ArrayRef<OptionInfo> terse::getOptions() { return table; }

Error terse::setOption(CompileOptions &options, StringRef name,
                       StringRef value) {
  llvm::SmallVector<StringRef> known;
  for (const OptionInfo &option : table) {
    known.push_back(option.name);
    if (option.name != name)
      continue;
    Error error = option.set(options, value);
    return error ? llvm::createStringError(name + ": " +
                                           llvm::toString(std::move(error)))
                 : Error::success();
  }
  return refuse("option", name, known);
}
