//===- QuantizeRows.cpp - rounds activations to 8 bits --------------------===//
#include "Kernels.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
using namespace terse::linear;

namespace {
constexpr int64_t kLanes = 16;

struct Writer {
  const QuantizedRows &shape;
  const NormSource *norm;
  KernelSource source;

  /// Defines %x: the `$n` columns at %c.
  void load() {
    if (norm)
      norm->addValue(source, "x");
    else
      source.add("      %x = vector.load %input[%row, %c] : memref<?x${K}xf32>, vector<${n}xf32>");
  }
  void group(int64_t size);
};
} // namespace

/// The magnitudes of %x, `$n` lanes.
static const char *kMax = R"(      %abs = math.absf %x : vector<${n}xf32>)";

/// Rounds `$n` columns at %c (to %to of the codes): ties to even by adding and subtracting 1.5 * 2^23.
static const char *kRound = R"(      %scale_v = vector.broadcast %divisor : f32 to vector<${n}xf32>
      %magic = arith.constant dense<12582912.0> : vector<${n}xf32>
      %unit_x = arith.divf %x, %scale_v : vector<${n}xf32>
      %shifted = arith.addf %unit_x, %magic : vector<${n}xf32>
      %whole_x = arith.subf %shifted, %magic : vector<${n}xf32>
      %wide = arith.fptosi %whole_x : vector<${n}xf32> to vector<${n}xi32>
      %code = arith.trunci %wide : vector<${n}xi32> to vector<${n}xi8>
      vector.store %code, %codes[%row, %to] : memref<?x${depth}xi8>, vector<${n}xi8>
      %part = vector.reduction <add>, %wide : vector<${n}xi32> into i32)";

void Writer::group(int64_t size) {
  // %begin: first column; %base: first code; %g: the group.
  int64_t whole = size / kLanes * kLanes, rest = size - whole;
  source.set("n", kLanes).set("size", whole);
  source.add(R"(    %whole = arith.constant $size : index
    %whole_sum = scf.for %j = %c0 to %whole step %lanes iter_args(%sum = %no_sum) -> (i32) {
      %c = arith.addi %begin, %j : index
      %to = arith.addi %base, %j : index)");
  load();
  source.add(kRound);
  source.add(R"(      %next = arith.addi %sum, %part : i32
      scf.yield %next : i32
    })");
  if (rest) {
    source.set("n", rest);
    source.add(R"(    %group_sum = scf.execute_region -> i32 {
      %c = arith.addi %begin, %whole : index
      %to = arith.addi %base, %whole : index)");
    load();
    source.add(kRound);
    source.add(R"(      %next = arith.addi %whole_sum, %part : i32
      scf.yield %next : i32
    })");
  } else {
    source.add("    %group_sum = arith.addi %whole_sum, %no_sum : i32");
  }
  source.add("    memref.store %group_sum, %sums[%row, %g] : memref<?x${G}xi32>");
  int64_t padding = (size + shape.unit - 1) / shape.unit * shape.unit - size;
  if (padding) {
    source.set("n", padding).set("size", size);
    source.add(R"(    %end_of_codes = arith.constant $size : index
    %pad_at = arith.addi %base, %end_of_codes : index
    %zeros = arith.constant dense<0> : vector<${n}xi8>
    vector.store %zeros, %codes[%row, %pad_at] : memref<?x${depth}xi8>, vector<${n}xi8>)");
  }
}

func::FuncOp linear::getQuantizeRowsKernel(ModuleOp module, const QuantizedRows &shape, const NormSource *norm) {
  std::string name = llvm::formatv("quantize_rows_k{0}g{1}u{2}", shape.k, shape.group, shape.unit);
  if (norm)
    name = norm->getName() + "_" + name;
  Writer writer{shape, norm, {}};
  KernelSource &source = writer.source;
  int64_t whole = shape.k / kLanes * kLanes, rest = shape.k - whole;
  source.set("name", name).set("K", shape.k).set("depth", shape.depth()).set("G", shape.groups());
  source.set("n", kLanes).set("whole", whole).set("group", shape.group).set("padded", shape.paddedGroup());
  source.set("arguments", norm ? norm->getArguments() : "");
  source.add(R"(func.func @$name(%input: memref<?x${K}xf32>,$arguments
    %codes: memref<?x${depth}xi8>, %sums: memref<?x${G}xi32>,
    %scales: memref<?xf32>, %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %lanes = arith.constant $n : index
  %no_sum = arith.constant 0 : i32
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %largest_code = arith.constant 127.0 : f32
  %zero_lanes = arith.constant dense<0.0> : vector<${n}xf32>
  %columns = arith.constant $whole : index
  %group_size = arith.constant $group : index
  %padded_size = arith.constant $padded : index
  %rows = memref.dim %input, %c0 : memref<?x${K}xf32>
  scf.for %row = %thread to %rows step %threads {)");
  if (norm)
    norm->addStatistics(source);
  source.set("n", kLanes);
  source.add("    %highs = scf.for %c = %c0 to %columns step %lanes iter_args(%high = %zero_lanes) -> (vector<${n}xf32>) {");
  writer.load();
  source.add(kMax);
  source.add(R"(      %higher = arith.maximumf %high, %abs : vector<${n}xf32>
      scf.yield %higher : vector<${n}xf32>
    }
    %most = vector.reduction <maximumf>, %highs : vector<${n}xf32> into f32)");
  if (rest) {
    source.set("n", rest);
    source.add(R"(    %high_rest = scf.execute_region -> f32 {
      %c = arith.addi %columns, %c0 : index)");
    writer.load();
    source.add(kMax);
    source.add(R"(      %higher = vector.reduction <maximumf>, %abs, %most : vector<${n}xf32> into f32
      scf.yield %higher : f32
    })");
  } else {
    source.add("    %high_rest = arith.maximumf %most, %zero : f32");
  }
  source.add(R"(    %row_scale = arith.divf %high_rest, %largest_code : f32
    memref.store %row_scale, %scales[%row] : memref<?xf32>
    %is_zero = arith.cmpf oeq, %row_scale, %zero : f32
    %divisor = arith.select %is_zero, %one, %row_scale : f32)");
  if (shape.groups() > 1) {
    source.set("last", shape.groups() - 1);
    source.add(R"(    %last = arith.constant $last : index
    scf.for %g = %c0 to %last step %c1 {
    %begin = arith.muli %g, %group_size : index
    %base = arith.muli %g, %padded_size : index)");
    writer.group(shape.group);
    source.add("    }");
  }
  source.set("last", shape.groups() - 1);
  source.add(R"(    %g = arith.constant $last : index
    %begin = arith.muli %g, %group_size : index
    %base = arith.muli %g, %padded_size : index)");
  writer.group(shape.lastGroup());
  source.add("  }\n  return\n}");
  return getOrAddKernel(module, name, source);
}
