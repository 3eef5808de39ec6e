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
  Type element;
  const NormSource *norm;
  GridAttr grid; ///< null: each token's
  bool fma;      ///< the level multiplies and adds in one rounding
  KernelSource source;

  /// Defines %x: the `$n` columns at %c.
  void load() {
    if (norm)
      norm->addRoundedValue(source, "x");
    else
      addInput(source, element, "x", "%c");
  }
  void group(int64_t size);
  /// Rounds `$n` columns at %c to %to of the codes; %wide are the codes.
  void round();
  /// Stores the row's scale and defines %divisor and %reciprocal, by its largest magnitude.
  void tokenGrid();
  /// Defines %grid_scale and %grid_zero of the whole tensor from the ranges of its rows.
  void tensorGrid();
};
} // namespace

void linear::addInput(KernelSource &source, Type element, StringRef name, StringRef column) {
  source.set("x", name).set("at", column);
  if (element.isF32())
    source.add("      %$x = vector.load %input[%row, $at] : memref<?x${K}x${I}>, vector<${n}x${I}>");
  else
    source.add(R"(      %${x}_narrow = vector.load %input[%row, $at] : memref<?x${K}x${I}>, vector<${n}x${I}>
      %$x = arith.extf %${x}_narrow : vector<${n}x${I}> to vector<${n}xf32>)");
}

/// The magnitudes of %x, `$n` lanes, as integers: these are in the order of the floats, a NaN above all.
static const char *kMagnitudes = R"(      %no_sign = arith.constant dense<0x7fffffff> : vector<${n}xi32>
      %bits = arith.bitcast %x : vector<${n}xf32> to vector<${n}xi32>
      %abs = arith.andi %bits, %no_sign : vector<${n}xi32>)";

/// %unit_x = %x / %scale_v, to the bit where the scale is above 1e-30, by its reciprocal and what remains (Markstein, Computation of
/// elementary functions on the IBM RISC System/6000 processor, 1990): a division of 16 lanes takes longer than all else. No quotient
/// exceeds 127 by much.
static const char *kDivide = R"(      %reciprocal_v = vector.broadcast %reciprocal : f32 to vector<${n}xf32>
      %quotient = arith.mulf %x, %reciprocal_v : vector<${n}xf32>
      %negative = arith.negf %quotient : vector<${n}xf32>
      %remainder = math.fma %negative, %scale_v, %x : vector<${n}xf32>
      %unit_x = math.fma %remainder, %reciprocal_v, %quotient : vector<${n}xf32>)";

/// Ties to even by adding and subtracting 1.5 * 2^23.
static const char *kRound = R"(      %magic = arith.constant dense<12582912.0> : vector<${n}xf32>
      %shifted = arith.addf %unit_x, %magic : vector<${n}xf32>
      %whole_x = arith.subf %shifted, %magic : vector<${n}xf32>)";

void Writer::round() {
  source.add(R"(      %scale_v = vector.broadcast %divisor : f32 to vector<${n}xf32>)");
  if (grid)
    source.add(R"(      %low_v = vector.broadcast %lowest : f32 to vector<${n}xf32>
      %high_v = vector.broadcast %highest : f32 to vector<${n}xf32>
      %any_x = arith.divf %x, %scale_v : vector<${n}xf32>
      %above_x = arith.maximumf %any_x, %low_v : vector<${n}xf32>
      %unit_x = arith.minimumf %above_x, %high_v : vector<${n}xf32>)");
  else
    source.add(fma ? kDivide : "      %unit_x = arith.divf %x, %scale_v : vector<${n}xf32>");
  source.add(kRound);
  if (grid)
    source.add(R"(      %zero_v = vector.broadcast %stored_zero : f32 to vector<${n}xf32>
      %moved_x = arith.addf %whole_x, %zero_v : vector<${n}xf32>
      %wide = arith.fptosi %moved_x : vector<${n}xf32> to vector<${n}xi32>)");
  else
    source.add("      %wide = arith.fptosi %whole_x : vector<${n}xf32> to vector<${n}xi32>");
  source.add("      %code = arith.trunci %wide : vector<${n}xi32> to vector<${n}xi8>");
  if (shape.biasedFrom)
    source.add(R"(      %bias_v = vector.broadcast %code_bias : i8 to vector<${n}xi8>
      %stored = arith.xori %code, %bias_v : vector<${n}xi8>)");
  source.set("stored", shape.biasedFrom ? "stored" : "code");
  source.add("      vector.store %$stored, %codes[%row, %to] : memref<?x${depth}xi8>, vector<${n}xi8>");
}

void Writer::group(int64_t size) {
  // %begin: first column; %base: first code; %g: the group.
  int64_t whole = size / kLanes * kLanes, rest = size - whole;
  source.set("n", kLanes).set("size", whole);
  source.add(R"(    %whole = arith.constant $size : index
    %sums_by_lane = scf.for %j = %c0 to %whole step %lanes iter_args(%sum = %no_sums) -> (vector<${n}xi32>) {
      %c = arith.addi %begin, %j : index
      %to = arith.addi %base, %j : index)");
  load();
  round();
  source.add(R"(      %next = arith.addi %sum, %wide : vector<${n}xi32>
      scf.yield %next : vector<${n}xi32>
    })");
  if (rest) {
    source.add("    %whole_sum = vector.reduction <add>, %sums_by_lane : vector<${n}xi32> into i32");
    source.set("n", rest);
    source.add(R"(    %group_sum = scf.execute_region -> i32 {
      %c = arith.addi %begin, %whole : index
      %to = arith.addi %base, %whole : index)");
    load();
    round();
    source.add(R"(      %next = vector.reduction <add>, %wide, %whole_sum : vector<${n}xi32> into i32
      scf.yield %next : i32
    })");
  } else {
    source.add("    %group_sum = vector.reduction <add>, %sums_by_lane : vector<${n}xi32> into i32");
  }
  source.add(R"(    %stored_sum = arith.muli %group_sum, %sum_factor : i32
    memref.store %stored_sum, %sums[%row, %g] : memref<?x${G}xi32>)");
  int64_t padding = (size + shape.unit - 1) / shape.unit * shape.unit - size;
  if (padding) {
    source.set("n", padding).set("size", size);
    source.add(R"(    %end_of_codes = arith.constant $size : index
    %pad_at = arith.addi %base, %end_of_codes : index
    %zeros = vector.broadcast %code_bias : i8 to vector<${n}xi8>
    vector.store %zeros, %codes[%row, %pad_at] : memref<?x${depth}xi8>, vector<${n}xi8>)");
  }
}

void Writer::tokenGrid() {
  int64_t rest = shape.k % kLanes;
  source.set("n", kLanes);
  source.add("    %highs = scf.for %c = %c0 to %columns step %lanes iter_args(%high = %no_sums) -> (vector<${n}xi32>) {");
  load();
  source.add(kMagnitudes);
  source.add(R"(      %higher = arith.maxsi %high, %abs : vector<${n}xi32>
      scf.yield %higher : vector<${n}xi32>
    }
    %most = vector.reduction <maxsi>, %highs : vector<${n}xi32> into i32)");
  if (rest) {
    source.set("n", rest);
    source.add(R"(    %most_bits = scf.execute_region -> i32 {
      %c = arith.addi %columns, %c0 : index)");
    load();
    source.add(kMagnitudes);
    source.add(R"(      %higher = vector.reduction <maxsi>, %abs, %most : vector<${n}xi32> into i32
      scf.yield %higher : i32
    })");
  } else {
    source.add("    %most_bits = arith.addi %most, %no_sum : i32");
  }
  // Rows that are nearly 0 become 0: their reciprocals overflow.
  source.add(R"(    %largest = arith.bitcast %most_bits : i32 to f32
    %row_scale = arith.divf %largest, %largest_code : f32
    memref.store %row_scale, %scales[%row] : memref<?xf32>
    %least_scale = arith.constant 1.0e-36 : f32
    %is_tiny = arith.cmpf olt, %row_scale, %least_scale : f32
    %divisor = arith.select %is_tiny, %one, %row_scale : f32
    %reciprocal = arith.divf %one, %divisor : f32)");
}

void Writer::tensorGrid() {
  source.add(R"(  %range:2 = scf.for %r = %c0 to %rows step %c1 iter_args(%low = %zero, %high = %zero) -> (f32, f32) {
    %row_low = memref.load %lows[%r] : memref<?xf32>
    %row_high = memref.load %highs[%r] : memref<?xf32>
    %lower = arith.minimumf %low, %row_low : f32
    %higher = arith.maximumf %high, %row_high : f32
    scf.yield %lower, %higher : f32, f32
  }
  %levels = arith.constant 255.0 : f32
  %span = arith.subf %range#1, %range#0 : f32
  %step_size = arith.divf %span, %levels : f32
  %is_flat = arith.cmpf oeq, %step_size, %zero : f32
  %grid_scale = arith.select %is_flat, %one, %step_size : f32
  %below = arith.subf %zero, %range#0 : f32
  %unit_zero = arith.divf %below, %grid_scale : f32
  %scalar_magic = arith.constant 12582912.0 : f32
  %shifted_zero = arith.addf %unit_zero, %scalar_magic : f32
  %grid_zero = arith.subf %shifted_zero, %scalar_magic : f32)");
}

func::FuncOp linear::getQuantizeRowsKernel(ModuleOp module, const QuantizedRows &shape, Type element, const NormSource *norm, GridAttr grid, bool fma) {
  if (grid && grid.getKind() == GridKind::Token)
    grid = {};
  bool fixed = grid && grid.getKind() == GridKind::Fixed, hasZero = grid && grid.hasZero();
  int64_t low = fixed ? grid.getLow() : 0, high = fixed ? grid.getHigh() : 255;
  std::string name = llvm::formatv("quantize_rows_k{0}g{1}u{2}", shape.k, shape.group, shape.unit);
  if (shape.sumFactor != 1)
    name += llvm::formatv("_sums{0}{1}", shape.sumFactor < 0 ? "m" : "", std::abs(shape.sumFactor)).str();
  if (shape.biasedFrom)
    name += "_biased" + std::to_string(shape.biasedFrom);
  if (fixed)
    name += llvm::formatv("_fixed{0}{1}to{2}{3}", low < 0 ? "m" : "", std::abs(low), high, hasZero ? "_zero" : "").str();
  else if (grid)
    name += "_tensor";
  if (norm)
    name = norm->getName() + "_" + name;
  else if (!element.isF32())
    name += "_" + typeText(element);
  Writer writer{shape, element, norm, grid, fma, {}};
  KernelSource &source = writer.source;
  int64_t whole = shape.k / kLanes * kLanes;
  source.set("name", name).set("K", shape.k).set("I", typeText(element)).set("depth", shape.depth()).set("G", shape.groups());
  source.set("n", kLanes).set("whole", whole).set("group", shape.group).set("padded", shape.paddedGroup()).set("factor", shape.sumFactor);
  source.set("arguments", norm ? norm->getArguments() : "");
  source.set("grid", fixed ? " %grid_scale: f32, %grid_zero: f32," : grid ? " %lows: memref<?xf32>, %highs: memref<?xf32>," : "");
  source.set("zeros", hasZero ? " %row_zeros: memref<?xf32>," : "");
  source.add(R"(func.func @$name(%input: memref<?x${K}x${I}>,$arguments$grid
    %codes: memref<?x${depth}xi8>, %sums: memref<?x${G}xi32>,
    %scales: memref<?xf32>,$zeros %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %lanes = arith.constant $n : index
  %no_sums = arith.constant dense<0> : vector<${n}xi32>
  %no_sum = arith.constant 0 : i32
  %sum_factor = arith.constant $factor : i32
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %largest_code = arith.constant 127.0 : f32
  %columns = arith.constant $whole : index
  %group_size = arith.constant $group : index
  %padded_size = arith.constant $padded : index
  %rows = memref.dim %input, %c0 : memref<?x${K}x${I}>)");
  if (shape.biasedFrom) {
    source.set("fewest", shape.biasedFrom);
    source.add(R"(  %fewest_rows = arith.constant $fewest : index
  %are_few = arith.cmpi ult, %rows, %fewest_rows : index
  %no_bias = arith.constant 0 : i8
  %some_bias = arith.constant -128 : i8
  %code_bias = arith.select %are_few, %no_bias, %some_bias : i8)");
  } else {
    source.add("  %code_bias = arith.constant 0 : i8");
  }
  if (grid) {
    if (!fixed)
      writer.tensorGrid();
    source.set("low", floatText(low)).set("high", floatText(high)).set("offset", floatText(grid.getOffset()));
    source.add(R"(  %divisor = arith.addf %grid_scale, %zero : f32
  %low_code = arith.constant $low : f32
  %high_code = arith.constant $high : f32
  %code_offset = arith.constant $offset : f32
  %lowest = arith.subf %low_code, %grid_zero : f32
  %highest = arith.subf %high_code, %grid_zero : f32
  %stored_zero = arith.subf %grid_zero, %code_offset : f32)");
  }
  source.add("  scf.for %row = %thread to %rows step %threads {");
  if (norm)
    norm->addStatistics(source);
  if (grid)
    source.add("    memref.store %divisor, %scales[%row] : memref<?xf32>");
  else
    writer.tokenGrid();
  if (hasZero)
    source.add("    memref.store %stored_zero, %row_zeros[%row] : memref<?xf32>");
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

func::FuncOp linear::getRowRangesKernel(ModuleOp module, int64_t k, Type element) {
  std::string name = llvm::formatv("row_ranges_k{0}{1}", k, element.isF32() ? "" : "_" + typeText(element));
  KernelSource source;
  int64_t whole = k / kLanes * kLanes, rest = k % kLanes;
  source.set("name", name).set("K", k).set("I", typeText(element)).set("whole", whole).set("n", kLanes);
  source.add(R"(func.func @$name(%input: memref<?x${K}x${I}>, %lows: memref<?xf32>, %highs: memref<?xf32>, %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %lanes = arith.constant $n : index
  %columns = arith.constant $whole : index
  %none = arith.constant dense<0.0> : vector<${n}xf32>
  %rows = memref.dim %input, %c0 : memref<?x${K}x${I}>
  scf.for %row = %thread to %rows step %threads {
    %range:2 = scf.for %c = %c0 to %columns step %lanes iter_args(%low = %none, %high = %none) -> (vector<${n}xf32>, vector<${n}xf32>) {)");
  addInput(source, element, "x", "%c");
  source.add(R"(      %lower = arith.minimumf %low, %x : vector<${n}xf32>
      %higher = arith.maximumf %high, %x : vector<${n}xf32>
      scf.yield %lower, %higher : vector<${n}xf32>, vector<${n}xf32>
    }
    %low_0 = vector.reduction <minimumf>, %range#0 : vector<${n}xf32> into f32
    %high_0 = vector.reduction <maximumf>, %range#1 : vector<${n}xf32> into f32)");
  if (rest) {
    source.set("n", rest);
    addInput(source, element, "tail", "%columns");
    source.add(R"(    %low_1 = vector.reduction <minimumf>, %tail, %low_0 : vector<${n}xf32> into f32
    %high_1 = vector.reduction <maximumf>, %tail, %high_0 : vector<${n}xf32> into f32)");
  }
  source.set("i", rest ? "1" : "0");
  source.add(R"(    memref.store %low_$i, %lows[%row] : memref<?xf32>
    memref.store %high_$i, %highs[%row] : memref<?xf32>
  }
  return
})");
  return getOrAddKernel(module, name, source);
}
