//===- AttentionTile.cpp - scores and values of a tile of keys ------------===//
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
    source.add(R"(        %at_${key}_$r = arith.addi %query_start_$r, $column : index
        %q_${key}_narrow_$r = memref.load %query[%b, %token_$r, %at_${key}_$r] : memref<?x?x${W}x${T}>)");
    std::string query = "%q_" + key.str() + "_narrow_" + std::to_string(row);
    if (!shape.element.isF32()) {
      source.add("        %q_${key}_$r = arith.extf %q_${key}_narrow_$r : $T to f32");
      query = "%q_" + key.str() + "_" + std::to_string(row);
    }
    source.set("q", query);
    source.add(R"(        %q_${key}_tile_$r = vector.broadcast $q : f32 to vector<16xf32>
        %${after}_$r = llvm.intr.fmuladd(%q_${key}_tile_$r, %$key, %${before}_$r) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>)");
  });
}

void AttentionWriter::openTileLoop() {
  source.set("results", "%done:" + std::to_string(3 * rows));
  source.set("init", list("%m_{0} = %m0_{0}") + ", " + list("%l_{0} = %l0_{0}") + ", " + list("%a_{0} = %zero_values"));
  source.set("types", list("f32") + ", " + list("f32") + ", " + list("vector<" + std::to_string(shape.valueSize) + "xf32>"));
  source.add(R"(    $results = scf.for %t = %first_tile to %tiles step %c1 iter_args($init) -> ($types) {
      %first_key = arith.muli %t, %tile : index
      %tile_offset = arith.muli %first_key, %key_step : index
      %tile_start = arith.addi %key_start, %tile_offset : index)");
}

void AttentionWriter::writeScores() {
  source.set("sums", list("%s_{0} = %zero_tile")).set("sumTypes", list("vector<16xf32>"));
  source.set("dots", "%dots:" + std::to_string(rows));
  source.add(R"(      $dots = scf.for %d = %c0 to %key_columns step %c1 iter_args($sums) -> ($sumTypes) {
        %key_column = arith.muli %d, %tile : index
        %key_place = arith.addi %tile_start, %key_column : index)");
  std::string sums = "s";
  if (shape.keyBits == 4) {
    // A byte holds the codes of dimensions d and d + D/2.
    loadCodes("low_key", "high_key", "%flat_keys", "%key_place", kTile);
    source.add("        %d_high = arith.addi %d, %key_columns : index");
    addProducts("low_key", "%d", sums, "half");
    addProducts("high_key", "%d_high", "half", "next_s");
  } else {
    if (shape.keyBits)
      loadCodes("key", "", "%flat_keys", "%key_place", kTile);
    else
      load("key", "%flat_keys", "%key_place", kTile);
    addProducts("key", "%d", sums, "next_s");
  }
  source.set("sums", list("%next_s_{0}"));
  source.add("        scf.yield $sums : $sumTypes\n      }");
  if (!shape.keyBits)
    return;
  // (low + code * scale) q summed: low * sum(q) + scale * sum(code * q).
  loadParameters("key", "%flat_keys", "%tile_start", shape.keySize * shape.keyBits / 8);
  forRows([&] {
    source.add(R"(      %scaled_dot_$r = arith.mulf %dots#$r, %key_scales : vector<16xf32>
      %dot_$r = llvm.intr.fmuladd(%query_sum_tile_$r, %key_lows, %scaled_dot_$r) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>)");
  });
}

/// `%name`, true in the lanes of keys before `end`.
void AttentionWriter::compareLanes(StringRef name, StringRef predicate, StringRef end) {
  source.set("v", name).set("end", end).set("p", predicate);
  source.add(R"(      %${v}_left = arith.subi $end, %first_key : index
      %${v}_narrow = arith.index_cast %${v}_left : index to i32
      %${v}_tile = vector.broadcast %${v}_narrow : i32 to vector<16xi32>
      %$v = arith.cmpi $p, %lanes, %${v}_tile : vector<16xi32>)");
}

void AttentionWriter::writeLeft() {
  if (shape.padding) {
    compareLanes("inside", "slt", "%length");
    source.add(R"(      %no_bytes = arith.constant dense<0> : vector<16xi8>
      %padding_bytes = vector.maskedload %padding[%b, %first_key], %inside, %no_bytes : memref<?x?xi8>, vector<16xi1>, vector<16xi8> into vector<16xi8>
      %unpadded = arith.cmpi ne, %padding_bytes, %no_bytes : vector<16xi8>)");
  }
  if (shape.bias) {
    source.add(R"(      %bias_end = arith.minui %length, %bias_key : index
      %next_tile = arith.addi %first_key, %tile : index
      %whole_tile = arith.cmpi ule, %next_tile, %bias_end : index
      %no_bias = arith.constant dense<0.0> : vector<16x${B}>)");
    compareLanes("biased", "slt", "%bias_end");
  }
  if (shape.valueBits) {
    source.add(R"(      %value_offset_of_tile = arith.muli %first_key, %value_step : index
      %value_tile = arith.addi %value_start, %value_offset_of_tile : index)");
    loadParameters("value", "%flat_values", "%value_tile", shape.valueSize * shape.valueBits / 8);
  }
  if (shape.slopes)
    source.add(R"(      %first_distance = arith.subi %first_key, %start : index
      %lanes_float = arith.sitofp %lanes : vector<16xi32> to vector<16xf32>)");
}

/// Scores of row $r, scaled, capped and biased: `%score_$r`.
void AttentionWriter::writeBias() {
  source.set("score", "%scaled_" + std::to_string(row)).set("dot", (shape.keyBits ? "%dot_" : "%dots#") + std::to_string(row));
  source.add("      %scaled_$r = arith.mulf $dot, %scale : vector<16xf32>");
  auto next = [&](StringRef name) { source.set("score", ("%" + name + "_" + Twine(row)).str()); };
  if (shape.softcap) {
    source.set("cap", floatText(*shape.softcap)).set("capInverse", floatText(1.0 / *shape.softcap));
    source.add(R"(      %cap_$r = arith.constant dense<$cap> : vector<16xf32>
      %cap_inverse_$r = arith.constant dense<$capInverse> : vector<16xf32>
      %small_$r = arith.mulf %scaled_$r, %cap_inverse_$r : vector<16xf32>
      %tanh_$r = math.tanh %small_$r : vector<16xf32>
      %capped_$r = arith.mulf %tanh_$r, %cap_$r : vector<16xf32>)");
    next("capped");
  }
  if (shape.bias) {
    source.add(R"(      %bias_tile_$r = scf.if %whole_tile -> (vector<16x${B}>) {
        %all = vector.load %bias[%b_of_bias, %head_of_bias_$r, %token_of_bias_$r, %first_key] : memref<?x?x?x?x${B}>, vector<16x${B}>
        scf.yield %all : vector<16x${B}>
      } else {
        %some = vector.maskedload %bias[%b_of_bias, %head_of_bias_$r, %token_of_bias_$r, %first_key], %biased, %no_bias : memref<?x?x?x?x${B}>, vector<16xi1>, vector<16x${B}> into vector<16x${B}>
        scf.yield %some : vector<16x${B}>
      })");
    if (!shape.bias.isF32())
      source.add("      %wide_bias_$r = arith.extf %bias_tile_$r : vector<16x${B}> to vector<16xf32>");
    source.set("addend", shape.bias.isF32() ? "%bias_tile_" : "%wide_bias_");
    source.add("      %biased_$r = arith.addf $score, ${addend}$r : vector<16xf32>");
    next("biased");
  }
  if (shape.slopes) {
    source.add(R"(      %distance_$r = arith.subi %first_distance, %token_$r : index
      %distance_narrow_$r = arith.index_cast %distance_$r : index to i32
      %distance_float_$r = arith.sitofp %distance_narrow_$r : i32 to f32
      %distance_tile_$r = vector.broadcast %distance_float_$r : f32 to vector<16xf32>
      %distances_$r = arith.addf %distance_tile_$r, %lanes_float : vector<16xf32>
      %sloped_$r = llvm.intr.fmuladd(%distances_$r, %slope_tile_$r, $score) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>)");
    next("sloped");
  }
}

/// Which of the keys row $r reads: `$mask`; `%masked_$r` is -inf for the others.
void AttentionWriter::writeMask() {
  std::string r = std::to_string(row), mask = "%before_end_" + r;
  compareLanes("before_end_" + r, "slt", "%end_" + r);
  auto require = [&](StringRef name, StringRef condition) {
    source.set("v", (name + "_" + r).str()).set("mask", mask).set("condition", condition);
    source.add("      %$v = arith.andi $mask, $condition : vector<16xi1>");
    mask = ("%" + name + "_" + r).str();
  };
  if (shape.window) {
    compareLanes("after_begin_" + r, "sge", "%begin_" + r);
    require("in_window", "%after_begin_" + r);
  }
  if (shape.padding)
    require("seen", "%unpadded");
  source.set("mask", mask);
  source.add("      %masked_$r = arith.select $mask, $score, %masked_tile : vector<16xi1>, vector<16xf32>");
}

void AttentionWriter::writeSoftmax() {
  // The exponential of a masked score is selected away, not relied upon to vanish.
  source.add(R"(      %tile_max_$r = vector.reduction <maximumf>, %masked_$r, %m_$r : vector<16xf32> into f32
      %max_tile_$r = vector.broadcast %tile_max_$r : f32 to vector<16xf32>
      %below_$r = arith.subf %masked_$r, %max_tile_$r : vector<16xf32>
      %exp_$r = math.exp %below_$r : vector<16xf32>
      %p_$r = arith.select $mask, %exp_$r, %zero_tile : vector<16xi1>, vector<16xf32>
      %fall_$r = arith.subf %m_$r, %tile_max_$r : f32
      %alpha_$r = math.exp %fall_$r : f32
      %kept_$r = arith.mulf %l_$r, %alpha_$r : f32
      %next_l_$r = vector.reduction <add>, %p_$r, %kept_$r : vector<16xf32> into f32
      %alpha_values_$r = vector.broadcast %alpha_$r : f32 to vector<${E}xf32>
      %a_${r}_0 = arith.mulf %a_$r, %alpha_values_$r : vector<${E}xf32>)");
}

/// The values of key $j: `%value_$j`.
void AttentionWriter::loadValue(int64_t j) {
  std::string name = "value_" + std::to_string(j);
  if (!shape.valueBits) {
    // Keys past the end have weight 0; the last row stands in for their values.
    source.add(R"(      %key_step_$j = arith.constant $j : index
      %key_wanted_$j = arith.addi %first_key, %key_step_$j : index
      %key_$j = arith.minui %key_wanted_$j, %last_key : index
      %value_place_$j = arith.muli %key_$j, %value_step : index
      %value_start_$j = arith.addi %value_start, %value_place_$j : index)");
    load(name, "%flat_values", "%value_start_" + std::to_string(j), shape.valueSize);
    return;
  }
  int64_t codeBytes = shape.valueSize * shape.valueBits / 8;
  source.set("p", j * codeBytes);
  source.add(R"(      %value_place_$j = arith.constant $p : index
      %value_start_$j = arith.addi %value_tile, %value_place_$j : index)");
  std::string at = "%value_start_" + std::to_string(j);
  if (shape.valueBits == 8) {
    loadCodes(name, "", "%flat_values", at, codeBytes);
    return;
  }
  std::string lanes;
  for (int64_t i = 0; i < shape.valueSize; ++i)
    lanes += (i ? ", " : "") + std::to_string(i);
  loadCodes(name + "_low", name + "_high", "%flat_values", at, codeBytes);
  source.set("lanes", lanes).set("v", name).set("n", codeBytes);
  source.add("      %$v = vector.shuffle %${v}_low, %${v}_high [$lanes] : vector<${n}xf32>, vector<${n}xf32>");
}

void AttentionWriter::writeValues() {
  for (int64_t j = 0; j < kTile; ++j) {
    source.set("j", j).set("next", j + 1);
    loadValue(j);
    forRows([&] {
      source.set("p", shape.valueBits ? "code_p" : "p").set("before", shape.valueBits && j == 0 ? "first" : std::to_string(j));
      source.add(R"(      %weight_${r}_$j = vector.extract %${p}_$r[$j] : f32 from vector<16xf32>
      %weights_${r}_$j = vector.broadcast %weight_${r}_$j : f32 to vector<${E}xf32>
      %a_${r}_$next = llvm.intr.fmuladd(%weights_${r}_$j, %value_$j, %a_${r}_$before) : (vector<${E}xf32>, vector<${E}xf32>, vector<${E}xf32>) -> vector<${E}xf32>)");
    });
  }
}

void AttentionWriter::closeTileLoop() {
  source.set("state", list("%tile_max_{0}") + ", " + list("%next_l_{0}") + ", " + list("%a_{0}_16"));
  source.add("      scf.yield $state : $types\n    }");
}
