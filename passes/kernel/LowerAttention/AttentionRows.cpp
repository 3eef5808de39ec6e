//===- AttentionRows.cpp - a block's rows before and after its keys -------===//
#include "AttentionWriter.h"

using namespace mlir;
using namespace terse;
using namespace terse::attention;

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
void AttentionWriter::openRowLoop() { source.add("    scf.for %r = %c0 to %row_count step %c1 {"); }

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
    %scaled_query = arith.mulf %$q, %scale : vector<${D}xf32>)");
  if (hasIntegerKeys())
    writeIntegerQuery();
  else
    source.add("    vector.store %scaled_query, %queries[%r, %c0] : memref<${rows}x${D}xf32>, vector<${D}xf32>");
  if (shape.window)
    source.add("    memref.store %begin_r, %begins[%r] : memref<${rows}xindex>");
  if (shape.keyBits && !hasIntegerKeys())
    source.add("    %query_sum = vector.reduction <add>, %scaled_query : vector<${D}xf32> into f32");
  if (shape.keyBits)
    source.add("    memref.store %query_sum, %query_sums[%r] : memref<${rows}xf32>");
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
  source.add("    %key_blocks = arith.ceildivui %end_last, %key_block : index");
  source.add(shape.window ? "    %first_block = arith.divui %begin_first, %key_block : index"
                          : "    %first_block = arith.addi %c0, %c0 : index");
  locateHead("");
  locateHead("_next");
  source.add(R"(    %keys_to_next_task = arith.subi %key_start_next, %key_start : index
    %values_to_next_task = arith.subi %value_start_next, %value_start : index)");
}

/// Where keys and values of a task's head begin: `%key_start` and `%value_start`, with `suffix`.
void AttentionWriter::locateHead(StringRef suffix) {
  source.set("n", suffix).add(R"(    %key_row$n = arith.muli %cache_head$n, %key_rows : index
    %key_start$n = arith.muli %key_row$n, %key_step : index)");
  if (shape.valueWidth)
    source.add(R"(    %first_token$n = arith.muli %b$n, %value_rows : index
    %sequence_start$n = arith.muli %first_token$n, %value_step : index
    %head_values$n = arith.muli %kv$n, %value_size : index
    %value_column$n = arith.addi %head_values$n, %value_offset : index
    %value_start$n = arith.addi %sequence_start$n, %value_column$n : index)");
  else
    source.add(R"(    %value_row$n = arith.muli %cache_head$n, %value_rows : index
    %value_start$n = arith.muli %value_row$n, %value_step : index)");
}

/// Asks for the cache line of the next block that lies where `place` does in this one, of `what`, key or value; after the last block the first of the
/// thread's next task. Floats fill the first-level cache as it is.
void AttentionWriter::prefetch(StringRef what, StringRef place) {
  int64_t bits = what == "key" ? shape.keyBits : shape.valueBits;
  source.set("x", what).set("at", place).set("type", bits ? "i8" : typeText(shape.element)).set("level", bits ? 3 : 2);
  source.add(R"(        %${x}_place_ahead = arith.addi $at, %${x}s_ahead : index
        memref.prefetch %flat_${x}s[%${x}_place_ahead], read, locality<$level>, data : memref<?x$type>)");
}

/// Asks for row %r's query of the next task: the rows of a source lie too far apart for the processor to foresee them.
void AttentionWriter::prefetchQuery() {
  const int64_t lineElements = 512 / shape.element.getIntOrFloatBitWidth();
  source.add(R"(    scf.if %is_final_block {
      %wanted_ahead = arith.addi %first_row_next, %r : index
      %row_ahead = arith.minui %wanted_ahead, %final_row : index
      %token_ahead = arith.divui %row_ahead, %group : index
      %member_ahead = arith.remui %row_ahead, %group : index
      %head_ahead = arith.addi %first_head_next, %member_ahead : index
      %head_start_ahead = arith.muli %head_ahead, %query_size : index
      %query_ahead = arith.addi %head_start_ahead, %query_offset : index)");
  for (int64_t d = 0; d < shape.keySize; d += lineElements)
    source.set("d", d).add(R"(      %dimension_$d = arith.constant $d : index
      %query_ahead_$d = arith.addi %query_ahead, %dimension_$d : index
      memref.prefetch %query[%b_next, %token_ahead, %query_ahead_$d], read, locality<3>, data : memref<?x?x${W}x${T}>)");
  source.add("    }");
}

void AttentionWriter::writeResults() {
  openRowLoop();
  writeRow("r", "%r");
  source.add("    %norm = vector.load %norms[%r, %c0] : memref<${rows}x16xf32>, vector<16xf32>");
  addUp("all", "%norm");
  // A row that read nothing is 0.
  source.add(R"(    %empty = arith.cmpf oeq, %all, %zero : f32
    %sum = arith.select %empty, %one, %all : f32
    %inverse = arith.divf %one, %sum : f32
    %real = arith.cmpi ule, %wanted_r, %final_row : index)");
  if (shape.valueBits) {
    source.add("    %low_sum = vector.load %low_sums[%r, %c0] : memref<${rows}x16xf32>, vector<16xf32>");
    addUp("low", "%low_sum");
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
