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

/// Tokens from which on blocks have many rows: there are enough of them for all threads.
static constexpr int64_t kManyTokens = 64;

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
  if (!shape.instruction.empty())
    writeIntegerHead();
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
  %blocks = arith.ceildivui %all_rows, %row_count : index)");
  openTaskLoop();
}

/// A block of rows of a KV head at a time. A thread takes whole heads, whose keys and values are then in its caches for all blocks but the first;
/// blocks of the heads that are left over are shared out.
void AttentionWriter::openTaskLoop() {
  source.add(R"(  %all_heads = arith.muli %batch, %kv_heads : index
  %whole_heads = arith.divui %all_heads, %threads : index
  %shared_from = arith.muli %whole_heads, %threads : index
  %shared_heads = arith.subi %all_heads, %shared_from : index
  %whole_tasks = arith.muli %whole_heads, %blocks : index
  %shared_tasks = arith.muli %shared_heads, %blocks : index
  %tasks_from_here = arith.subi %shared_tasks, %thread : index
  %shared_tasks_here = arith.ceildivsi %tasks_from_here, %threads : index
  %tasks = arith.addi %whole_tasks, %shared_tasks_here : index
  %last_task = arith.subi %tasks, %c1 : index
  scf.for %task = %c0 to %tasks step %c1 {
    %task_after = arith.addi %task, %c1 : index
    %next_task = arith.minui %task_after, %last_task : index)");
  locateTask("", "%task");
  locateTask("_next", "%next_task");
}

/// The block of rows of the thread's task at `index`: `%first_row`, `%b`, `%kv`, `%cache_head` and `%first_head`, each with `suffix`.
void AttentionWriter::locateTask(StringRef suffix, StringRef index) {
  source.set("n", suffix).set("index", index).add(R"(    %is_whole$n = arith.cmpi ult, $index, %whole_tasks : index
    %shared_round$n = arith.subi $index, %whole_tasks : index
    %shared_tasks_before$n = arith.muli %shared_round$n, %threads : index
    %shared_task$n = arith.addi %shared_tasks_before$n, %thread : index
    %task_of_heads$n = arith.select %is_whole$n, $index, %shared_task$n : index
    %head_of_task$n = arith.divui %task_of_heads$n, %blocks : index
    %block_of_task$n = arith.remui %task_of_heads$n, %blocks : index
    %whole_round$n = arith.muli %head_of_task$n, %threads : index
    %whole_head$n = arith.addi %whole_round$n, %thread : index
    %shared_head$n = arith.addi %shared_from, %head_of_task$n : index
    %cache_head$n = arith.select %is_whole$n, %whole_head$n, %shared_head$n : index
    %kv$n = arith.remui %cache_head$n, %kv_heads : index
    %b$n = arith.divui %cache_head$n, %kv_heads : index
    %first_head$n = arith.muli %kv$n, %group : index)");
  // Later blocks read more keys; in every other head a thread takes them in the opposite order, and its part is that of the others.
  if (shape.causal)
    source.add(R"(    %parity$n = arith.andi %head_of_task$n, %c1 : index
    %is_reversed$n = arith.cmpi eq, %parity$n, %c1 : index
    %last_block$n = arith.subi %blocks, %c1 : index
    %block_from_last$n = arith.subi %last_block$n, %block_of_task$n : index
    %block$n = arith.select %is_reversed$n, %block_from_last$n, %block_of_task$n : index
    %first_row$n = arith.muli %block$n, %row_count : index)");
  else
    source.add("    %first_row$n = arith.muli %block_of_task$n, %row_count : index");
}

func::FuncOp attention::getAttentionKernel(ModuleOp module, const AttentionShape &shape, KernelRows rows) {
  std::string arguments = getArguments(shape);
  std::string suffix = llvm::formatv("h{0}k{1}d{2}e{3}w{4}o{5}_{6}", shape.heads, shape.kvHeads, shape.keySize,
                                     shape.valueSize, shape.sourceWidth, shape.sourceOffset, typeText(shape.element));
  for (auto [has, word] : {std::pair(shape.starts, "_starts"), {shape.padding, "_padding"}, {bool(shape.bias), "_bias"},
                           {shape.slopes, "_slopes"}, {shape.sinks, "_sinks"}})
    suffix += has ? word : "";
  // What the name does not say is hashed into it.
  std::string rest = llvm::formatv("{0} {1} {2} {3} {4} {5} {6} {7} {8}", floatText(shape.scale), shape.causal, shape.window.value_or(0),
                                   floatText(shape.softcap.value_or(0)), shape.valueOffset, shape.keyBits, shape.valueBits, shape.instruction, arguments);
  suffix += llvm::formatv("_{0:x-}", llvm::xxh3_64bits(rest));
  std::string name = "attention_" + suffix;
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;

  // One token needs the heads of a group only.
  int64_t group = shape.heads / shape.kvHeads;
  KernelSource source, declarations;
  source.set("name", name).set("arguments", arguments).set("tokens", kManyTokens);
  std::string names;
  for (StringRef argument : llvm::split(arguments, '%'))
    if (!argument.trim().empty())
      names += (names.empty() ? "%" : ", %") + argument.split(':').first.str();
  for (auto [use, count] : {std::pair("step", std::min(group, rows.few)), {"few", rows.few}, {"many", rows.many}}) {
    std::string part = llvm::formatv("attention_rows{0}_{1}", count, suffix).str();
    bool isNew = !module.lookupSymbol(part);
    auto kernel = getOrAddKernel(module, part, AttentionWriter(shape, part, count).write());
    if (!kernel)
      return nullptr;
    std::string types;
    llvm::raw_string_ostream(types) << kernel.getArgumentTypes();
    source.set("queryType", typeText(kernel.getArgumentTypes()[0]));
    source.set(use, "func.call @" + part + "(" + names + ") : " + typeText(kernel.getFunctionType()));
    if (isNew)
      declarations.set("part", part).set("types", types).add("func.func private @$part($types)");
  }
  source.add(R"(func.func @$name($arguments) {
  %c1 = arith.constant 1 : index
  %many_tokens = arith.constant $tokens : index
  %sequence = memref.dim %query, %c1 : $queryType
  %one_token = arith.cmpi eq, %sequence, %c1 : index
  scf.if %one_token {
    $step
  } else {
    %has_many = arith.cmpi uge, %sequence, %many_tokens : index
    scf.if %has_many {
      $many
    } else {
      $few
    }
  }
  return
})");
  source.add(declarations.str());
  return getOrAddKernel(module, name, source);
}
