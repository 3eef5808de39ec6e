//===- CodedTile.cpp - tiles of quantized caches --------------------------===//
#include "AttentionWriter.h"

using namespace mlir;
using namespace terse;
using namespace terse::attention;

void AttentionWriter::loadCodes(StringRef low, StringRef high, StringRef memref, StringRef index, int64_t size) {
  source.set("v", low).set("h", high).set("from", memref).set("at", index).set("n", size);
  source.add("      %${v}_bytes = vector.load $from[$at] : memref<?xi8>, vector<${n}xi8>");
  if (high.empty()) {
    source.add("      %$v = arith.uitofp %${v}_bytes : vector<${n}xi8> to vector<${n}xf32>");
    return;
  }
  source.add(R"(      %${v}_mask = arith.constant dense<15> : vector<${n}xi8>
      %${v}_shift = arith.constant dense<4> : vector<${n}xi8>
      %${v}_codes = arith.andi %${v}_bytes, %${v}_mask : vector<${n}xi8>
      %${h}_codes = arith.shrui %${v}_bytes, %${v}_shift : vector<${n}xi8>
      %$v = arith.uitofp %${v}_codes : vector<${n}xi8> to vector<${n}xf32>
      %$h = arith.uitofp %${h}_codes : vector<${n}xi8> to vector<${n}xf32>)");
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
