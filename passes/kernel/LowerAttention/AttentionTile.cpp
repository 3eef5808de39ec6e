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
    source.add(R"(        %q_${key}_$r = memref.load %queries[%step_$r, $column] : memref<${rows}x${D}xf32>
        %q_${key}_tile_$r = vector.broadcast %q_${key}_$r : f32 to vector<16xf32>
        %${after}_$r = llvm.intr.fmuladd(%q_${key}_tile_$r, %$key, %${before}_$r) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>)");
  });
}

void AttentionWriter::openTileLoop() {
  source.set("results", "%done:" + std::to_string((2 + slices.size()) * rows));
  std::string init = list("%m_{0} = %m0_{0}") + ", " + list("%l_{0} = %l0_{0}"), types = list("f32") + ", " + list("vector<16xf32>");
  for (const Slice &slice : slices) {
    std::string s = std::to_string(slice.start);
    init += ", " + list("%a_{0}_" + s + " = %no_values_" + s);
    types += ", " + list("vector<" + std::to_string(slice.size) + "xf32>");
  }
  source.set("init", init).set("types", types);
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

/// Which of the keys row $r reads: its mask; `%masked_$r` is -inf for the others.
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
  masks[row] = mask;
  source.set("mask", mask);
  source.add("      %masked_$r = arith.select $mask, $score, %masked_tile : vector<16xi1>, vector<16xf32>");
}

/// `%name`, the f32 that the 16 lanes of `from` come to, half and half: their greatest value, of which NaNs need not be one, or their sum.
void AttentionWriter::reduce(Reduction kind, StringRef name, StringRef from) {
  std::string before = from.str();
  for (int64_t size = 8; size; size /= 2) {
    std::string half = (name + "_of_" + Twine(size)).str();
    source.set("v", half).set("from", before).set("n", size).set("size", 2 * size);
    source.add(R"(      %${v}_a = vector.extract_strided_slice $from {offsets = [0], sizes = [$n], strides = [1]} : vector<${size}xf32> to vector<${n}xf32>
      %${v}_b = vector.extract_strided_slice $from {offsets = [$n], sizes = [$n], strides = [1]} : vector<${size}xf32> to vector<${n}xf32>)");
    if (kind == Reduction::Sum)
      source.add("      %$v = arith.addf %${v}_a, %${v}_b : vector<${n}xf32>");
    else
      source.add(R"(      %${v}_is = arith.cmpf ogt, %${v}_a, %${v}_b : vector<${n}xf32>
      %$v = arith.select %${v}_is, %${v}_a, %${v}_b : vector<${n}xi1>, vector<${n}xf32>)");
    before = "%" + half;
  }
  source.set("v", name).set("from", before).add("      %$v = vector.extract $from[0] : f32 from vector<1xf32>");
}

void AttentionWriter::writeMaximum() {
  std::string r = std::to_string(row);
  reduce(Reduction::Max, "greatest_" + r, "%masked_" + r);
  source.add(R"(      %is_new_$r = arith.cmpf ogt, %greatest_$r, %m_$r : f32
      %tile_max_$r = arith.select %is_new_$r, %greatest_$r, %m_$r : f32)");
}

/// `%alphas#r`: what sums of row r are multiplied by for its new maximum; most tiles have none.
void AttentionWriter::writeAlphas() {
  std::string any = "%is_new_0";
  for (int64_t r = 1; r < rows; ++r) {
    source.set("r", r).set("any", any).add("      %any_new_$r = arith.ori $any, %is_new_$r : i1");
    any = "%any_new_" + std::to_string(r);
  }
  source.set("any", any).set("results", "%alphas:" + std::to_string(rows)).set("alphaTypes", list("f32"));
  source.add("      $results = scf.if $any -> ($alphaTypes) {");
  forRows([&] {
    source.add(R"(        %fall_$r = arith.subf %m_$r, %tile_max_$r : f32
        %alpha_$r = math.exp %fall_$r : f32)");
  });
  source.set("some", list("%alpha_{0}")).set("ones", list("%one"));
  source.add(R"(        scf.yield $some : $alphaTypes
      } else {
        scf.yield $ones : $alphaTypes
      })");
}

void AttentionWriter::writeSoftmax() {
  // The exponential of a masked score is selected away, not relied upon to vanish.
  source.set("mask", masks[row]);
  source.add(R"(      %max_tile_$r = vector.broadcast %tile_max_$r : f32 to vector<16xf32>
      %below_$r = arith.subf %masked_$r, %max_tile_$r : vector<16xf32>
      %exp_$r = math.exp %below_$r : vector<16xf32>
      %p_$r = arith.select $mask, %exp_$r, %zero_tile : vector<16xi1>, vector<16xf32>
      %alpha_tile_$r = vector.broadcast %alphas#$r : f32 to vector<16xf32>
      %next_l_$r = llvm.intr.fmuladd(%l_$r, %alpha_tile_$r, %p_$r) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>)");
  if (shape.valueBits)
    writeValueScales();
  source.set("p", shape.valueBits ? "code_p" : "p");
  source.add("      vector.store %${p}_$r, %weights[%step_$r, %c0] : memref<${rows}x${tile}xf32>, vector<16xf32>");
}

/// The slice's values of key %j: `%value`.
void AttentionWriter::loadValue(const Slice &slice) {
  if (!shape.valueBits) {
    // Keys past the end have weight 0; the last row stands in for their values.
    source.add(R"(        %key_wanted = arith.addi %first_key, %j : index
        %key_there = arith.minui %key_wanted, %last_key : index
        %value_place = arith.muli %key_there, %value_step : index
        %value_row_start = arith.addi %value_slice_$s, %value_place : index)");
    load("value", "%flat_values", "%value_row_start", slice.size);
    return;
  }
  source.add(R"(        %value_place = arith.muli %j, %code_bytes : index
        %value_row_start = arith.addi %value_slice_$s, %value_place : index)");
  if (shape.valueBits == 8)
    loadCodes("value", "", "%flat_values", "%value_row_start", slice.size);
  else
    loadCodes(slice.isHigh ? "low_value" : "value", slice.isHigh ? "value" : "high_value", "%flat_values", "%value_row_start", slice.size);
}

void AttentionWriter::writeValues() {
  source.set("codeBytes", shape.valueSize * shape.valueBits / 8);
  if (shape.valueBits)
    source.add("      %code_bytes = arith.constant $codeBytes : index");
  for (const Slice &slice : slices) {
    std::string s = std::to_string(slice.start), type = "vector<" + std::to_string(slice.size) + "xf32>";
    source.set("s", s).set("n", slice.size).set("place", slice.place);
    forRows([&] {
      source.add(R"(      %alphas_${r}_$s = vector.broadcast %alphas#$r : f32 to vector<${n}xf32>
      %kept_${r}_$s = arith.mulf %a_${r}_$s, %alphas_${r}_$s : vector<${n}xf32>)");
      source.set("before", shape.valueBits ? "%lowered_" : "%kept_");
      if (shape.valueBits)
        source.add(R"(      %lows_${r}_$s = vector.broadcast %low_sum_$r : f32 to vector<${n}xf32>
      %lowered_${r}_$s = arith.addf %kept_${r}_$s, %lows_${r}_$s : vector<${n}xf32>)");
    });
    source.set("base", shape.valueBits ? "%value_tile" : "%value_start");
    source.set("before", list((shape.valueBits ? "%b_{0} = %lowered_{0}_" : "%b_{0} = %kept_{0}_") + s));
    source.set("sliceTypes", list(type)).set("after", list("%c_{0}")).set("results", "%sum_" + s + ":" + std::to_string(rows));
    source.add(R"(      %place_$s = arith.constant $place : index
      %value_slice_$s = arith.addi $base, %place_$s : index
      $results = scf.for %j = %c0 to %tile step %c1 iter_args($before) -> ($sliceTypes) {)");
    loadValue(slice);
    source.set("n", slice.size);
    forRows([&] {
      source.add(R"(        %weight_$r = memref.load %weights[%step_$r, %j] : memref<${rows}x${tile}xf32>
        %all_weight_$r = vector.broadcast %weight_$r : f32 to vector<${n}xf32>
        %c_$r = llvm.intr.fmuladd(%all_weight_$r, %value, %b_$r) : (vector<${n}xf32>, vector<${n}xf32>, vector<${n}xf32>) -> vector<${n}xf32>)");
    });
    source.add("        scf.yield $after : $sliceTypes\n      }");
  }
}

void AttentionWriter::closeTileLoop() {
  std::string state = list("%tile_max_{0}") + ", " + list("%next_l_{0}");
  for (const Slice &slice : slices)
    state += ", " + list("%sum_" + std::to_string(slice.start) + "#{0}");
  source.set("state", state);
  source.add("      scf.yield $state : $types\n    }");
}
