//===- CodedTile.cpp - tiles of quantized caches --------------------------===//
#include "AttentionWriter.h"

using namespace mlir;
using namespace terse;
using namespace terse::attention;

void AttentionWriter::loadCodes(StringRef name, StringRef memref, StringRef index, int64_t size, int64_t group, int64_t bits) {
  source.set("v", name).set("from", memref).set("at", index).set("n", size).set("bytes", size * group).set("mask", (1 << bits) - 1);
  source.add("      %${v}_bytes = vector.load $from[$at] : memref<?xi8>, vector<${bytes}xi8>");
  source.add(group == 1 ? "      %${v}_words = arith.extui %${v}_bytes : vector<${n}xi8> to vector<${n}xi32>"
                        : "      %${v}_words = vector.bitcast %${v}_bytes : vector<${bytes}xi8> to vector<${n}xi32>");
  source.add("      %${v}_mask = arith.constant dense<$mask> : vector<${n}xi32>");
  for (int64_t i = 0; i < group; ++i)
    for (int64_t shift = 0; shift < 8; shift += bits) {
      source.set("i", i).set("h", shift ? "high_" : "").set("shift", 8 * i + shift);
      source.add(R"(      %${v}_${h}bits_$i = arith.constant dense<$shift> : vector<${n}xi32>
      %${v}_${h}shifted_$i = arith.shrui %${v}_words, %${v}_${h}bits_$i : vector<${n}xi32>
      %${v}_${h}codes_$i = arith.andi %${v}_${h}shifted_$i, %${v}_mask : vector<${n}xi32>
      %${v}_${h}$i = arith.sitofp %${v}_${h}codes_$i : vector<${n}xi32> to vector<${n}xf32>)");
    }
}

void AttentionWriter::loadParameters(StringRef name, StringRef memref, StringRef tile, int64_t codeBytes) {
  source.set("cache", name).set("from", memref).set("at", tile);
  for (auto [part, place] : {std::pair("scales", codeBytes * kTile), {"lows", codeBytes * kTile + 2 * kTile}}) {
    source.set("v", (name + "_" + part).str()).set("p", place);
    source.add(R"(      %${v}_place = arith.constant $p : index
      %${v}_at = arith.addi $at, %${v}_place : index
      %${v}_bytes = vector.load $from[%${v}_at] : memref<?xi8>, vector<32xi8>
      %${v}_half = vector.bitcast %${v}_bytes : vector<32xi8> to vector<16xf16>
      %${v}_loaded = arith.extf %${v}_half : vector<16xf16> to vector<16xf32>)");
  }
}

/// Scales and lows of the tile's values as floats.
void AttentionWriter::storeValueParameters() {
  source.add(R"(      %value_tile_offset = arith.muli %tile_key, %value_step : index
      %value_tile = arith.addi %value_start, %value_tile_offset : index)");
  loadParameters("value", "%flat_values", "%value_tile", shape.valueSize * shape.valueBits / 8);
  source.add(R"(      vector.store %value_scales_loaded, %value_scales[%tile_lane] : memref<${block}xf32>, vector<16xf32>
      vector.store %value_lows_loaded, %value_lows[%tile_lane] : memref<${block}xf32>, vector<16xf32>)");
}

/// Weights of codes in place of those of values: sum(p (low + code * scale)) is sum(p low) + sum((p scale) code). Scales and lows of keys that are
/// not read may be anything.
void AttentionWriter::writeValueScales() {
  source.add(R"(      %unread_$t = arith.cmpf oeq, %p_$t, %zero_tile : vector<16xf32>
      %scale_$t = vector.load %value_scales[%tile_at_$t] : memref<${block}xf32>, vector<16xf32>
      %low_$t = vector.load %value_lows[%tile_at_$t] : memref<${block}xf32>, vector<16xf32>
      %weighted_scale_$t = arith.mulf %p_$t, %scale_$t : vector<16xf32>
      %code_p_$t = arith.select %unread_$t, %zero_tile, %weighted_scale_$t : vector<16xi1>, vector<16xf32>
      %weighted_low_$t = arith.mulf %p_$t, %low_$t : vector<16xf32>
      %low_p_$t = arith.select %unread_$t, %zero_tile, %weighted_low_$t : vector<16xi1>, vector<16xf32>)");
}
