//===- RoundRows.cpp - rounds activations to bf16 -------------------------===//
#include "Kernels.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
using namespace terse::linear;

static constexpr int64_t kLanes = 16;

/// Rounds the `$n` columns at %c.
static void writeColumns(KernelSource &source, Type element, const NormSource *norm) {
  if (norm)
    norm->addRoundedValue(source, "x");
  else
    addInput(source, element, "x", "%c");
  source.add(R"(      %short = arith.truncf %x : vector<${n}xf32> to vector<${n}xbf16>
      vector.store %short, %rounded[%row, %c] : memref<?x${depth}xbf16>, vector<${n}xbf16>)");
}

func::FuncOp linear::getRoundRowsKernel(ModuleOp module, int64_t k, Type element, const NormSource *norm) {
  std::string name = llvm::formatv("round_rows_k{0}", k);
  if (norm)
    name = norm->getName() + "_" + name;
  else if (!element.isF32())
    name += "_" + typeText(element);
  int64_t depth = getRoundedDepth(k), whole = k / kLanes * kLanes, rest = k - whole;
  KernelSource source;
  source.set("name", name).set("K", k).set("I", typeText(element)).set("depth", depth).set("n", kLanes).set("whole", whole);
  source.set("arguments", norm ? norm->getArguments() : "");
  source.add(R"(func.func @$name(%input: memref<?x${K}x${I}>,$arguments %rounded: memref<?x${depth}xbf16>, %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %lanes = arith.constant $n : index
  %zero = arith.constant 0.0 : f32
  %columns = arith.constant $whole : index
  %rows = memref.dim %input, %c0 : memref<?x${K}x${I}>
  scf.for %row = %thread to %rows step %threads {)");
  if (norm)
    norm->addStatistics(source);
  source.set("n", kLanes).add("    scf.for %c = %c0 to %columns step %lanes {");
  writeColumns(source, element, norm);
  source.add("    }");
  if (rest) {
    source.set("n", rest).add("    scf.execute_region {\n      %c = arith.addi %columns, %c0 : index");
    writeColumns(source, element, norm);
    source.add("      scf.yield\n    }");
  }
  if (k % 2)
    source.add(R"(    %end = arith.constant $K : index
    %nothing = arith.constant 0.0 : bf16
    memref.store %nothing, %rounded[%row, %end] : memref<?x${depth}xbf16>)");
  source.add("  }\n  return\n}");
  return getOrAddKernel(module, name, source);
}
