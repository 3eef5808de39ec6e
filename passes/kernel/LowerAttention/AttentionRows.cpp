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
  source.add("    %norm = vector.load %norms[%r, %c0] : memref<${rows}x16xf32>, vector<16xf32>");
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
