//===- AttentionTile.cpp - scores and values of a block of keys -----------===//
#include "AttentionWriter.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
using namespace terse::attention;

std::string AttentionWriter::list(StringRef format) {
  std::string text;
  for (int64_t r = 0; r < rows; ++r)
    text += (r ? ", " : "") + llvm::formatv(format.str().c_str(), r).str();
  return text;
}

void AttentionWriter::load(StringRef name, StringRef memref, StringRef index, int64_t size) {
  source.set("v", name).set("from", memref).set("at", index).set("n", size);
  if (shape.element.isF32()) {
    source.add("      %$v = vector.load $from[$at] : memref<?xf32>, vector<${n}xf32>");
  } else {
    source.add(R"(      %${v}_narrow = vector.load $from[$at] : memref<?x${T}>, vector<${n}x${T}>
      %$v = arith.extf %${v}_narrow : vector<${n}x${T}> to vector<${n}xf32>)");
  }
}

/// `%next_r` = `%sums_r` + `%key` times dimension `column` of row r's query.
void AttentionWriter::addProducts(StringRef key, StringRef column, StringRef sums, StringRef next) {
  source.set("key", key).set("column", column).set("before", sums).set("after", next);
  forRows([&] {
    source.add(R"(        %q_${key}_$r = memref.load %queries[%row_$r, $column] : memref<${rows}x${D}xf32>
        %q_${key}_tile_$r = vector.broadcast %q_${key}_$r : f32 to vector<16xf32>
        %${after}_$r = llvm.intr.fmuladd(%q_${key}_tile_$r, %$key, %${before}_$r) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>)");
  });
}

/// Blocks begin at multiples of their size whatever rows there are, so that a row's result does not depend on the others.
void AttentionWriter::openBlockLoop() {
  source.add(R"(    scf.for %key_block_index = %first_block to %key_blocks step %c1 {
      %first_key = arith.muli %key_block_index, %key_block : index
      %keys_left = arith.subi %end_last, %first_key : index
      %keys_here = arith.minui %keys_left, %key_block : index
      %tiles_here = arith.ceildivui %keys_here, %tile : index
      %next_block = arith.addi %key_block_index, %c1 : index
      %is_final_block = arith.cmpi uge, %next_block, %key_blocks : index
      %blocks_back = arith.subi %first_block, %key_block_index : index)");
  for (StringRef what : {"key", "value"})
    source.set("x", what).add(R"(      %${x}_block_step = arith.muli %key_block, %${x}_step : index
      %${x}s_back = arith.muli %blocks_back, %${x}_block_step : index
      %${x}s_of_next_task = arith.addi %${x}s_to_next_task, %${x}s_back : index
      %${x}s_ahead = arith.select %is_final_block, %${x}s_of_next_task, %${x}_block_step : index)");
  if (shape.window)
    source.add(R"(      %keys_before = arith.subi %begin_first, %first_key : index
      %skipped_keys = arith.maxsi %keys_before, %c0 : index
      %skipped_tiles = arith.divui %skipped_keys, %tile : index)");
  source.set("skippedKeys", shape.window ? "%skipped_keys" : "%c0").set("skippedTiles", shape.window ? "%skipped_tiles" : "%c0");
}

/// `%dots#r`: queries times keys, or their codes, of the tile at `%tile_start`.
void AttentionWriter::writeDots() {
  source.set("sums", list("%s_{0} = %zero_tile")).set("sumTypes", list("vector<16xf32>"));
  source.set("dots", "%dots:" + std::to_string(rows));
  int64_t group = shape.keyBits ? getKeyGroup(shape.keySize * shape.keyBits / 8) : 1;
  source.set("step", group).add(R"(      %columns_of_step = arith.constant $step : index
      $dots = scf.for %d = %c0 to %key_columns step %columns_of_step iter_args($sums) -> ($sumTypes) {
        %key_column = arith.muli %d, %tile : index
        %key_place = arith.addi %tile_start, %key_column : index)");
  prefetch("key", "%key_place");
  std::string sums = "s";
  if (shape.keyBits) {
    loadCodes("key", "%flat_keys", "%key_place", kTile, group, shape.keyBits);
    for (int64_t i = 0; i < group; ++i) {
      std::string next = "next_s_" + std::to_string(i);
      source.set("i", i).add(R"(        %column_$i = arith.constant $i : index
        %d_$i = arith.addi %d, %column_$i : index)");
      addProducts("key_" + std::to_string(i), "%d_" + std::to_string(i), sums, next);
      sums = next;
      if (shape.keyBits == 4) {
        // A byte holds the codes of dimensions d and d + D/2.
        source.set("i", i).add("        %d_high_$i = arith.addi %d_$i, %key_columns : index");
        addProducts("key_high_" + std::to_string(i), "%d_high_" + std::to_string(i), sums, next + "_high");
        sums = next + "_high";
      }
    }
  } else {
    load("key", "%flat_keys", "%key_place", kTile);
    addProducts("key", "%d", sums, "next_s");
    sums = "next_s";
  }
  source.set("sums", list("%" + sums + "_{0}"));
  source.add("        scf.yield $sums : $sumTypes\n      }");
}

/// Scores of all tiles of the block that are read.
void AttentionWriter::writeScores() {
  source.add(R"(      scf.for %t = $skippedTiles to %tiles_here step %c1 {
      %tile_lane = arith.muli %t, %tile : index
      %tile_key = arith.addi %first_key, %tile_lane : index
      %tile_offset = arith.muli %tile_key, %key_step : index
      %tile_start = arith.addi %key_start, %tile_offset : index)");
  hasIntegerKeys() ? writeIntegerScores() : writeDots();
  if (shape.keyBits)
    loadParameters("key", "%flat_keys", "%tile_start", shape.keySize * shape.keyBits / 8);
  source.set("dot", shape.keyBits ? "dot_" : "dots#").set("codeDot", hasIntegerKeys() ? "dots_" : "dots#");
  forRows([&] {
    // (low + code * scale) q summed: low * sum(q) + scale * sum(code * q).
    if (shape.keyBits)
      source.add(R"(      %query_sum_$r = memref.load %query_sums[%row_$r] : memref<${rows}xf32>
      %query_sum_tile_$r = vector.broadcast %query_sum_$r : f32 to vector<16xf32>
      %scaled_dot_$r = arith.mulf %${codeDot}$r, %key_scales_loaded : vector<16xf32>
      %dot_$r = llvm.intr.fmuladd(%query_sum_tile_$r, %key_lows_loaded, %scaled_dot_$r) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>)");
    source.add("      vector.store %${dot}$r, %scores[%row_$r, %tile_lane] : memref<${rows}x${block}xf32>, vector<16xf32>");
  });
  if (shape.valueBits)
    storeValueParameters();
  if (shape.softcap || shape.bias || shape.slopes)
    writeBias();
  source.add("      }");
}

/// `%name`, true in the lanes of the tile at `%tile_key` whose keys lie before `end`.
void AttentionWriter::compareLanes(StringRef name, StringRef predicate, StringRef end) {
  source.set("v", name).set("end", end).set("p", predicate);
  source.add(R"(      %${v}_left = arith.subi $end, %tile_key : index
      %${v}_narrow = arith.index_cast %${v}_left : index to i32
      %${v}_tile = vector.broadcast %${v}_narrow : i32 to vector<16xi32>
      %$v = arith.cmpi $p, %lanes, %${v}_tile : vector<16xi32>)");
}

/// Caps and biases the scores of the tile at `%tile_key`.
void AttentionWriter::writeBias() {
  if (shape.bias) {
    source.add(R"(      %bias_end = arith.minui %length, %bias_key : index
      %next_tile = arith.addi %tile_key, %tile : index
      %whole_tile = arith.cmpi ule, %next_tile, %bias_end : index
      %no_bias = arith.constant dense<0.0> : vector<16x${B}>)");
    compareLanes("biased", "slt", "%bias_end");
  }
  openRowLoop();
  writeRow("r", "%r");
  std::string score = "score";
  source.add("      %score = vector.load %scores[%r, %tile_lane] : memref<${rows}x${block}xf32>, vector<16xf32>");
  if (shape.softcap) {
    source.set("cap", floatText(*shape.softcap)).set("capInverse", floatText(1.0 / *shape.softcap));
    source.add(R"(      %cap = arith.constant dense<$cap> : vector<16xf32>
      %cap_inverse = arith.constant dense<$capInverse> : vector<16xf32>
      %small = arith.mulf %score, %cap_inverse : vector<16xf32>
      %tanh = math.tanh %small : vector<16xf32>
      %capped = arith.mulf %tanh, %cap : vector<16xf32>)");
    score = "capped";
  }
  if (shape.bias) {
    source.add(R"(      %head_of_bias = arith.select %one_bias_head, %c0, %head_r : index
      %token_of_bias = arith.select %one_bias_query, %c0, %token_r : index
      %bias_tile = scf.if %whole_tile -> (vector<16x${B}>) {
        %all = vector.load %bias[%b_of_bias, %head_of_bias, %token_of_bias, %tile_key] : memref<?x?x?x?x${B}>, vector<16x${B}>
        scf.yield %all : vector<16x${B}>
      } else {
        %some = vector.maskedload %bias[%b_of_bias, %head_of_bias, %token_of_bias, %tile_key], %biased, %no_bias : memref<?x?x?x?x${B}>, vector<16xi1>, vector<16x${B}> into vector<16x${B}>
        scf.yield %some : vector<16x${B}>
      })");
    if (!shape.bias.isF32())
      source.add("      %wide_bias = arith.extf %bias_tile : vector<16x${B}> to vector<16xf32>");
    source.set("addend", shape.bias.isF32() ? "bias_tile" : "wide_bias").set("score", score);
    source.add("      %biased_score = arith.addf %$score, %$addend : vector<16xf32>");
    score = "biased_score";
  }
  if (shape.slopes) {
    source.set("score", score).add(R"(      %slope = memref.load %slopes[%head_r] : memref<${H}xf32>
      %slope_tile = vector.broadcast %slope : f32 to vector<16xf32>
      %distance = arith.subi %tile_key, %position_r : index
      %distance_narrow = arith.index_cast %distance : index to i32
      %distance_float = arith.sitofp %distance_narrow : i32 to f32
      %distance_tile = vector.broadcast %distance_float : f32 to vector<16xf32>
      %lanes_float = arith.sitofp %lanes : vector<16xi32> to vector<16xf32>
      %distances = arith.addf %distance_tile, %lanes_float : vector<16xf32>
      %sloped = llvm.intr.fmuladd(%distances, %slope_tile, %$score) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>)");
    score = "sloped";
  }
  source.set("score", score);
  source.add("      vector.store %$score, %scores[%r, %tile_lane] : memref<${rows}x${block}xf32>, vector<16xf32>\n      }");
}

/// Makes the scores of keys that a row does not read -inf, those of tiles that were not computed too. Most blocks of a long prompt have none.
void AttentionWriter::writeMasks() {
  source.add(R"(      %block_end = arith.addi %first_key, %key_block : index
      %is_cut_by_end = arith.cmpi ult, %end_first, %block_end : index)");
  std::string cut = "is_cut_by_end";
  if (shape.window) {
    source.add(R"(      %is_cut_by_begin = arith.cmpi ugt, %begin_last, %first_key : index
      %is_cut = arith.ori %is_cut_by_end, %is_cut_by_begin : i1)");
    cut = "is_cut";
  }
  source.set("cut", cut);
  if (shape.padding) {
    source.add(R"(      %has_masks = scf.if %$cut -> (i1) {
        scf.yield %$cut : i1
      } else {
        %block_padding = vector.load %padding[%b, %first_key] : memref<?x?xi8>, vector<${block}xi8>
        %no_block_padding = arith.constant dense<0> : vector<${block}xi8>
        %is_padding = arith.cmpi eq, %block_padding, %no_block_padding : vector<${block}xi8>
        %any_padding = vector.reduction <or>, %is_padding : vector<${block}xi1> into i1
        scf.yield %any_padding : i1
      })");
    source.set("cut", "has_masks");
  }
  source.add(R"(      scf.if %$cut {
      scf.for %t = %c0 to %block_tiles step %c1 {
      %tile_lane = arith.muli %t, %tile : index
      %tile_key = arith.addi %first_key, %tile_lane : index)");
  if (shape.padding) {
    compareLanes("inside", "slt", "%length");
    source.add(R"(      %no_bytes = arith.constant dense<0> : vector<16xi8>
      %padding_bytes = vector.maskedload %padding[%b, %tile_key], %inside, %no_bytes : memref<?x?xi8>, vector<16xi1>, vector<16xi8> into vector<16xi8>
      %unpadded = arith.cmpi ne, %padding_bytes, %no_bytes : vector<16xi8>)");
  }
  openRowLoop();
  source.add("      %end = memref.load %ends[%r] : memref<${rows}xindex>");
  compareLanes("before_end", "slt", "%end");
  source.set("mask", "before_end");
  auto require = [&](StringRef name, StringRef condition) {
    source.set("v", name).set("condition", condition).add("      %$v = arith.andi %$mask, %$condition : vector<16xi1>");
    source.set("mask", name);
  };
  if (shape.window) {
    source.add("      %begin = memref.load %begins[%r] : memref<${rows}xindex>");
    compareLanes("after_begin", "sge", "%begin");
    require("in_window", "after_begin");
  }
  if (shape.padding)
    require("seen", "unpadded");
  source.add(R"(      %score = vector.load %scores[%r, %tile_lane] : memref<${rows}x${block}xf32>, vector<16xf32>
      %masked = arith.select %$mask, %score, %masked_tile : vector<16xi1>, vector<16xf32>
      vector.store %masked, %scores[%r, %tile_lane] : memref<${rows}x${block}xf32>, vector<16xf32>
      }
      }
      })");
}

/// Where the slice's values of key %j of the block, or of the group that begins with it, begin: `%value_row_start`.
void AttentionWriter::placeValue() {
  if (!shape.valueBits) {
    source.add(R"(        %value_place = arith.muli %j, %value_step : index
        %value_row_start = arith.addi %value_slice_$s, %value_place : index)");
    return;
  }
  source.add(R"(        %lane = arith.remui %j, %tile : index
        %tile_row = arith.subi %j, %lane : index
        %tile_place = arith.muli %tile_row, %value_step : index
        %lane_place = arith.muli %lane, %code_bytes : index
        %value_place = arith.addi %tile_place, %lane_place : index
        %value_row_start = arith.addi %value_slice_$s, %value_place : index)");
}

/// `%next_r` = `%sums_r` + `size` values `%value` times row r's weight of key `key` of the block.
void AttentionWriter::addWeighted(StringRef value, StringRef key, StringRef sums, StringRef next, int64_t size) {
  source.set("value", value).set("key", key).set("before", sums).set("after", next).set("n", size);
  forRows([&] {
    source.add(R"(        %weight_${value}_$r = memref.load %scores[%row_$r, $key] : memref<${rows}x${block}xf32>
        %weights_${value}_$r = vector.broadcast %weight_${value}_$r : f32 to vector<${n}xf32>
        %${after}_$r = llvm.intr.fmuladd(%weights_${value}_$r, %$value, %${before}_$r) : (vector<${n}xf32>, vector<${n}xf32>, vector<${n}xf32>) -> vector<${n}xf32>)");
  });
}

/// `%next_sum_START#r`: the slice's values of the block, added to `%kept_r_START`.
void AttentionWriter::writeFloatValues(const Slice &slice) {
  std::string s = std::to_string(slice.start), type = "vector<" + std::to_string(slice.size) + "xf32>";
  source.set("before", list("%b_{0} = %kept_{0}_" + s));
  source.set("sliceTypes", list(type)).set("results", "%next_sum_" + s + ":" + std::to_string(rows));
  source.add("      $results = scf.for %j = %first_group to %keys_here step %value_group iter_args($before) -> ($sliceTypes) {");
  placeValue();
  prefetch("value", "%value_row_start");
  std::string sums = "b";
  if (shape.valueBits) {
    // The codes of keys that are not read have weights of 0.
    loadCodes("value", "%flat_values", "%value_row_start", slice.size, kCodeGroup, shape.valueBits);
    for (int64_t i = 0; i < kCodeGroup; ++i) {
      std::string next = "c_" + std::to_string(i);
      source.set("i", i).add(R"(        %key_of_group_$i = arith.constant $i : index
        %j_$i = arith.addi %j, %key_of_group_$i : index)");
      addWeighted((slice.isHigh ? "value_high_" : "value_") + std::to_string(i), "%j_" + std::to_string(i), sums, next, slice.size);
      sums = next;
    }
  } else {
    load("value", "%flat_values", "%value_row_start", slice.size);
    addWeighted("value", "%j", sums, "c", slice.size);
    sums = "c";
  }
  source.set("after", list("%" + sums + "_{0}")).add("        scf.yield $after : $sliceTypes\n      }");
}

/// Adds the block's values to the sums of rows.
void AttentionWriter::writeValues() {
  source.add(R"(      %value_offset_of_block = arith.muli %first_key, %value_step : index
      %block_values = arith.addi %value_start, %value_offset_of_block : index)");
  source.set("group", shape.valueBits ? kCodeGroup : 1).add(R"(      %value_group = arith.constant $group : index
      %keys_of_group = arith.remui $skippedKeys, %value_group : index
      %first_group = arith.subi $skippedKeys, %keys_of_group : index)");
  if (hasIntegerValues())
    source.add("      %no_value_sums = arith.constant dense<0> : vector<16xi32>");
  for (const Slice &slice : slices) {
    std::string s = std::to_string(slice.start);
    source.set("s", s).set("n", slice.size).set("place", shape.valueBits ? slice.place * kCodeGroup : slice.place);
    source.add(R"(      %slice_$s = arith.constant $s : index
      %place_$s = arith.constant $place : index
      %value_slice_$s = arith.addi %block_values, %place_$s : index)");
    forRows([&] {
      source.add(R"(      %alpha_${r}_$s = memref.load %alphas[%row_$r] : memref<16xf32>
      %alphas_${r}_$s = vector.broadcast %alpha_${r}_$s : f32 to vector<${n}xf32>
      %sum_${r}_$s = vector.load %sums[%row_$r, %slice_$s] : memref<${rows}x${E}xf32>, vector<${n}xf32>
      %kept_${r}_$s = arith.mulf %sum_${r}_$s, %alphas_${r}_$s : vector<${n}xf32>)");
    });
    hasIntegerValues() ? writeIntegerValues(slice) : writeFloatValues(slice);
    source.set("s", s).set("n", slice.size).set("next", hasIntegerValues() ? "_" : "#");
    forRows([&] {
      source.add("      vector.store %next_sum_$s${next}$r, %sums[%row_$r, %slice_$s] : memref<${rows}x${E}xf32>, vector<${n}xf32>");
    });
  }
}
