//===- IntegerTile.cpp - integer products of quantized caches -------------===//
//
// Queries, and weights of values, are rounded to 16 bits of which each half is an 8-bit operand of the instruction: what that changes is far below
// what the cache's own rounding does.
#include "AttentionWriter.h"

#include <limits>

using namespace mlir;
using namespace terse;
using namespace terse::attention;

/// The greatest integer whose halves are signed bytes with room for rounding.
static constexpr int64_t kGreatest = 127 * 256;

/// Whether rows of so many codes are whole groups and their products with 16-bit integers add up in 32 bits.
static bool hasIntegerProducts(int64_t bits, int64_t size, int64_t group, int64_t added) {
  int64_t levels = (int64_t(1) << bits) - 1;
  return bits && size * bits / 8 % group == 0 && levels * kGreatest * added <= std::numeric_limits<int32_t>::max();
}

bool AttentionWriter::hasIntegerKeys() const {
  return !shape.instruction.empty() && hasIntegerProducts(shape.keyBits, shape.keySize, kCodeGroup, shape.keySize);
}

bool AttentionWriter::hasIntegerValues() const {
  return !shape.instruction.empty() && hasIntegerProducts(shape.valueBits, shape.valueSize, kSliceLanes, kKeyBlock);
}

void AttentionWriter::writeIntegerHead() {
  source.add(R"(  %c4 = arith.constant 4 : index
  %c8_tile = arith.constant dense<8> : vector<16xi32>
  %greatest_integers = arith.constant dense<32512.0> : vector<16xf32>
  %least_divisors = arith.constant dense<1.0e-30> : vector<16xf32>)");
  if (hasIntegerKeys())
    source.add(R"(  %queries_high = memref.alloca() {alignment = 64 : i64} : memref<${rows}x${D}xi8>
  %queries_low = memref.alloca() {alignment = 64 : i64} : memref<${rows}x${D}xi8>
  %query_units = memref.alloca() {alignment = 64 : i64} : memref<${rows}xf32>)");
  if (hasIntegerValues())
    source.add(R"(  %weights_high = memref.alloca() {alignment = 64 : i64} : memref<${rows}x${block}xi8>
  %weights_low = memref.alloca() {alignment = 64 : i64} : memref<${rows}x${block}xi8>
  %magnitudes = memref.alloca() {alignment = 64 : i64} : memref<${rows}x16xf32>
  %weight_units = memref.alloca() {alignment = 64 : i64} : memref<16xf32>
  %weight_unit_inverses = memref.alloca() {alignment = 64 : i64} : memref<16xf32>)");
}

/// `%units` of integers that stand for values up to `most`, 16 lanes, and their `%inverses`.
void AttentionWriter::writeUnits(StringRef most) {
  source.set("most", most).add(R"(      %units = arith.divf $most, %greatest_integers : vector<16xf32>
      %exact_inverses = arith.divf %greatest_integers, $most : vector<16xf32>
      %are_nothing = arith.cmpf olt, $most, %least_divisors : vector<16xf32>
      %inverses = arith.select %are_nothing, %zero_tile, %exact_inverses : vector<16xi1>, vector<16xf32>)");
}

/// `%NAME_high` and `%NAME_low`, signed bytes: `%name` in units is 256 high + low. Adding 3 * 2^22 + 128 rounds and leaves both in the low bits.
void AttentionWriter::writeHalves(StringRef name, int64_t size) {
  source.set("v", name).set("n", size).add(R"(      %${v}_rounder = arith.constant dense<12583040.0> : vector<${n}xf32>
      %${v}_units = llvm.intr.fmuladd(%$v, %unit_inverses, %${v}_rounder) : (vector<${n}xf32>, vector<${n}xf32>, vector<${n}xf32>) -> vector<${n}xf32>
      %${v}_bits = vector.bitcast %${v}_units : vector<${n}xf32> to vector<${n}xi32>
      %${v}_byte = arith.constant dense<8> : vector<${n}xi32>
      %${v}_upper = arith.shrui %${v}_bits, %${v}_byte : vector<${n}xi32>
      %${v}_high = arith.trunci %${v}_upper : vector<${n}xi32> to vector<${n}xi8>
      %${v}_lower = arith.trunci %${v}_bits : vector<${n}xi32> to vector<${n}xi8>
      %${v}_sign = arith.constant dense<-128> : vector<${n}xi8>
      %${v}_low = arith.xori %${v}_lower, %${v}_sign : vector<${n}xi8>)");
}

/// Row %r's query `%scaled_query` as integers, and `%query_sum`, what they stand for in sum.
void AttentionWriter::writeIntegerQuery() {
  source.add(R"(      %query_magnitudes = math.absf %scaled_query : vector<${D}xf32>
      %query_most = vector.reduction <maximumf>, %query_magnitudes : vector<${D}xf32> into f32
      %most = vector.broadcast %query_most : f32 to vector<16xf32>)");
  writeUnits("%most");
  source.add(R"(      %unit = vector.extract %units[0] : f32 from vector<16xf32>
      %inverse = vector.extract %inverses[0] : f32 from vector<16xf32>
      %unit_inverses = vector.broadcast %inverse : f32 to vector<${D}xf32>)");
  writeHalves("scaled_query", shape.keySize);
  source.add(R"(      vector.store %scaled_query_high, %queries_high[%r, %c0] : memref<${rows}x${D}xi8>, vector<${D}xi8>
      vector.store %scaled_query_low, %queries_low[%r, %c0] : memref<${rows}x${D}xi8>, vector<${D}xi8>
      memref.store %unit, %query_units[%r] : memref<${rows}xf32>
      %integer_query = arith.subf %scaled_query_units, %scaled_query_rounder : vector<${D}xf32>
      %integer_sum = vector.reduction <add>, %integer_query : vector<${D}xf32> into f32
      %query_sum = arith.mulf %integer_sum, %unit : f32)");
}

/// `%AFTER_high_r` and `%AFTER_low_r`: `before` plus the products of `codes` with both halves of four of row r's integers, which begin at `place` of
/// `MEMREF_high` and `MEMREF_low`.
void AttentionWriter::addIntegerProducts(StringRef codes, StringRef memref, StringRef type, StringRef place, StringRef before, StringRef after) {
  source.set("codes", codes).set("integers", memref).set("integersType", type).set("place", place).set("before", before).set("after", after);
  source.set("instruction", shape.instruction);
  for (StringRef half : {"high", "low"}) {
    source.set("half", half);
    forRows([&] {
      source.add(R"(        %${after}_${half}_${r}_four = vector.load %${integers}_$half[%row_$r, $place] : $integersType, vector<4xi8>
        %${after}_${half}_$r = kernel.mma #kernel.$instruction $codes, %${after}_${half}_${r}_four, %${before}_${half}_$r : vector<64xi8>, vector<4xi8>, vector<16xi32>)");
    });
  }
}

/// `%name_r`, f32: 256 times the sums of row r's high halves and those of its low ones.
void AttentionWriter::joinHalves(StringRef name, StringRef sums) {
  source.set("v", name).set("sums", sums).set("lowSum", rows + row).add(R"(      %${v}_${r}_upper = arith.shli %$sums#$r, %c8_tile : vector<16xi32>
      %${v}_${r}_all = arith.addi %${v}_${r}_upper, %$sums#$lowSum : vector<16xi32>
      %${v}_${r}_units = arith.sitofp %${v}_${r}_all : vector<16xi32> to vector<16xf32>)");
}

/// `%low_codes` and `%high_codes` of `%bytes`.
void AttentionWriter::splitNibbles() {
  source.add(R"(        %nibble = arith.constant dense<15> : vector<64xi8>
        %nibble_bits = arith.constant dense<4> : vector<64xi8>
        %low_codes = arith.andi %bytes, %nibble : vector<64xi8>
        %high_codes = arith.shrui %bytes, %nibble_bits : vector<64xi8>)");
}

/// `%dots_r`: sums of codes times queries for the keys of the tile at `%tile_start`.
void AttentionWriter::writeIntegerScores() {
  std::string queryType = "memref<" + std::to_string(rows) + "x" + std::to_string(shape.keySize) + "xi8>";
  source.set("zeros", list("%s_high_{0} = %no_sums") + ", " + list("%s_low_{0} = %no_sums"));
  source.set("sumTypes", list("vector<16xi32>") + ", " + list("vector<16xi32>")).set("dots", "%integer_dots:" + std::to_string(2 * rows));
  source.add(R"(      %no_sums = arith.constant dense<0> : vector<16xi32>
      $dots = scf.for %d = %c0 to %key_columns step %c4 iter_args($zeros) -> ($sumTypes) {
        %key_column = arith.muli %d, %tile : index
        %key_place = arith.addi %tile_start, %key_column : index
        %bytes = vector.load %flat_keys[%key_place] : memref<?xi8>, vector<64xi8>)");
  prefetch("key", "%key_place");
  if (shape.keyBits == 8) {
    addIntegerProducts("%bytes", "queries", queryType, "%d", "s", "next");
  } else {
    splitNibbles();
    source.add("        %d_high = arith.addi %d, %key_columns : index");
    addIntegerProducts("%low_codes", "queries", queryType, "%d", "s", "half");
    addIntegerProducts("%high_codes", "queries", queryType, "%d_high", "half", "next");
  }
  source.set("nextSums", list("%next_high_{0}") + ", " + list("%next_low_{0}"));
  source.add("        scf.yield $nextSums : $sumTypes\n      }");
  forRows([&] {
    joinHalves("dots", "integer_dots");
    source.add(R"(      %query_unit_$r = memref.load %query_units[%row_$r] : memref<${rows}xf32>
      %query_units_$r = vector.broadcast %query_unit_$r : f32 to vector<16xf32>
      %dots_$r = arith.mulf %dots_${r}_units, %query_units_$r : vector<16xf32>)");
  });
}

/// The greatest of row %r's weights of codes in each lane.
void AttentionWriter::storeMagnitudes() {
  std::string greatest;
  for (int64_t tile = 0; tile < kKeyBlock; tile += kTile) {
    source.set("t", tile).add("      %magnitude_$t = math.absf %code_p_$t : vector<16xf32>");
    std::string magnitude = "%magnitude_" + std::to_string(tile);
    if (tile)
      addGreater("most_to_" + std::to_string(tile), magnitude, greatest);
    greatest = tile ? "%most_to_" + std::to_string(tile) : magnitude;
  }
  source.set("greatest", greatest).add("      vector.store $greatest, %magnitudes[%r, %c0] : memref<${rows}x16xf32>, vector<16xf32>");
}

/// The weights of codes in `%scores` as integers.
void AttentionWriter::writeIntegerWeights() {
  std::vector<std::string> ofRows;
  forRows([&] {
    source.add("      %magnitudes_$r = vector.load %magnitudes[%row_$r, %c0] : memref<${rows}x16xf32>, vector<16xf32>");
    ofRows.push_back("%magnitudes_" + std::to_string(row));
  });
  writeUnits(addGreatestOfRows("most", ofRows));
  source.add(R"(      vector.store %units, %weight_units[%c0] : memref<16xf32>, vector<16xf32>
      vector.store %inverses, %weight_unit_inverses[%c0] : memref<16xf32>, vector<16xf32>)");
  openRowLoop();
  source.add(R"(      %unit_inverse = memref.load %weight_unit_inverses[%r] : memref<16xf32>
      %unit_inverses = vector.broadcast %unit_inverse : f32 to vector<16xf32>)");
  for (int64_t tile = 0; tile < kKeyBlock; tile += kTile) {
    source.set("t", tile).add("      %code_p_$t = vector.load %scores[%r, %tile_at_$t] : memref<${rows}x${block}xf32>, vector<16xf32>");
    writeHalves("code_p_" + std::to_string(tile), kTile);
    source.set("t", tile).add(R"(      vector.store %${v}_high, %weights_high[%r, %tile_at_$t] : memref<${rows}x${block}xi8>, vector<16xi8>
      vector.store %${v}_low, %weights_low[%r, %tile_at_$t] : memref<${rows}x${block}xi8>, vector<16xi8>)");
  }
  source.add("      }");
}

/// `%next_sum_START_r`: the slice's values of the block, added to `%kept_r_START`.
void AttentionWriter::writeIntegerValues(const Slice &slice) {
  std::string weightType = "memref<" + std::to_string(rows) + "x" + std::to_string(kKeyBlock) + "xi8>";
  source.set("zeros", list("%v_high_{0} = %no_value_sums") + ", " + list("%v_low_{0} = %no_value_sums"));
  source.set("sumTypes", list("vector<16xi32>") + ", " + list("vector<16xi32>"));
  source.set("integers", "%integer_sum_" + std::to_string(slice.start) + ":" + std::to_string(2 * rows));
  source.add("      $integers = scf.for %j = %first_group to %keys_here step %value_group iter_args($zeros) -> ($sumTypes) {");
  placeValue();
  source.add("        %bytes = vector.load %flat_values[%value_row_start] : memref<?xi8>, vector<64xi8>");
  prefetch("value", "%value_row_start");
  if (shape.valueBits == 4)
    splitNibbles();
  addIntegerProducts(shape.valueBits == 8 ? "%bytes" : slice.isHigh ? "%high_codes" : "%low_codes", "weights", weightType, "%j", "v", "next");
  source.set("nextSums", list("%next_high_{0}") + ", " + list("%next_low_{0}"));
  source.add("        scf.yield $nextSums : $sumTypes\n      }");
  std::string s = std::to_string(slice.start);
  forRows([&] {
    joinHalves("value_sum_" + s, "integer_sum_" + s);
    source.add(R"(      %weight_unit_${s}_$r = memref.load %weight_units[%row_$r] : memref<16xf32>
      %weight_units_${s}_$r = vector.broadcast %weight_unit_${s}_$r : f32 to vector<16xf32>
      %next_sum_${s}_$r = llvm.intr.fmuladd(%${v}_${r}_units, %weight_units_${s}_$r, %kept_${r}_$s) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>)");
  });
}
