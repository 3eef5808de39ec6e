//===- AttentionSoftmax.cpp - weights of a block of keys ------------------===//
#include "AttentionWriter.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace terse;
using namespace terse::attention;

void AttentionWriter::writeExponentialHead() {
  // Minimax coefficients on [-1/2, 1/2].
  constexpr float coefficients[] = {1.0f, 0x1.62e42ap-1f, 0x1.ebf9bcp-3f, 0x1.c6b752p-5f, 0x1.3cea88p-7f, 0x1.5bba14p-10f};
  for (auto [power, coefficient] : llvm::enumerate(coefficients))
    source.set("i", power).set("c", floatText(coefficient)).add("  %power_$i = arith.constant dense<$c> : vector<16xf32>");
  source.set("log2e", floatText(llvm::numbers::log2e));
  source.add(R"(  %log2e = arith.constant dense<$log2e> : vector<16xf32>
  %least_exponent = arith.constant dense<-126.0> : vector<16xf32>
  %rounder = arith.constant dense<12582912.0> : vector<16xf32>
  %exponent_place = arith.constant dense<23> : vector<16xi32>)");
}

/// `%name` = e^x of 16 lanes that are not greater than 0, exactly 1 at 0 and 0 below 2^-126. Rounding x log2(e) to an integer leaves a part within
/// 1/2; 2^part is a polynomial with a relative error below 2e-7, the integer is added to its exponent.
void AttentionWriter::exponential(StringRef name, StringRef x) {
  source.set("v", name).set("of", x);
  source.add(R"(      %${v}_log2 = arith.mulf $of, %log2e : vector<16xf32>
      %${v}_vanishes = arith.cmpf olt, %${v}_log2, %least_exponent : vector<16xf32>
      %${v}_rounded = arith.addf %${v}_log2, %rounder : vector<16xf32>
      %${v}_whole = arith.subf %${v}_rounded, %rounder : vector<16xf32>
      %${v}_part = arith.subf %${v}_log2, %${v}_whole : vector<16xf32>)");
  std::string sum = "%power_5";
  for (int power : {4, 3, 2, 1, 0}) {
    std::string next = ("%" + name + "_to_" + llvm::Twine(power)).str();
    source.set("sum", sum).set("next", next).set("power", power);
    source.add("      $next = llvm.intr.fmuladd($sum, %${v}_part, %power_$power) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>");
    sum = next;
  }
  source.add(R"(      %${v}_bits = vector.bitcast $next : vector<16xf32> to vector<16xi32>
      %${v}_integer = vector.bitcast %${v}_rounded : vector<16xf32> to vector<16xi32>
      %${v}_exponent = arith.shli %${v}_integer, %exponent_place : vector<16xi32>
      %${v}_scaled = arith.addi %${v}_bits, %${v}_exponent : vector<16xi32>
      %${v}_power = vector.bitcast %${v}_scaled : vector<16xi32> to vector<16xf32>
      %$v = arith.select %${v}_vanishes, %zero_tile, %${v}_power : vector<16xi1>, vector<16xf32>)");
}

/// `%name`, the f32 that the 16 lanes of `from` come to, half and half.
void AttentionWriter::addUp(StringRef name, StringRef from) {
  std::string before = from.str();
  for (int64_t size = 8; size; size /= 2) {
    std::string half = (name + "_of_" + Twine(size)).str();
    source.set("v", half).set("from", before).set("n", size).set("size", 2 * size);
    source.add(R"(      %${v}_a = vector.extract_strided_slice $from {offsets = [0], sizes = [$n], strides = [1]} : vector<${size}xf32> to vector<${n}xf32>
      %${v}_b = vector.extract_strided_slice $from {offsets = [$n], sizes = [$n], strides = [1]} : vector<${size}xf32> to vector<${n}xf32>
      %$v = arith.addf %${v}_a, %${v}_b : vector<${n}xf32>)");
    before = "%" + half;
  }
  source.set("v", name).set("from", before).add("      %$v = vector.extract $from[0] : f32 from vector<1xf32>");
}

/// `%name`: in each of 16 lanes the greater of `a` and `b`; `b` where one is a NaN.
void AttentionWriter::addGreater(StringRef name, StringRef a, StringRef b) {
  source.set("v", name).set("a", a).set("b", b).add(R"(      %${v}_is = arith.cmpf ogt, $a, $b : vector<16xf32>
      %$v = arith.select %${v}_is, $a, $b : vector<16xi1>, vector<16xf32>)");
}

/// The name of a vector of which lane r is the greatest of the 16 lanes of row r's vector in `parts`, one for each row. Halves of two vectors are
/// compared at once: three instructions a row, where rows one by one take twelve.
std::string AttentionWriter::addGreatestOfRows(StringRef name, std::vector<std::string> parts) {
  parts.resize(llvm::PowerOf2Ceil(rows), parts.back());
  for (int64_t lanes = kTile; lanes > 1; lanes /= 2) {
    std::string halves[2];
    for (int64_t half : {0, 1})
      for (int64_t i = 0; i < kTile; ++i)
        halves[half] += (i ? ", " : "") + std::to_string(i / (lanes / 2) * lanes + half * (lanes / 2) + i % (lanes / 2));
    std::vector<std::string> joined;
    for (size_t i = 0; i < parts.size(); i += 2) {
      std::string next = (name + "_of_" + Twine(lanes) + "_" + Twine(i)).str();
      source.set("v", next).set("a", parts[i]).set("b", parts[std::min(i + 1, parts.size() - 1)]).set("first", halves[0]).set("second", halves[1]);
      source.add(R"(      %${v}_a = vector.shuffle $a, $b [$first] : vector<16xf32>, vector<16xf32>
      %${v}_b = vector.shuffle $a, $b [$second] : vector<16xf32>, vector<16xf32>)");
      addGreater(next, "%" + next + "_a", "%" + next + "_b");
      joined.push_back("%" + next);
    }
    parts = std::move(joined);
  }
  return parts.front();
}

/// Adds the greatest scores of the block to `%maxima`, and what sums of rows are multiplied by for it to `%alphas`.
void AttentionWriter::writeMaxima() {
  std::vector<std::string> ofRows;
  forRows([&] {
    std::string greatest;
    for (int64_t tile = 0; tile < kKeyBlock; tile += kTile) {
      std::string place = std::to_string(row) + "_" + std::to_string(tile), score = "%score_" + place;
      source.set("p", place).set("t", tile);
      source.add("      %score_$p = vector.load %scores[%row_$r, %tile_at_$t] : memref<${rows}x${block}xf32>, vector<16xf32>");
      if (tile)
        addGreater("greatest_" + place, score, greatest);
      greatest = tile ? "%greatest_" + place : score;
    }
    ofRows.push_back(greatest);
  });
  std::string greatest = addGreatestOfRows("greatest", ofRows);
  source.add("      %maxima_before = vector.load %maxima[%c0] : memref<16xf32>, vector<16xf32>");
  addGreater("maxima_after", greatest, "%maxima_before");
  source.add(R"(      vector.store %maxima_after, %maxima[%c0] : memref<16xf32>, vector<16xf32>
      %fall = arith.subf %maxima_before, %maxima_after : vector<16xf32>)");
  exponential("alpha", "%fall");
  source.add("      vector.store %alpha, %alphas[%c0] : memref<16xf32>, vector<16xf32>");
}

/// Weights of the block's keys in place of their scores; of codes, those of codes.
void AttentionWriter::writeWeights() {
  openRowLoop();
  prefetchQuery();
  source.add(R"(      %maximum = memref.load %maxima[%r] : memref<16xf32>
      %maximum_tile = vector.broadcast %maximum : f32 to vector<16xf32>)");
  std::string sum, lowSum;
  auto addTo = [&](std::string &sum, const std::string &term) {
    std::string next = sum.empty() ? term : "sum_with_" + term;
    if (!sum.empty())
      source.set("sum", sum).set("term", term).set("next", next).add("      %$next = arith.addf %$sum, %$term : vector<16xf32>");
    sum = next;
  };
  for (int64_t tile = 0; tile < kKeyBlock; tile += kTile) {
    std::string t = std::to_string(tile);
    source.set("t", tile).add(R"(      %score_$t = vector.load %scores[%r, %tile_at_$t] : memref<${rows}x${block}xf32>, vector<16xf32>
      %below_$t = arith.subf %score_$t, %maximum_tile : vector<16xf32>)");
    exponential("p_" + t, "%below_" + t);
    addTo(sum, "p_" + t);
    source.set("p", shape.valueBits ? "code_p" : "p");
    if (shape.valueBits) {
      writeValueScales();
      addTo(lowSum, "low_p_" + t);
    }
    source.add("      vector.store %${p}_$t, %scores[%r, %tile_at_$t] : memref<${rows}x${block}xf32>, vector<16xf32>");
  }
  if (hasIntegerValues())
    storeMagnitudes();
  source.add(R"(      %row_alpha = memref.load %alphas[%r] : memref<16xf32>
      %row_alpha_tile = vector.broadcast %row_alpha : f32 to vector<16xf32>)");
  auto accumulate = [&](StringRef memref, const std::string &term) {
    source.set("into", memref).set("term", term).add(R"(      %$into = vector.load %${into}s[%r, %c0] : memref<${rows}x16xf32>, vector<16xf32>
      %next_$into = llvm.intr.fmuladd(%$into, %row_alpha_tile, %$term) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>
      vector.store %next_$into, %${into}s[%r, %c0] : memref<${rows}x16xf32>, vector<16xf32>)");
  };
  accumulate("norm", sum);
  if (shape.valueBits)
    accumulate("low_sum", lowSum);
  source.add("      }");
  if (hasIntegerValues())
    writeIntegerWeights();
}
