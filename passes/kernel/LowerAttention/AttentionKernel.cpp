//===- AttentionKernel.cpp - attention without a matrix of scores ---------===//
//
// Dao et al., FlashAttention, 2022: for each block of rows (queries) the keys are
// walked once in blocks; the running maximum, the norm (sum of exponentials) and the
// weighted sum of values of a row are corrected for the maximum of each block.
#include "AttentionWriter.h"

#include "Terse/CachedRow.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace terse;
using namespace terse::attention;

/// Types of the caches: rows of `$KD` elements `$KT`, of `$VD` elements `$VT`.
static void setCacheTypes(KernelSource &source, const AttentionShape &shape) {
  std::string element = typeText(shape.element);
  source.set("KD", shape.keyBits ? getCachedRowBytes(shape.keySize, shape.keyBits) : shape.keySize);
  source.set("VD", shape.valueBits ? getCachedRowBytes(shape.valueSize, shape.valueBits) : shape.valueSize);
  source.set("KT", shape.keyBits ? "i8" : element).set("VT", shape.valueBits ? "i8" : element);
}

std::string attention::getArguments(const AttentionShape &shape) {
  KernelSource text;
  text.set("T", typeText(shape.element)).set("W", shape.sourceWidth).set("KV", shape.kvHeads).set("H", shape.heads);
  text.set("HE", shape.heads * shape.valueSize);
  setCacheTypes(text, shape);
  text.add("%query: memref<?x?x${W}x${T}>, %keys: memref<?x${KV}x?x${KD}x${KT}>,");
  if (shape.valueWidth)
    text.set("VW", *shape.valueWidth).add("%values: memref<?x?x${VW}x${T}>, %length: index,");
  else
    text.add("%values: memref<?x${KV}x?x${VD}x${VT}>, %length: index,");
  if (shape.starts)
    text.add("%starts: memref<?xi64>,");
  if (shape.padding)
    text.add("%padding: memref<?x?xi8>,");
  if (shape.bias)
    text.set("B", typeText(shape.bias)).add("%bias: memref<?x?x?x?x${B}>,");
  if (shape.slopes)
    text.add("%slopes: memref<${H}xf32>,");
  if (shape.sinks)
    text.add("%sinks: memref<${H}xf32>,");
  text.add("%out: memref<?x?x${HE}x${T}>, %thread: index, %threads: index");
  return text.str();
}

AttentionWriter::AttentionWriter(const AttentionShape &shape, StringRef name, int64_t rows) : shape(shape), rows(rows) {
  source.set("name", name).set("T", typeText(shape.element)).set("W", shape.sourceWidth);
  source.set("O", shape.sourceOffset).set("KV", shape.kvHeads).set("G", shape.heads / shape.kvHeads);
  source.set("D", shape.keySize).set("E", shape.valueSize).set("HE", shape.heads * shape.valueSize);
  for (int64_t half : {0, 1}) {
    // A byte of 4-bit codes holds dimensions d and d + E/2.
    int64_t size = shape.valueBits == 4 ? shape.valueSize / 2 : half ? 0 : shape.valueSize;
    for (int64_t offset = 0; offset < size; offset += kSliceLanes)
      slices.push_back({half * size + offset, std::min(kSliceLanes, size - offset), offset, half == 1});
  }
  source.set("H", shape.heads).set("rows", rows).set("lastRow", rows - 1).set("tile", kTile).set("block", kKeyBlock);
  source.set("scale", floatText(shape.scale)).set("arguments", getArguments(shape));
  setCacheTypes(source, shape);
}

const KernelSource &AttentionWriter::write() {
  writeHead();
  writeStart();
  writeRange();
  writeQueries();
  openBlockLoop();
  writeScores();
  writeMasks();
  writeMaxima();
  writeWeights();
  writeValues();
  source.add("    }");
  writeResults();
  source.add("  }\n  return\n}");
  return source;
}

void AttentionWriter::writeHead() {
  source.set("columns", shape.keyBits ? shape.keySize * shape.keyBits / 8 : shape.keySize);
  source.add(R"(func.func @$name($arguments) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %tile = arith.constant $tile : index
  %key_block = arith.constant $block : index
  %block_tiles = arith.divui %key_block, %tile : index
  %kv_heads = arith.constant $KV : index
  %group = arith.constant $G : index
  %key_columns = arith.constant $columns : index
  %key_step = arith.constant $KD : index
  %value_size = arith.constant $E : index
  %row_count = arith.constant $rows : index
  %query_offset = arith.constant $O : index
  %lanes = arith.constant dense<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]> : vector<16xi32>
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %lowest = arith.constant 0xFF7FFFFF : f32
  %zero_tile = arith.constant dense<0.0> : vector<16xf32>
  %lowest_tile = arith.constant dense<0xFF7FFFFF> : vector<16xf32>
  %masked_tile = arith.constant dense<0xFF800000> : vector<16xf32>
  %batch = memref.dim %query, %c0 : memref<?x?x${W}x${T}>
  %sequence = memref.dim %query, %c1 : memref<?x?x${W}x${T}>
  %query_size = arith.constant $D : index
  %key_rows = memref.dim %keys, %c2 : memref<?x${KV}x?x${KD}x${KT}>
  %flat_keys = memref.collapse_shape %keys [[0, 1, 2, 3]] : memref<?x${KV}x?x${KD}x${KT}> into memref<?x${KT}>
  %queries = memref.alloca() {alignment = 64 : i64} : memref<${rows}x${D}xf32>
  %scores = memref.alloca() {alignment = 64 : i64} : memref<${rows}x${block}xf32>
  %sums = memref.alloca() {alignment = 64 : i64} : memref<${rows}x${E}xf32>
  %norms = memref.alloca() {alignment = 64 : i64} : memref<${rows}x16xf32>
  %maxima = memref.alloca() {alignment = 64 : i64} : memref<16xf32>
  %alphas = memref.alloca() {alignment = 64 : i64} : memref<16xf32>
  %ends = memref.alloca() : memref<${rows}xindex>)");
  forRows([&] { source.add("  %row_$r = arith.constant $r : index"); });
  for (int64_t tile = 0; tile < kKeyBlock; tile += kTile)
    source.set("t", tile).add("  %tile_at_$t = arith.constant $t : index");
  writeExponentialHead();
  if (shape.window)
    source.add("  %begins = memref.alloca() : memref<${rows}xindex>");
  if (shape.keyBits)
    source.add("  %query_sums = memref.alloca() {alignment = 64 : i64} : memref<${rows}xf32>");
  if (shape.valueBits)
    source.set("codeBytes", shape.valueSize * shape.valueBits / 8).add(R"(  %code_bytes = arith.constant $codeBytes : index
  %low_sums = memref.alloca() {alignment = 64 : i64} : memref<${rows}x16xf32>
  %value_scales = memref.alloca() {alignment = 64 : i64} : memref<${block}xf32>
  %value_lows = memref.alloca() {alignment = 64 : i64} : memref<${block}xf32>)");
  if (shape.valueWidth)
    source.set("VW", *shape.valueWidth).set("VO", shape.valueOffset).add(R"(  %value_rows = memref.dim %values, %c1 : memref<?x?x${VW}x${T}>
  %flat_values = memref.collapse_shape %values [[0, 1, 2]] : memref<?x?x${VW}x${T}> into memref<?x${T}>
  %value_step = arith.constant $VW : index
  %value_offset = arith.constant $VO : index)");
  else
    source.add(R"(  %value_rows = memref.dim %values, %c2 : memref<?x${KV}x?x${VD}x${VT}>
  %flat_values = memref.collapse_shape %values [[0, 1, 2, 3]] : memref<?x${KV}x?x${VD}x${VT}> into memref<?x${VT}>
  %value_step = arith.constant $VD : index)");
  if (shape.bias) {
    constexpr const char *axes[] = {"batch", "head", "query", "key"};
    source.set("B", typeText(shape.bias));
    for (int64_t i = 0; i < 4; ++i) {
      source.set("axis", axes[i]).set("i", i);
      source.add(R"(  %bias_axis_$i = arith.constant $i : index
  %bias_$axis = memref.dim %bias, %bias_axis_$i : memref<?x?x?x?x${B}>
  %one_bias_$axis = arith.cmpi eq, %bias_$axis, %c1 : index)");
    }
  }
  source.add(R"(  %past = arith.subi %length, %sequence : index
  %all_rows = arith.muli %sequence, %group : index
  %final_row = arith.subi %all_rows, %c1 : index
  %blocks = arith.ceildivui %all_rows, %row_count : index
  %all_heads = arith.muli %batch, %kv_heads : index
  %tasks = arith.muli %all_heads, %blocks : index
  scf.for %task = %thread to %tasks step %threads {
    %cache_head = arith.remui %task, %all_heads : index
    %block = arith.divui %task, %all_heads : index
    %kv = arith.remui %cache_head, %kv_heads : index
    %b = arith.divui %cache_head, %kv_heads : index
    %first_row = arith.muli %block, %row_count : index
    %first_head = arith.muli %kv, %group : index)");
}

void AttentionWriter::writeStart() {
  if (shape.starts)
    source.add(R"(    %given_start = memref.load %starts[%b] : memref<?xi64>
    %start = arith.index_cast %given_start : i64 to index)");
  else
    source.add("    %start = arith.addi %past, %c0 : index");
  if (shape.bias)
    source.add("    %b_of_bias = arith.select %one_bias_batch, %c0, %b : index");
}

/// Token, head and range of keys of the block's row at `index`: `%token_NAME`, `%head_NAME`, `%begin_NAME` and `%end_NAME`.
void AttentionWriter::writeRow(StringRef name, StringRef index) {
  // Rows past the end repeat the last one and are not stored.
  source.set("x", name).set("index", index).add(R"(    %wanted_$x = arith.addi %first_row, $index : index
    %clamped_$x = arith.minui %wanted_$x, %final_row : index
    %token_$x = arith.divui %clamped_$x, %group : index
    %member_$x = arith.remui %clamped_$x, %group : index
    %head_$x = arith.addi %first_head, %member_$x : index
    %position_$x = arith.addi %start, %token_$x : index)");
  if (shape.causal)
    source.add(R"(    %after_$x = arith.addi %position_$x, %c1 : index
    %there_$x = arith.minsi %after_$x, %length : index
    %end_$x = arith.maxsi %there_$x, %c0 : index)");
  else
    source.add("    %end_$x = arith.addi %length, %c0 : index");
  if (shape.window)
    source.set("window", *shape.window).add(R"(    %window_$x = arith.constant $window : index
    %early_$x = arith.subi %after_$x, %window_$x : index
    %begin_$x = arith.maxsi %early_$x, %c0 : index)");
}

/// Opens a loop over the rows of the block.
void AttentionWriter::openRowLoop() {
  source.add("    scf.for %r = %c0 to %row_count step %c1 {");
}

/// Queries as scaled floats in memory, where each of them can be loaded into all lanes, and the state that rows begin with.
void AttentionWriter::writeQueries() {
  source.add("    vector.store %lowest_tile, %maxima[%c0] : memref<16xf32>, vector<16xf32>");
  openRowLoop();
  writeRow("r", "%r");
  source.add(R"(    memref.store %end_r, %ends[%r] : memref<${rows}xindex>
    %head_start = arith.muli %head_r, %query_size : index
    %query_start = arith.addi %head_start, %query_offset : index
    %given_query = vector.load %query[%b, %token_r, %query_start] : memref<?x?x${W}x${T}>, vector<${D}x${T}>)");
  source.set("q", shape.element.isF32() ? "given_query" : "wide_query");
  if (!shape.element.isF32())
    source.add("    %wide_query = arith.extf %given_query : vector<${D}x${T}> to vector<${D}xf32>");
  source.add(R"(    %scale = arith.constant dense<$scale> : vector<${D}xf32>
    %scaled_query = arith.mulf %$q, %scale : vector<${D}xf32>
    vector.store %scaled_query, %queries[%r, %c0] : memref<${rows}x${D}xf32>, vector<${D}xf32>)");
  if (shape.window)
    source.add("    memref.store %begin_r, %begins[%r] : memref<${rows}xindex>");
  if (shape.keyBits)
    source.add(R"(    %query_sum = vector.reduction <add>, %scaled_query : vector<${D}xf32> into f32
    memref.store %query_sum, %query_sums[%r] : memref<${rows}xf32>)");
  if (shape.valueBits)
    source.add("    vector.store %zero_tile, %low_sums[%r, %c0] : memref<${rows}x16xf32>, vector<16xf32>");
  // A sink is a score without a value that all rows begin with.
  source.set("norm", shape.sinks ? "sink_norm" : "zero_tile");
  if (shape.sinks)
    source.add(R"(    %sink = memref.load %sinks[%head_r] : memref<${H}xf32>
    %first_maximum = arith.maximumf %sink, %lowest : f32
    memref.store %first_maximum, %maxima[%r] : memref<16xf32>
    %sink_norm = vector.insert %one, %zero_tile [0] : f32 into vector<16xf32>)");
  source.add(R"(    vector.store %$norm, %norms[%r, %c0] : memref<${rows}x16xf32>, vector<16xf32>
    %no_values = arith.constant dense<0.0> : vector<${E}xf32>
    vector.store %no_values, %sums[%r, %c0] : memref<${rows}x${E}xf32>, vector<${E}xf32>
    })");
}

/// The keys that any row of the block reads, and where keys and values of the head begin.
void AttentionWriter::writeRange() {
  writeRow("first", "%c0");
  writeRow("last", "%row_" + std::to_string(rows - 1));
  source.add(R"(    %key_blocks = arith.ceildivui %end_last, %key_block : index
    %key_row = arith.muli %cache_head, %key_rows : index
    %key_start = arith.muli %key_row, %key_step : index)");
  source.add(shape.window ? "    %first_block = arith.divui %begin_first, %key_block : index"
                          : "    %first_block = arith.addi %c0, %c0 : index");
  if (shape.valueWidth)
    source.add(R"(    %first_token = arith.muli %b, %value_rows : index
    %sequence_start = arith.muli %first_token, %value_step : index
    %head_values = arith.muli %kv, %value_size : index
    %value_column = arith.addi %head_values, %value_offset : index
    %value_start = arith.addi %sequence_start, %value_column : index)");
  else
    source.add(R"(    %value_row = arith.muli %cache_head, %value_rows : index
    %value_start = arith.muli %value_row, %value_step : index)");
}

void AttentionWriter::writeResults() {
  openRowLoop();
  writeRow("r", "%r");
  source.add(R"(    %norm = vector.load %norms[%r, %c0] : memref<${rows}x16xf32>, vector<16xf32>)");
  reduce(Reduction::Sum, "all", "%norm");
  // A row that read nothing is 0.
  source.add(R"(    %empty = arith.cmpf oeq, %all, %zero : f32
    %sum = arith.select %empty, %one, %all : f32
    %inverse = arith.divf %one, %sum : f32
    %real = arith.cmpi ule, %wanted_r, %final_row : index)");
  if (shape.valueBits) {
    source.add("    %low_sum = vector.load %low_sums[%r, %c0] : memref<${rows}x16xf32>, vector<16xf32>");
    reduce(Reduction::Sum, "low", "%low_sum");
  }
  source.add(R"(    scf.if %real {
      %out_start = arith.muli %head_r, %value_size : index)");
  for (const Slice &slice : slices) {
    source.set("s", slice.start).set("n", slice.size).set("sum", shape.valueBits ? "raised" : "sum");
    source.set("stored", shape.element.isF32() ? "result" : "rounded");
    source.add(R"(      %slice_$s = arith.constant $s : index
      %sum_$s = vector.load %sums[%r, %slice_$s] : memref<${rows}x${E}xf32>, vector<${n}xf32>)");
    if (shape.valueBits)
      source.add(R"(      %low_$s = vector.broadcast %low : f32 to vector<${n}xf32>
      %raised_$s = arith.addf %sum_$s, %low_$s : vector<${n}xf32>)");
    source.add(R"(      %inverse_$s = vector.broadcast %inverse : f32 to vector<${n}xf32>
      %result_$s = arith.mulf %${sum}_$s, %inverse_$s : vector<${n}xf32>
      %out_$s = arith.addi %out_start, %slice_$s : index)");
    if (!shape.element.isF32())
      source.add("      %rounded_$s = arith.truncf %result_$s : vector<${n}xf32> to vector<${n}x${T}>");
    source.add("      vector.store %${stored}_$s, %out[%b, %token_r, %out_$s] : memref<?x?x${HE}x${T}>, vector<${n}x${T}>");
  }
  source.add("      }\n    }");
}

func::FuncOp attention::getAttentionKernel(ModuleOp module, const AttentionShape &shape, int64_t rows) {
  std::string arguments = getArguments(shape);
  std::string suffix = llvm::formatv("h{0}k{1}d{2}e{3}w{4}o{5}_{6}", shape.heads, shape.kvHeads, shape.keySize,
                                     shape.valueSize, shape.sourceWidth, shape.sourceOffset, typeText(shape.element));
  for (auto [has, word] : {std::pair(shape.starts, "_starts"), {shape.padding, "_padding"}, {bool(shape.bias), "_bias"},
                           {shape.slopes, "_slopes"}, {shape.sinks, "_sinks"}})
    suffix += has ? word : "";
  // What the name does not say is hashed into it.
  std::string rest = llvm::formatv("{0} {1} {2} {3} {4} {5} {6} {7}", floatText(shape.scale), shape.causal, shape.window.value_or(0),
                                   floatText(shape.softcap.value_or(0)), shape.valueOffset, shape.keyBits, shape.valueBits, arguments);
  suffix += llvm::formatv("_{0:x-}", llvm::xxh3_64bits(rest));
  std::string name = "attention_" + suffix;
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;

  // One token needs the heads of a group only.
  int64_t group = shape.heads / shape.kvHeads;
  std::string step = "attention_step_" + suffix, block = "attention_block_" + suffix;
  auto stepKernel = getOrAddKernel(module, step, AttentionWriter(shape, step, std::min(group, rows)).write());
  auto blockKernel = getOrAddKernel(module, block, AttentionWriter(shape, block, rows).write());
  if (!stepKernel || !blockKernel)
    return nullptr;

  KernelSource source;
  source.set("name", name).set("step", step).set("block", block).set("arguments", arguments);
  source.set("type", typeText(stepKernel.getFunctionType())).set("queryType", typeText(stepKernel.getArgumentTypes()[0]));
  std::string names, types;
  for (StringRef argument : llvm::split(arguments, '%'))
    if (!argument.trim().empty())
      names += (names.empty() ? "%" : ", %") + argument.split(':').first.str();
  llvm::raw_string_ostream(types) << stepKernel.getArgumentTypes();
  source.set("names", names).set("types", types);
  source.add(R"(func.func @$name($arguments) {
  %c1 = arith.constant 1 : index
  %sequence = memref.dim %query, %c1 : $queryType
  %one_token = arith.cmpi eq, %sequence, %c1 : index
  scf.if %one_token {
    func.call @$step($names) : $type
  } else {
    func.call @$block($names) : $type
  }
  return
}
func.func private @$step($types)
func.func private @$block($types))");
  return getOrAddKernel(module, name, source);
}
