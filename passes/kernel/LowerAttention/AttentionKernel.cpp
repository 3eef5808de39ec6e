//===- AttentionKernel.cpp - attention without a matrix of scores ---------===//
//
// Dao et al., FlashAttention, 2022: for each block of rows (queries) the keys are
// walked once in tiles; the running maximum m, the sum l of exponentials and the
// weighted sum of values are corrected whenever the maximum grows.
#include "Kernels.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
using namespace terse::attention;

namespace {
/// Writes the kernel for blocks of `rows` rows. A row is a query head of a token;
/// rows of one block share a KV head.
class AttentionWriter {
public:
  AttentionWriter(const AttentionShape &shape, StringRef name, int64_t rows) : shape(shape), rows(rows) {
    source.set("name", name).set("T", typeText(shape.element)).set("W", shape.sourceWidth);
    source.set("O", shape.sourceOffset).set("KV", shape.kvHeads).set("G", shape.heads / shape.kvHeads);
    source.set("D", shape.keySize).set("E", shape.valueSize).set("HE", shape.heads * shape.valueSize);
    source.set("rows", rows).set("lastRow", rows - 1).set("tile", kTile).set("scale", floatText(shape.scale));
    source.set("paddingArg", shape.padding ? "%padding: memref<?x?xi8>, " : "");
  }

  const KernelSource &write() {
    writeHead();
    writeRows();
    writeRange();
    openTileLoop();
    writeScores();
    writeMasks();
    writeSoftmax();
    writeValues();
    closeTileLoop();
    writeResults();
    source.add("  }\n  return\n}");
    return source;
  }

private:
  /// Calls `body` with `$r` set to each row.
  template <typename Body> void forRows(Body body) {
    for (int64_t r = 0; r < rows; ++r) {
      source.set("r", r);
      body();
    }
  }
  std::string list(StringRef format) {
    std::string text;
    for (int64_t r = 0; r < rows; ++r)
      text += (r ? ", " : "") + llvm::formatv(format.str().c_str(), r).str();
    return text;
  }
  /// Loads `%name`, `size` values as f32.
  void load(StringRef name, StringRef memref, StringRef index, int64_t size) {
    source.set("v", name).set("from", memref).set("at", index).set("n", size);
    if (shape.element.isF32()) {
      source.add("      %$v = vector.load $from[$at] : memref<?xf32>, vector<${n}xf32>");
    } else {
      source.add(R"(      %${v}_narrow = vector.load $from[$at] : memref<?x${T}>, vector<${n}x${T}>
      %$v = arith.extf %${v}_narrow : vector<${n}x${T}> to vector<${n}xf32>)");
    }
  }

  void writeHead();
  void writeRows();
  void writeRange();
  void openTileLoop();
  void writeScores();
  void writeMasks();
  void writeSoftmax();
  void writeValues();
  void closeTileLoop();
  void writeResults();

  const AttentionShape &shape;
  int64_t rows;
  KernelSource source;
};
} // namespace

void AttentionWriter::writeHead() {
  source.add(R"(func.func @$name(%query: memref<?x?x${W}x${T}>, %keys: memref<?x${KV}x?x${D}x${T}>,
    %values: memref<?x${KV}x?x${E}x${T}>, %length: index, ${paddingArg}%out: memref<?x?x${HE}x${T}>,
    %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %tile = arith.constant $tile : index
  %kv_heads = arith.constant $KV : index
  %group = arith.constant $G : index
  %key_size = arith.constant $D : index
  %value_size = arith.constant $E : index
  %row_count = arith.constant $rows : index
  %query_offset = arith.constant $O : index
  %lanes = arith.constant dense<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]> : vector<16xi32>
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %lowest = arith.constant -3.0e38 : f32
  %zero_tile = arith.constant dense<0.0> : vector<16xf32>
  %lowest_tile = arith.constant dense<-3.0e38> : vector<16xf32>
  %zero_values = arith.constant dense<0.0> : vector<${E}xf32>
  %scale = arith.constant dense<$scale> : vector<16xf32>
  %batch = memref.dim %query, %c0 : memref<?x?x${W}x${T}>
  %sequence = memref.dim %query, %c1 : memref<?x?x${W}x${T}>
  %key_rows = memref.dim %keys, %c2 : memref<?x${KV}x?x${D}x${T}>
  %value_rows = memref.dim %values, %c2 : memref<?x${KV}x?x${E}x${T}>
  %flat_keys = memref.collapse_shape %keys [[0, 1, 2, 3]] : memref<?x${KV}x?x${D}x${T}> into memref<?x${T}>
  %flat_values = memref.collapse_shape %values [[0, 1, 2, 3]] : memref<?x${KV}x?x${E}x${T}> into memref<?x${T}>
  %past = arith.subi %length, %sequence : index
  %last_key = arith.subi %length, %c1 : index
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

void AttentionWriter::writeRows() {
  // Rows past the end repeat the last one and are not stored.
  forRows([&] {
    source.add(R"(    %step_$r = arith.constant $r : index
    %wanted_$r = arith.addi %first_row, %step_$r : index
    %row_$r = arith.minui %wanted_$r, %final_row : index
    %token_$r = arith.divui %row_$r, %group : index
    %member_$r = arith.remui %row_$r, %group : index
    %head_$r = arith.addi %first_head, %member_$r : index
    %head_start_$r = arith.muli %head_$r, %key_size : index
    %query_start_$r = arith.addi %head_start_$r, %query_offset : index
    %position_$r = arith.addi %past, %token_$r : index)");
    if (shape.causal)
      source.add("    %end_$r = arith.addi %position_$r, %c1 : index");
    else
      source.add("    %end_$r = arith.addi %length, %c0 : index");
    if (shape.window) {
      source.set("window", *shape.window);
      source.add(R"(    %window_$r = arith.constant $window : index
    %early_$r = arith.subi %end_$r, %window_$r : index
    %begin_$r = arith.maxsi %early_$r, %c0 : index)");
    }
  });
}

void AttentionWriter::writeRange() {
  source.add("    %end = arith.minui %end_$lastRow, %length : index");
  source.add("    %tiles = arith.ceildivui %end, %tile : index");
  source.add(shape.window ? "    %first_tile = arith.divui %begin_0, %tile : index"
                          : "    %first_tile = arith.addi %c0, %c0 : index");
  source.add(R"(    %key_row = arith.muli %cache_head, %key_rows : index
    %key_start = arith.muli %key_row, %key_size : index
    %value_row = arith.muli %cache_head, %value_rows : index)");
}

void AttentionWriter::openTileLoop() {
  source.set("results", "%done:" + std::to_string(3 * rows));
  source.set("init", list("%m_{0} = %lowest") + ", " + list("%l_{0} = %zero") + ", " + list("%a_{0} = %zero_values"));
  source.set("types", list("f32") + ", " + list("f32") + ", " + list("vector<" + std::to_string(shape.valueSize) + "xf32>"));
  source.add(R"(    $results = scf.for %t = %first_tile to %tiles step %c1 iter_args($init) -> ($types) {
      %first_key = arith.muli %t, %tile : index
      %tile_offset = arith.muli %first_key, %key_size : index
      %tile_start = arith.addi %key_start, %tile_offset : index)");
}

void AttentionWriter::writeScores() {
  source.set("sums", list("%s_{0} = %zero_tile")).set("sumTypes", list("vector<16xf32>"));
  source.set("dots", "%dots:" + std::to_string(rows));
  source.add(R"(      $dots = scf.for %d = %c0 to %key_size step %c1 iter_args($sums) -> ($sumTypes) {
        %key_column = arith.muli %d, %tile : index
        %key_place = arith.addi %tile_start, %key_column : index)");
  load("key", "%flat_keys", "%key_place", kTile);
  forRows([&] {
    source.add(R"(        %query_column_$r = arith.addi %query_start_$r, %d : index
        %q_narrow_$r = memref.load %query[%b, %token_$r, %query_column_$r] : memref<?x?x${W}x${T}>)");
    if (shape.element.isF32())
      source.add("        %q_tile_$r = vector.broadcast %q_narrow_$r : f32 to vector<16xf32>");
    else
      source.add(R"(        %q_$r = arith.extf %q_narrow_$r : $T to f32
        %q_tile_$r = vector.broadcast %q_$r : f32 to vector<16xf32>)");
    source.add("        %next_s_$r = llvm.intr.fmuladd(%q_tile_$r, %key, %s_$r) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>");
  });
  source.set("sums", list("%next_s_{0}"));
  source.add("        scf.yield $sums : $sumTypes\n      }");
}

void AttentionWriter::writeMasks() {
  if (shape.padding)
    source.add(R"(      %left = arith.subi %length, %first_key : index
      %left_narrow = arith.index_cast %left : index to i32
      %left_tile = vector.broadcast %left_narrow : i32 to vector<16xi32>
      %inside = arith.cmpi slt, %lanes, %left_tile : vector<16xi32>
      %no_bytes = arith.constant dense<0> : vector<16xi8>
      %padding_bytes = vector.maskedload %padding[%b, %first_key], %inside, %no_bytes : memref<?x?xi8>, vector<16xi1>, vector<16xi8> into vector<16xi8>
      %unpadded = arith.cmpi ne, %padding_bytes, %no_bytes : vector<16xi8>)");
  forRows([&] {
    source.add(R"(      %scaled_$r = arith.mulf %dots#$r, %scale : vector<16xf32>)");
    if (shape.softcap) {
      source.set("cap", floatText(*shape.softcap)).set("capInverse", floatText(1.0 / *shape.softcap));
      source.add(R"(      %cap_$r = arith.constant dense<$cap> : vector<16xf32>
      %cap_inverse_$r = arith.constant dense<$capInverse> : vector<16xf32>
      %small_$r = arith.mulf %scaled_$r, %cap_inverse_$r : vector<16xf32>
      %tanh_$r = math.tanh %small_$r : vector<16xf32>
      %capped_$r = arith.mulf %tanh_$r, %cap_$r : vector<16xf32>)");
    }
    source.set("score", shape.softcap ? "%capped_" : "%scaled_");
    source.add(R"(      %span_$r = arith.subi %end_$r, %first_key : index
      %span_narrow_$r = arith.index_cast %span_$r : index to i32
      %span_tile_$r = vector.broadcast %span_narrow_$r : i32 to vector<16xi32>
      %before_end_$r = arith.cmpi slt, %lanes, %span_tile_$r : vector<16xi32>)");
    std::string mask = "%before_end_";
    if (shape.window) {
      source.add(R"(      %skip_$r = arith.subi %begin_$r, %first_key : index
      %skip_narrow_$r = arith.index_cast %skip_$r : index to i32
      %skip_tile_$r = vector.broadcast %skip_narrow_$r : i32 to vector<16xi32>
      %after_begin_$r = arith.cmpi sge, %lanes, %skip_tile_$r : vector<16xi32>
      %in_window_$r = arith.andi %before_end_$r, %after_begin_$r : vector<16xi1>)");
      mask = "%in_window_";
    }
    source.set("mask", mask);
    if (shape.padding) {
      source.add("      %seen_$r = arith.andi ${mask}$r, %unpadded : vector<16xi1>");
      mask = "%seen_";
    }
    source.set("mask", mask);
    source.add("      %masked_$r = arith.select ${mask}$r, ${score}$r, %lowest_tile : vector<16xi1>, vector<16xf32>");
  });
}

void AttentionWriter::writeSoftmax() {
  forRows([&] {
    // The exponential of a masked score is selected away, not relied upon to
    // vanish: before a row has seen any key its maximum is the lowest itself.
    source.add(R"(      %tile_max_$r = vector.reduction <maximumf>, %masked_$r, %m_$r : vector<16xf32> into f32
      %max_tile_$r = vector.broadcast %tile_max_$r : f32 to vector<16xf32>
      %below_$r = arith.subf %masked_$r, %max_tile_$r : vector<16xf32>
      %exp_$r = math.exp %below_$r : vector<16xf32>
      %p_$r = arith.select ${mask}$r, %exp_$r, %zero_tile : vector<16xi1>, vector<16xf32>
      %fall_$r = arith.subf %m_$r, %tile_max_$r : f32
      %alpha_$r = math.exp %fall_$r : f32
      %kept_$r = arith.mulf %l_$r, %alpha_$r : f32
      %next_l_$r = vector.reduction <add>, %p_$r, %kept_$r : vector<16xf32> into f32
      %alpha_values_$r = vector.broadcast %alpha_$r : f32 to vector<${E}xf32>
      %a_${r}_0 = arith.mulf %a_$r, %alpha_values_$r : vector<${E}xf32>)");
  });
}

void AttentionWriter::writeValues() {
  for (int64_t j = 0; j < kTile; ++j) {
    source.set("j", j).set("next", j + 1);
    // Keys past the end have weight 0; the last row stands in for their values.
    source.add(R"(      %key_step_$j = arith.constant $j : index
      %key_wanted_$j = arith.addi %first_key, %key_step_$j : index
      %key_$j = arith.minui %key_wanted_$j, %last_key : index
      %value_head_row_$j = arith.addi %value_row, %key_$j : index
      %value_start_$j = arith.muli %value_head_row_$j, %value_size : index)");
    std::string index = std::to_string(j);
    load("value_" + index, "%flat_values", "%value_start_" + index, shape.valueSize);
    forRows([&] {
      source.add(R"(      %weight_${r}_$j = vector.extract %p_$r[$j] : f32 from vector<16xf32>
      %weights_${r}_$j = vector.broadcast %weight_${r}_$j : f32 to vector<${E}xf32>
      %a_${r}_$next = llvm.intr.fmuladd(%weights_${r}_$j, %value_$j, %a_${r}_$j) : (vector<${E}xf32>, vector<${E}xf32>, vector<${E}xf32>) -> vector<${E}xf32>)");
    });
  }
}

void AttentionWriter::closeTileLoop() {
  source.set("state", list("%tile_max_{0}") + ", " + list("%next_l_{0}") + ", " + list("%a_{0}_16"));
  source.add("      scf.yield $state : $types\n    }");
}

void AttentionWriter::writeResults() {
  for (int64_t r = 0; r < rows; ++r) {
    source.set("r", r).set("l", rows + r).set("a", 2 * rows + r);
    // A row that read nothing is 0.
    source.add(R"(    %empty_$r = arith.cmpf oeq, %done#$l, %zero : f32
    %sum_$r = arith.select %empty_$r, %one, %done#$l : f32
    %inverse_$r = arith.divf %one, %sum_$r : f32
    %inverse_values_$r = vector.broadcast %inverse_$r : f32 to vector<${E}xf32>
    %result_$r = arith.mulf %done#$a, %inverse_values_$r : vector<${E}xf32>
    %real_$r = arith.cmpi ule, %wanted_$r, %final_row : index
    scf.if %real_$r {
      %out_start_$r = arith.muli %head_$r, %value_size : index)");
    if (shape.element.isF32())
      source.add("      vector.store %result_$r, %out[%b, %token_$r, %out_start_$r] : memref<?x?x${HE}xf32>, vector<${E}xf32>");
    else
      source.add(R"(      %rounded_$r = arith.truncf %result_$r : vector<${E}xf32> to vector<${E}x${T}>
      vector.store %rounded_$r, %out[%b, %token_$r, %out_start_$r] : memref<?x?x${HE}x${T}>, vector<${E}x${T}>)");
    source.add("    }");
  }
}

func::FuncOp attention::getAttentionKernel(ModuleOp module, const AttentionShape &shape) {
  std::string suffix = llvm::formatv("h{0}k{1}d{2}e{3}w{4}o{5}_{6}{7}", shape.heads, shape.kvHeads, shape.keySize,
                                     shape.valueSize, shape.sourceWidth, shape.sourceOffset, typeText(shape.element),
                                     shape.padding ? "_padding" : "");
  // What the name does not say is hashed into it.
  suffix += llvm::formatv("_{0:x-}", static_cast<uint64_t>(llvm::hash_value(llvm::formatv(
                                         "{0} {1} {2} {3}", floatText(shape.scale), shape.causal,
                                         shape.window.value_or(0), floatText(shape.softcap.value_or(0))).str())));
  std::string name = "attention_" + suffix;
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;

  // One token needs the heads of a group only; blocks of several tokens as many
  // rows as leave the accumulators in registers.
  int64_t group = shape.heads / shape.kvHeads;
  int64_t fitting = std::clamp<int64_t>(256 / std::max<int64_t>(shape.valueSize, 1), 1, 8);
  std::string step = "attention_step_" + suffix, block = "attention_block_" + suffix;
  if (!getOrAddKernel(module, step, AttentionWriter(shape, step, std::min(group, fitting)).write()) ||
      !getOrAddKernel(module, block, AttentionWriter(shape, block, fitting).write()))
    return nullptr;

  KernelSource source;
  source.set("name", name).set("step", step).set("block", block).set("T", typeText(shape.element));
  source.set("W", shape.sourceWidth).set("KV", shape.kvHeads).set("D", shape.keySize).set("E", shape.valueSize);
  source.set("HE", shape.heads * shape.valueSize);
  source.set("padding", shape.padding ? "%padding, " : "").set("paddingType", shape.padding ? "memref<?x?xi8>, " : "");
  source.set("paddingArg", shape.padding ? "%padding: memref<?x?xi8>, " : "");
  source.set("args", "(%query, %keys, %values, %length, " + std::string(shape.padding ? "%padding, " : "") +
                         "%out, %thread, %threads)");
  source.add(R"(func.func @$name(%query: memref<?x?x${W}x${T}>, %keys: memref<?x${KV}x?x${D}x${T}>,
    %values: memref<?x${KV}x?x${E}x${T}>, %length: index, ${paddingArg}%out: memref<?x?x${HE}x${T}>,
    %thread: index, %threads: index) {
  %c1 = arith.constant 1 : index
  %sequence = memref.dim %query, %c1 : memref<?x?x${W}x${T}>
  %one_token = arith.cmpi eq, %sequence, %c1 : index
  scf.if %one_token {
    func.call @$step$args : (memref<?x?x${W}x${T}>, memref<?x${KV}x?x${D}x${T}>, memref<?x${KV}x?x${E}x${T}>, index, ${paddingType}memref<?x?x${HE}x${T}>, index, index) -> ()
  } else {
    func.call @$block$args : (memref<?x?x${W}x${T}>, memref<?x${KV}x?x${D}x${T}>, memref<?x${KV}x?x${E}x${T}>, index, ${paddingType}memref<?x?x${HE}x${T}>, index, index) -> ()
  }
  return
}
func.func private @$step(memref<?x?x${W}x${T}>, memref<?x${KV}x?x${D}x${T}>, memref<?x${KV}x?x${E}x${T}>, index, ${paddingType}memref<?x?x${HE}x${T}>, index, index)
func.func private @$block(memref<?x?x${W}x${T}>, memref<?x${KV}x?x${D}x${T}>, memref<?x${KV}x?x${E}x${T}>, index, ${paddingType}memref<?x?x${HE}x${T}>, index, index))");
  return getOrAddKernel(module, name, source);
}
