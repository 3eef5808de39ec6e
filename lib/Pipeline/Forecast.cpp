//===- Forecast.cpp - what a compile will take ----------------------------===//
#include "terse/Pipeline/Forecast.h"

#include "ForecastCalibration.h"

#include "Kernel/PackedLayout.h"
#include "Terse/TerseDialect.h"
#include "compress/QuantizeWeights/QuantizeTensor.h"
#include "compress/Rounding/Rounding.h"
#include "terse/Support/CPULevel.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Threading.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Regex.h"

#include <chrono>

using namespace mlir;
using namespace terse;

// Measured on compiles of Llamas of 0.1 M to 1.1 G parameters. Memory: programs
// and libraries, as far as they are used until weights are done and, much more
// of LLVM, until code is; an operation of the model through all stages, and in
// each level that is compiled beside others.
static constexpr double kStartMemory = 116e6, kCodeMemory = 162e6,
                        kLevelMemory = 22.5e6, kOperationMemory = 9e3,
                        kLevelOperationMemory = 8.5e3;
// Time of one thread where a value is rounded to 4 bits in kRoundingTime: the
// start, a level's code, an operation in it, a byte of weights on its way from
// file to file.
static constexpr double kRoundingTime = 30e-9, kStartTime = 0.3,
                        kLevelTime = 1.8, kOperationTime = 2e-3,
                        kByteTime = 2e-9;
// Memory that is asked for at least must do: forecasts are that far off.
static constexpr double kMargin = 1.1;

std::string terse::formatBytes(uint64_t bytes) {
  return llvm::formatv("{0:f1} MB", bytes * 1e-6).str();
}

namespace {
/// The options of a pass in a textual pipeline; what is not given is as the
/// pass has it.
class PassText {
public:
  PassText(llvm::StringRef pipeline, llvm::StringRef pass) {
    size_t at = pipeline.find(pass);
    if (at == llvm::StringRef::npos)
      return;
    isThere = true;
    llvm::StringRef rest = pipeline.drop_front(at + pass.size());
    if (rest.consume_front("{"))
      rest.take_until([](char c) { return c == '}'; }).split(options, ' ');
  }
  explicit operator bool() const { return isThere; }

  llvm::StringRef get(llvm::StringRef key, llvm::StringRef otherwise) const {
    for (llvm::StringRef option : options)
      if (option.split('=').first == key)
        return option.split('=').second;
    return otherwise;
  }
  int64_t get(llvm::StringRef key, int64_t otherwise) const {
    int64_t value;
    return get(key, "").getAsInteger(10, value) ? otherwise : value;
  }

private:
  bool isThere = false;
  llvm::SmallVector<llvm::StringRef> options;
};

/// Sums up what becomes of each weight.
class Sizes {
public:
  Sizes(const ForecastOptions &options, MLIRContext *context)
      : options(options), context(context),
        quantize(options.compress, "terse-quantize-weights"),
        convert(options.compress, "terse-convert-weights"),
        rotate(options.compress, "terse-rotate-hadamard"),
        isTwoOfFour(llvm::any_of(
            llvm::ArrayRef<llvm::StringRef>{"terse-prune-magnitude", "terse-prune-wanda", "terse-prune-sparsegpt"},
            [&](llvm::StringRef pass) { return PassText(options.compress, pass).get("pattern", "") == "2:4"; })),
        included(quantize.get("layers", "")),
        excluded(quantize.get("exclude", "")) {}

  void addLayer(LinearLike layer, WeightOp weight);
  void addTable(WeightOp weight);
  void addOther(WeightOp weight);
  void finish(Forecast &forecast) const;
  /// Whether layers are computed from packed float weights of this type.
  bool hasFloats(llvm::StringRef element) const { return floats.contains(element); }

private:
  /// Stored and, meanwhile, as codes in rows.
  struct Bytes {
    uint64_t stored = 0, rows = 0;
  };
  SchemeAttr scheme(int64_t bits, int64_t group) const;
  Bytes measure(int64_t n, int64_t k, SchemeAttr scheme, bool packed, bool sparse = false) const;
  /// The element type that a weight is stored in unless it is quantized.
  std::string getElement(WeightOp weight) const;
  uint64_t elementBytes(WeightOp weight) const;
  void note(WeightOp weight, Bytes bytes, Value input);

  const ForecastOptions &options;
  MLIRContext *context;
  PassText quantize, convert, rotate;
  bool isTwoOfFour; ///< two weights of four are left
  llvm::Regex included, excluded;
  uint64_t stored = 0, quantized = 0, memory = 0, twice = 0, rotated = 0;
  std::string largest;
  llvm::StringSet<> floats; ///< element types of layers' weights
  /// Layers of one input are merged.
  llvm::DenseMap<Value, uint64_t> ofInput;
};
} // namespace

SchemeAttr Sizes::scheme(int64_t bits, int64_t group) const {
  bool symmetric = quantize.get("symmetric", "true") != "false";
  llvm::StringRef text = quantize.get("scale", "f16");
  // A scale for a row needs no other scale.
  Type scale = text == "f32"            ? Type(Float32Type::get(context))
               : text == "i8" && group != 0 ? Type(IntegerType::get(context, 8))
                                            : Type(Float16Type::get(context));
  ZeroPoint zero = quantize.get("method", "rtn") == "hqq" ? ZeroPoint::Float
                   : symmetric                            ? ZeroPoint::None
                                                          : ZeroPoint::Integer;
  return SchemeAttr::get(context, IntegerType::get(context, bits), group,
                         scale, zero, Codebook::Linear); // a table is no larger
}

Sizes::Bytes Sizes::measure(int64_t n, int64_t k, SchemeAttr scheme,
                            bool packed, bool sparse) const {
  uint64_t perGroup = scheme.getScale().getIntOrFloatBitWidth() / 8;
  if (!scheme.isSymmetric())
    perGroup += scheme.getZeroType().getIntOrFloatBitWidth() / 8;
  uint64_t groups = scheme.getNumGroups(k) * perGroup + (scheme.hasRowScales() ? 4 : 0);
  uint64_t rows = n * (scheme.getRowBytes(k) + groups);
  kernel::PackedLayout layout(n, k, scheme, sparse && kernel::PackedLayout::canBeSparse(scheme));
  uint64_t panels =
      kernel::getNumPanels(n) *
      (layout.getPanelBytes() + groups * kernel::kPanelColumns);
  return {packed ? panels : rows, rows};
}

std::string Sizes::getElement(WeightOp weight) const {
  Type type = weight.getType().getElementType();
  std::string text = convert.get("to", "keep").str();
  if (isa<FloatType>(type) && text != "keep")
    return text;
  text.clear();
  llvm::raw_string_ostream(text) << type;
  return text;
}

uint64_t Sizes::elementBytes(WeightOp weight) const {
  std::string element = getElement(weight);
  unsigned bits = element == "f32"                        ? 32
                  : element == "f16" || element == "bf16" ? 16
                                                          : weight.getType().getElementTypeBitWidth();
  return std::max(bits / 8, 1u);
}

void Sizes::note(WeightOp weight, Bytes bytes, Value input) {
  stored += bytes.stored;
  uint64_t source = getByteSize(weight.getType()).value_or(0);
  uint64_t before = input ? ofInput[input] : 0, together = before + bytes.stored;
  if (input)
    ofInput[input] = together;
  // What a pass made is there until the next has made its own of it.
  if (bytes.rows || before)
    twice = std::max(twice, together);
  // The source is mapped while rows are made; then rows while panels are.
  uint64_t needed = std::max(source + bytes.rows, 2 * together);
  // The rotated weight is a new one, made as floats.
  if (rotate) {
    rotated += source;
    needed = std::max(needed, source + 4 * uint64_t(weight.getType().getNumElements()));
  }
  if (needed > memory) {
    memory = needed;
    largest = weight.getName().str();
  }
}

void Sizes::addLayer(LinearLike layer, WeightOp weight) {
  RankedTensorType type = weight.getType();
  int64_t k = type.getDimSize(layer.getReductionAxis());
  int64_t n = k ? type.getNumElements() / k : 0;
  bool head = isHead(layer);
  auto attr = layer->getAttrOfType<StringAttr>("name");
  llvm::StringRef name = attr ? attr.getValue() : weight.getName();
  int64_t bits = quantize ? quantize.get(head ? "head-bits" : "bits", head ? 8 : 4) : 0;
  if (!quantize.get("layers", "").empty() && !included.match(name))
    bits = 0;
  if (!quantize.get("exclude", "").empty() && excluded.match(name))
    bits = 0;
  Bytes bytes;
  if (bits && isa<FloatType>(type.getElementType()) && n) {
    int64_t group = quantize.get("group-size", 32);
    if (head && quantize.get("head-group-size", -1) >= 0)
      group = quantize.get("head-group-size", -1);
    // Pruning passes leave the head.
    bytes = measure(n, k, scheme(bits, group >= k ? 0 : group), options.optimize, isTwoOfFour && !head);
    quantized += type.getNumElements();
  } else {
    int64_t panels = kernel::getNumPanels(n) * kernel::kPanelColumns;
    bytes.stored = (options.optimize ? panels : n) * k * elementBytes(weight);
    if (options.optimize)
      floats.insert(getElement(weight));
  }
  note(weight, bytes, options.optimize ? layer->getOperand(0) : Value());
}

void Sizes::addTable(WeightOp weight) {
  RankedTensorType type = weight.getType();
  int64_t bits = quantize ? quantize.get("embedding-bits", 0) : 0;
  Bytes bytes;
  if (bits && isa<FloatType>(type.getElementType()) && type.getRank() == 2) {
    bytes = measure(type.getDimSize(0), type.getDimSize(1),
                    scheme(bits, quantize.get("embedding-group-size", 0)),
                    /*packed=*/false);
    quantized += type.getNumElements();
  } else {
    bytes.stored = type.getNumElements() * elementBytes(weight);
  }
  note(weight, bytes, Value());
}

void Sizes::addOther(WeightOp weight) {
  note(weight, {getByteSize(weight.getType()).value_or(0), 0}, Value());
}

void Sizes::finish(Forecast &forecast) const {
  forecast.artifactBytes = stored;
  forecast.diskBytes = stored + twice + rotated;
  forecast.weightMemoryBytes = memory;
  forecast.largestWeight = largest;
  forecast.quantizedValues = quantized;
}

/// Seconds that a thread takes to round a value, while all threads do.
static double measureRounding(MLIRContext *context, unsigned threads) {
  constexpr int64_t kValues = 1 << 16, kRepeats = 4;
  using Clock = std::chrono::steady_clock;
  std::vector<float> row(kValues);
  uint32_t state = 1;
  for (float &value : row) {
    state = state * 1664525 + 1013904223;
    value = static_cast<int32_t>(state) * 0x1p-31f;
  }
  Clock::time_point begin = Clock::now();
  parallelFor(context, 0, threads * kRepeats, [&](size_t) {
    std::vector<uint8_t> codes(kValues), zeros(kValues / 32);
    std::vector<float> scales(kValues / 32);
    RowRounding(RoundingOptions(), kValues).round(row, codes, scales, zeros);
  });
  return std::chrono::duration<double>(Clock::now() - begin).count() /
         (kValues * kRepeats);
}

Forecast terse::forecastCompile(ModuleOp module,
                                const ForecastOptions &options) {
  Forecast forecast;
  Sizes sizes(options, module.getContext());
  int64_t numOperations = 0;
  module.walk([&](Operation *op) {
    ++numOperations;
    auto weight = dyn_cast<WeightOp>(op);
    if (!weight || weight->use_empty())
      return;
    forecast.parameters += weight.getType().getNumElements();
    forecast.sourceBytes += getByteSize(weight.getType()).value_or(0);
    // A tied table is stored for each of its uses.
    bool known = false;
    for (Operation *user : weight->getUsers()) {
      while (isa<arith::ExtFOp, arith::TruncFOp>(user) && user->hasOneUse())
        user = *user->user_begin();
      if (auto layer = dyn_cast<LinearLike>(user))
        sizes.addLayer(layer, weight);
      else if (isa<EmbeddingOp>(user))
        sizes.addTable(weight);
      else
        continue;
      known = true;
    }
    if (!known)
      sizes.addOther(weight);
  });
  sizes.finish(forecast);
  for (const CPULevel *level : selectCPULevels(options.levels, [&](llvm::StringRef element) { return sizes.hasFloats(element); }))
    forecast.levels.push_back(level->name.str());
  unsigned numLevels = forecast.levels.size();
  // Code and manifest.
  uint64_t codeBytes = numLevels * (60000 + 200 * numOperations);
  forecast.artifactBytes += codeBytes;
  forecast.diskBytes += codeBytes;
  forecast.weightMemoryBytes +=
      kStartMemory + kOperationMemory * numOperations;
  auto codeMemory = [&](unsigned levels) {
    return uint64_t(
        kCodeMemory + kLevelMemory * (numLevels - 1) +
        numOperations * (kOperationMemory + levels * kLevelOperationMemory));
  };
  unsigned beside = std::min(options.threads, numLevels);
  forecast.codeMemoryBytes = codeMemory(beside);
  CalibrationForecast calibration;
  if (options.calibration) {
    calibration = forecastCalibration(module, options);
    forecast.calibrationDiskBytes = calibration.diskBytes;
    forecast.diskBytes += calibration.diskBytes;
    // Blocks are compiled for this machine's level alone.
    forecast.calibrationMemoryBytes = calibration.memoryBytes + kCodeMemory + numOperations * kOperationMemory;
  }
  forecast.memoryBytes =
      std::max({forecast.weightMemoryBytes, forecast.codeMemoryBytes, forecast.calibrationMemoryBytes});
  forecast.leastMemoryBytes =
      kMargin * std::max({forecast.weightMemoryBytes, codeMemory(1), forecast.calibrationMemoryBytes});

  double rounding = measureRounding(module.getContext(), options.threads);
  double code = numLevels * (kLevelTime + kOperationTime * numOperations);
  forecast.calibrationSeconds = rounding / kRoundingTime * (calibration.codeSeconds + calibration.arithmeticSeconds);
  forecast.seconds =
      forecast.calibrationSeconds + forecast.quantizedValues * rounding / options.threads +
      rounding / kRoundingTime *
          (kStartTime + code / std::min(beside, 2u) +
           (forecast.sourceBytes + forecast.artifactBytes) * kByteTime);
  return forecast;
}
