//===- LowerNorm.cpp - normalization to kernels ---------------------------===//
#include "Kernel/KernelDialect.h"
#include "Terse/TerseDialect.h"
#include "terse/Kernels/KernelSource.h"
#include "terse/Kernels/Rows.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"

namespace terse {
#define GEN_PASS_DEF_LOWERNORM
#include "kernel/LowerNorm/LowerNorm.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
constexpr int64_t kLanes = 16;

/// Writes the kernel (input [rows, C], scale [C][, bias [C]]) -> [rows, C].
class NormWriter {
public:
  NormWriter(NormOp op)
      : channels(op.getType().getShape().back()), element(op.getType().getElementType()),
        parameter(cast<RankedTensorType>(op.getScale().getType()).getElementType()),
        layer(op.getKind() == NormKind::Layer), bias(op.getBias()), epsilon(op.getEpsilon().convertToDouble()) {}

  static bool canWrite(NormOp op) {
    auto isFloat = [](Type type) { return type.isF32() || type.isF16() || type.isBF16(); };
    Type scale = cast<RankedTensorType>(op.getScale().getType()).getElementType();
    return op.getType().getRank() > 1 && !ShapedType::isDynamic(op.getType().getShape().back()) && op.getType().getShape().back() > 0 &&
           isFloat(op.getType().getElementType()) && isFloat(scale) &&
           (!op.getBias() || cast<RankedTensorType>(op.getBias().getType()).getElementType() == scale);
  }

  func::FuncOp write(ModuleOp module);

private:
  /// Loads `%name` = `$n` values of the memref `from` as f32.
  void load(StringRef name, StringRef from, StringRef at, StringRef memref, Type type) {
    source.set("v", name).set("from", from).set("at", at).set("memref", memref).set("S", typeText(type));
    if (type.isF32())
      source.add("    %$v = vector.load $from[$at] : $memref, vector<${n}xf32>");
    else
      source.add(R"(    %${v}_narrow = vector.load $from[$at] : $memref, vector<${n}x${S}>
    %$v = arith.extf %${v}_narrow : vector<${n}x${S}> to vector<${n}xf32>)");
  }
  /// %total = the sum over the row of what `body` makes of %x (named %term).
  void sum(StringRef total, StringRef body);
  /// Writes the results of `$n` columns at `%c`.
  void result();

  int64_t channels;
  Type element, parameter;
  bool layer, bias;
  double epsilon;
  KernelSource source;
};

struct LowerNorm : terse::impl::LowerNormBase<LowerNorm> {
  using LowerNormBase::LowerNormBase;
  void runOnOperation() override;
};
} // namespace

void NormWriter::sum(StringRef total, StringRef body) {
  int64_t whole = channels / kLanes * kLanes, rest = channels - whole;
  std::string memref = llvm::formatv("memref<?x{0}x{1}>", channels, typeText(element));
  source.set("total", total).set("n", kLanes).set("whole", whole).set("rest", rest);
  source.add(R"(    %${total}_end = arith.constant $whole : index
    %${total}_lanes = scf.for %c = %c0 to %${total}_end step %lanes iter_args(%sum = %zero_lanes) -> (vector<${n}xf32>) {)");
  load("x", "%input", "%row, %c", memref, element);
  source.add(body);
  source.add(R"(    %next = arith.addf %sum, %term : vector<${n}xf32>
    scf.yield %next : vector<${n}xf32>
    }
    %${total}_whole = vector.reduction <add>, %${total}_lanes : vector<${n}xf32> into f32)");
  if (!rest) {
    source.add("    %$total = arith.addf %${total}_whole, %zero : f32");
    return;
  }
  source.set("n", rest);
  source.add(R"(    %$total = scf.execute_region -> f32 {)");
  load("x", "%input", std::string("%row, %") + total.str() + "_end", memref, element);
  source.add(body);
  source.add(R"(    %tail = vector.reduction <add>, %term, %${total}_whole : vector<${n}xf32> into f32
    scf.yield %tail : f32
    })");
}

void NormWriter::result() {
  std::string memref = llvm::formatv("memref<?x{0}x{1}>", channels, typeText(element));
  std::string vector = llvm::formatv("memref<{0}x{1}>", channels, typeText(parameter));
  load("x", "%input", "%row, %c", memref, element);
  load("s", "%scale", "%c", vector, parameter);
  source.add("    %inverse_v = vector.broadcast %inverse : f32 to vector<${n}xf32>");
  if (layer)
    source.add(R"(    %mean_v = vector.broadcast %mean : f32 to vector<${n}xf32>
    %moved = arith.subf %x, %mean_v : vector<${n}xf32>
    %unit = arith.mulf %moved, %inverse_v : vector<${n}xf32>)");
  else
    source.add("    %unit = arith.mulf %x, %inverse_v : vector<${n}xf32>");
  source.add("    %scaled = arith.mulf %unit, %s : vector<${n}xf32>");
  source.set("y", "%scaled");
  if (bias) {
    load("b", "%bias", "%c", vector, parameter);
    source.add("    %shifted = arith.addf %scaled, %b : vector<${n}xf32>");
    source.set("y", "%shifted");
  }
  source.set("T", typeText(element));
  if (!element.isF32()) {
    source.add("    %rounded = arith.truncf $y : vector<${n}xf32> to vector<${n}x${T}>");
    source.set("y", "%rounded");
  }
  source.add("    vector.store $y, %out[%row, %c] : memref<?x${C}x${T}>, vector<${n}x${T}>");
}

func::FuncOp NormWriter::write(ModuleOp module) {
  std::string name = llvm::formatv("norm_{0}{1}_c{2}_{3}{4}_e{5:x-}", layer ? "layer" : "rms", bias ? "_bias" : "", channels,
                                   typeText(element), typeText(parameter), llvm::bit_cast<uint64_t>(epsilon));
  source.set("name", name).set("C", channels).set("T", typeText(element)).set("P", typeText(parameter));
  source.set("n", kLanes).set("epsilon", floatText(epsilon)).set("count", floatText(channels));
  source.set("biasArg", "");
  if (bias)
    source.set("biasArg", llvm::formatv(" %bias: memref<{0}x{1}>,", channels, typeText(parameter)).str());
  source.add(R"(func.func @$name(%input: memref<?x${C}x${T}>, %scale: memref<${C}x${P}>,$biasArg
    %out: memref<?x${C}x${T}>, %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %lanes = arith.constant $n : index
  %columns = arith.constant $C : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %zero_lanes = arith.constant dense<0.0> : vector<${n}xf32>
  %epsilon = arith.constant $epsilon : f32
  %count = arith.constant $count : f32
  %rows = memref.dim %input, %c0 : memref<?x${C}x${T}>
  scf.for %row = %thread to %rows step %threads {)");
  if (layer) {
    sum("plain", "    %term = arith.bitcast %x : vector<${n}xf32> to vector<${n}xf32>");
    source.add("    %mean = arith.divf %plain, %count : f32");
    sum("squares", R"(    %mean_v = vector.broadcast %mean : f32 to vector<${n}xf32>
    %moved = arith.subf %x, %mean_v : vector<${n}xf32>
    %term = arith.mulf %moved, %moved : vector<${n}xf32>)");
  } else {
    sum("squares", "    %term = arith.mulf %x, %x : vector<${n}xf32>");
  }
  source.add(R"(    %variance = arith.divf %squares, %count : f32
    %safe = arith.addf %variance, %epsilon : f32
    %deviation = math.sqrt %safe : f32
    %inverse = arith.divf %one, %deviation : f32)");
  int64_t whole = channels / kLanes * kLanes;
  source.set("n", kLanes).set("whole", whole);
  source.add("    %end = arith.constant $whole : index\n    scf.for %c = %c0 to %end step %lanes {");
  result();
  source.add("    }");
  if (channels > whole) {
    source.set("n", channels - whole);
    source.add("    scf.for %c = %end to %columns step %lanes {");
    result();
    source.add("    }");
  }
  source.add("  }\n  return\n}");
  return getOrAddKernel(module, name, source);
}

void LowerNorm::runOnOperation() {
  SmallVector<NormOp> norms;
  getOperation()->walk([&](NormOp op) {
    if (NormWriter::canWrite(op))
      norms.push_back(op);
  });
  for (NormOp op : norms) {
    func::FuncOp kernel = NormWriter(op).write(getOperation());
    if (!kernel)
      return signalPassFailure();
    OpBuilder builder(op);
    Location loc = op.getLoc();
    Value input = toRows(builder, op.getInput());
    Value count = tensor::DimOp::create(builder, loc, input, 0);
    Value out = tensor::EmptyOp::create(builder, loc, {ShapedType::kDynamic, op.getType().getShape().back()},
                                        op.getType().getElementType(), ValueRange{count});
    SmallVector<Value> inputs = {input, op.getScale()};
    if (op.getBias())
      inputs.push_back(op.getBias());
    Value rows = kernel::LaunchOp::create(builder, loc, TypeRange{out.getType()}, kernel.getSymName(), inputs, ValueRange{out},
                                          /*serial=*/false)
                     .getResult(0);
    Value result = fromRows(builder, rows, op.getType(), op.getInput());
    op.replaceAllUsesWith(result);
    op.erase();
  }
}
