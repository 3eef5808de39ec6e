//===- NormSource.cpp - normalization of a row as kernel text -------------===//
#include "terse/Kernels/NormSource.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;

static constexpr int64_t kLanes = 16;

NormSource::NormSource(NormOp op)
    : channels(op.getType().getShape().back()), element(op.getType().getElementType()),
      parameter(cast<RankedTensorType>(op.getScale().getType()).getElementType()), layer(op.getKind() == NormKind::Layer),
      bias(op.getBias()), epsilon(op.getEpsilon().convertToDouble()) {}

bool NormSource::canWrite(NormOp op) {
  auto isFloat = [](Type type) { return type.isF32() || type.isF16() || type.isBF16(); };
  Type scale = cast<RankedTensorType>(op.getScale().getType()).getElementType();
  return op.getType().getRank() > 1 && !ShapedType::isDynamic(op.getType().getShape().back()) &&
         op.getType().getShape().back() > 0 && isFloat(op.getType().getElementType()) && isFloat(scale) &&
         (!op.getBias() || cast<RankedTensorType>(op.getBias().getType()).getElementType() == scale);
}

std::string NormSource::getName() const {
  return llvm::formatv("norm_{0}{1}_c{2}_{3}{4}_e{5:x-}", layer ? "layer" : "rms", bias ? "_bias" : "", channels,
                       typeText(element), typeText(parameter), llvm::bit_cast<uint64_t>(epsilon));
}

SmallVector<Value> NormSource::getParameters(NormOp op) const {
  SmallVector<Value> parameters = {op.getScale()};
  if (bias)
    parameters.push_back(op.getBias());
  return parameters;
}

std::string NormSource::getArguments() const {
  std::string vector = llvm::formatv("memref<{0}x{1}>", channels, typeText(parameter));
  return " %scale: " + vector + "," + (bias ? " %bias: " + vector + "," : "");
}

void NormSource::addLoad(KernelSource &source, StringRef name, StringRef from, StringRef at, StringRef memref,
                         Type type) const {
  source.set("v", name).set("from", from).set("at", at).set("memref", memref).set("S", typeText(type));
  if (type.isF32())
    source.add("    %$v = vector.load $from[$at] : $memref, vector<${n}xf32>");
  else
    source.add(R"(    %${v}_narrow = vector.load $from[$at] : $memref, vector<${n}x${S}>
    %$v = arith.extf %${v}_narrow : vector<${n}x${S}> to vector<${n}xf32>)");
}

/// %total = the sum over the row of what `body` makes of %norm_x (named %term).
void NormSource::addSum(KernelSource &source, StringRef total, StringRef body) const {
  int64_t whole = channels / kLanes * kLanes, rest = channels - whole;
  std::string memref = llvm::formatv("memref<?x{0}x{1}>", channels, typeText(element));
  source.set("total", total).set("n", kLanes).set("whole", whole);
  source.add(R"(    %${total}_end = arith.constant $whole : index
    %${total}_none = arith.constant dense<0.0> : vector<${n}xf32>
    %${total}_lanes = scf.for %c = %c0 to %${total}_end step %lanes iter_args(%sum = %${total}_none) -> (vector<${n}xf32>) {)");
  addLoad(source, "norm_x", "%input", "%row, %c", memref, element);
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
  source.add("    %$total = scf.execute_region -> f32 {");
  addLoad(source, "norm_x", "%input", ("%row, %" + total + "_end").str(), memref, element);
  source.add(body);
  source.add(R"(    %tail = vector.reduction <add>, %term, %${total}_whole : vector<${n}xf32> into f32
    scf.yield %tail : f32
    })");
}

void NormSource::addStatistics(KernelSource &source) const {
  source.set("epsilon", floatText(epsilon)).set("count", floatText(channels));
  source.add(R"(    %epsilon = arith.constant $epsilon : f32
    %count = arith.constant $count : f32
    %unit_deviation = arith.constant 1.0 : f32)");
  if (layer) {
    addSum(source, "plain", "    %term = arith.bitcast %norm_x : vector<${n}xf32> to vector<${n}xf32>");
    source.add("    %mean = arith.divf %plain, %count : f32");
    addSum(source, "squares", R"(    %mean_v = vector.broadcast %mean : f32 to vector<${n}xf32>
    %moved = arith.subf %norm_x, %mean_v : vector<${n}xf32>
    %term = arith.mulf %moved, %moved : vector<${n}xf32>)");
  } else {
    addSum(source, "squares", "    %term = arith.mulf %norm_x, %norm_x : vector<${n}xf32>");
  }
  source.add(R"(    %variance = arith.divf %squares, %count : f32
    %safe = arith.addf %variance, %epsilon : f32
    %deviation = math.sqrt %safe : f32
    %inverse = arith.divf %unit_deviation, %deviation : f32)");
}

void NormSource::addValue(KernelSource &source, StringRef name) const {
  std::string memref = llvm::formatv("memref<?x{0}x{1}>", channels, typeText(element));
  std::string vector = llvm::formatv("memref<{0}x{1}>", channels, typeText(parameter));
  addLoad(source, "norm_x", "%input", "%row, %c", memref, element);
  addLoad(source, "norm_s", "%scale", "%c", vector, parameter);
  source.set("y", name);
  source.add("    %inverse_v = vector.broadcast %inverse : f32 to vector<${n}xf32>");
  if (layer)
    source.add(R"(    %mean_v = vector.broadcast %mean : f32 to vector<${n}xf32>
    %moved = arith.subf %norm_x, %mean_v : vector<${n}xf32>
    %unit = arith.mulf %moved, %inverse_v : vector<${n}xf32>)");
  else
    source.add("    %unit = arith.mulf %norm_x, %inverse_v : vector<${n}xf32>");
  if (!bias) {
    source.add("    %$y = arith.mulf %unit, %norm_s : vector<${n}xf32>");
    return;
  }
  addLoad(source, "norm_b", "%bias", "%c", vector, parameter);
  source.set("y", name);
  source.add(R"(    %scaled = arith.mulf %unit, %norm_s : vector<${n}xf32>
    %$y = arith.addf %scaled, %norm_b : vector<${n}xf32>)");
}

void NormSource::addRoundedValue(KernelSource &source, StringRef name) const {
  if (element.isF32())
    return addValue(source, name);
  addValue(source, (name + "_exact").str());
  source.set("y", name).set("S", typeText(element));
  source.add(R"(    %${y}_narrow = arith.truncf %${y}_exact : vector<${n}xf32> to vector<${n}x${S}>
    %$y = arith.extf %${y}_narrow : vector<${n}x${S}> to vector<${n}xf32>)");
}
