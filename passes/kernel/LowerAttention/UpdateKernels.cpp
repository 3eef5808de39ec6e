//===- UpdateKernels.cpp - rows into a KV cache ---------------------------===//
#include "RopeWriter.h"

#include "Terse/CachedRow.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
using namespace terse::attention;

/// Where row %row of %cache_head begins: `%start`. In tiles, elements of a row are a tile's width apart.
static void addRowStart(KernelSource &source, bool tiled) {
  source.add("    %first_row = arith.muli %cache_head, %capacity : index");
  if (tiled)
    source.add(R"(    %lane = arith.remui %row, %tile : index
    %tile_row = arith.subi %row, %lane : index
    %head_row = arith.addi %first_row, %tile_row : index
    %tile_start = arith.muli %head_row, %size : index
    %start = arith.addi %tile_start, %lane : index)");
  else
    source.add(R"(    %head_row = arith.addi %first_row, %row : index
    %start = arith.muli %head_row, %size : index)");
}

/// How the elements of a row lie: runs of `run` elements that begin `stride` apart.
struct Spacing {
  int64_t run, stride;

  static Spacing contiguous(int64_t size) { return {size, size}; }
};

/// Stores the vector `%name` of `size` elements of `type`, those of a row from `place` on; the row begins at %start.
static void addStore(KernelSource &source, StringRef name, int64_t place, int64_t size, StringRef type, Spacing spacing) {
  source.set("v", name).set("n", size).set("S", type).set("run", spacing.run);
  for (int64_t i = 0; i < size; i += spacing.run) {
    source.set("i", i).set("p", (place + i) / spacing.run * spacing.stride + (place + i) % spacing.run);
    source.add(R"(    %at_${v}_$i = arith.constant $p : index
    %to_${v}_$i = arith.addi %start, %at_${v}_$i : index
    %run_${v}_$i = vector.extract_strided_slice %$v {offsets = [$i], sizes = [$run], strides = [1]} : vector<${n}x${S}> to vector<${run}x${S}>
    vector.store %run_${v}_$i, %flat[%to_${v}_$i] : memref<?x${S}>, vector<${run}x${S}>)");
  }
}

/// The name of the whole head, f32, of pieces of the source's elements.
static std::string addWholeHead(KernelSource &source, ArrayRef<Piece> pieces, Type element) {
  source.set("E", typeText(element));
  std::string whole = pieces.front().name;
  if (pieces.size() > 1) {
    whole = "no_values";
    source.add("    %no_values = arith.constant dense<0.0> : vector<${D}x${E}>");
    for (const Piece &piece : pieces) {
      std::string next = "with_" + piece.name;
      source.set("from", piece.name).set("into", whole).set("to", next).set("n", piece.size).set("p", piece.place);
      source.add("    %$to = vector.insert_strided_slice %$from, %$into {offsets = [$p], strides = [1]} : vector<${n}x${E}> into vector<${D}x${E}>");
      whole = next;
    }
  }
  if (element.isF32())
    return whole;
  source.set("whole", whole).add("    %wide_head = arith.extf %$whole : vector<${D}x${E}> to vector<${D}xf32>");
  return "wide_head";
}

/// Rounds the head `%values` as `terse.quantize_heads` does and stores codes, scale and low. A tile of rows holds their codes, then their
/// scales, then their lows. A byte of 4-bit codes holds those of dimensions d (low) and d + D/2.
static void addCodes(KernelSource &source, StringRef values, const UpdateShape &shape) {
  int64_t codeBytes = shape.size * shape.bits / 8;
  source.set("levels", (1 << shape.bits) - 1).set("C", codeBytes).set("values", values);
  // Adding 2^23 rounds to even and leaves the code in the low bits.
  source.add(R"(    %bound = arith.constant 65504.0 : f32
    %negative_bound = arith.constant -65504.0 : f32
    %levels = arith.constant $levels.0 : f32
    %none = arith.constant dense<0.0> : vector<${D}xf32>
    %all = arith.constant dense<$levels.0> : vector<${D}xf32>
    %magic = arith.constant dense<8388608.0> : vector<${D}xf32>
    %least = vector.reduction <minimumf>, %$values : vector<${D}xf32> into f32
    %most = vector.reduction <maximumf>, %$values : vector<${D}xf32> into f32
    %least_below = arith.minimumf %least, %bound : f32
    %least_within = arith.maximumf %least_below, %negative_bound : f32
    %low_half = arith.truncf %least_within : f32 to f16
    %low = arith.extf %low_half : f16 to f32
    %span = arith.subf %most, %low : f32
    %exact_scale = arith.divf %span, %levels : f32
    %scale_within = arith.minimumf %exact_scale, %bound : f32
    %scale_half = arith.truncf %scale_within : f32 to f16
    %scale = arith.extf %scale_half : f16 to f32
    %lows = vector.broadcast %low : f32 to vector<${D}xf32>
    %scales = vector.broadcast %scale : f32 to vector<${D}xf32>
    %above_low = arith.subf %$values, %lows : vector<${D}xf32>
    %units = arith.divf %above_low, %scales : vector<${D}xf32>
    %units_up = arith.maxnumf %units, %none : vector<${D}xf32>
    %units_within = arith.minnumf %units_up, %all : vector<${D}xf32>
    %shifted = arith.addf %units_within, %magic : vector<${D}xf32>
    %words = vector.bitcast %shifted : vector<${D}xf32> to vector<${D}xi32>
    %bytes = arith.trunci %words : vector<${D}xi32> to vector<${D}xi8>)");
  StringRef codes = "bytes";
  if (shape.bits == 4) {
    source.add(R"(    %low_codes = vector.extract_strided_slice %bytes {offsets = [0], sizes = [$C], strides = [1]} : vector<${D}xi8> to vector<${C}xi8>
    %high_codes = vector.extract_strided_slice %bytes {offsets = [$C], sizes = [$C], strides = [1]} : vector<${D}xi8> to vector<${C}xi8>
    %nibble = arith.constant dense<4> : vector<${C}xi8>
    %raised_codes = arith.shli %high_codes, %nibble : vector<${C}xi8>
    %pairs = arith.ori %low_codes, %raised_codes : vector<${C}xi8>)");
    codes = "pairs";
  }
  int64_t group = getKeyGroup(codeBytes);
  addStore(source, codes, 0, codeBytes, "i8", shape.tiled ? Spacing{group, group * kTile} : Spacing{1, kCodeGroup});
  for (auto [name, place] : {std::pair("scale", codeBytes * kTile), {"low", codeBytes * kTile + 2 * kTile}}) {
    source.set("v", name).set("p", place);
    source.add(R"(    %${v}_vector = vector.broadcast %${v}_half : f16 to vector<1xf16>
    %${v}_bytes = vector.bitcast %${v}_vector : vector<1xf16> to vector<2xi8>
    %${v}_place = arith.constant $p : index
    %${v}_first = arith.addi %tile_start, %${v}_place : index
    %${v}_at = arith.addi %${v}_first, %half_lane : index
    vector.store %${v}_bytes, %flat[%${v}_at] : memref<?xi8>, vector<2xi8>)");
  }
}

/// Where the codes of row %row of %cache_head begin in their tile: `%start`.
static void addCodedRowStart(KernelSource &source, const UpdateShape &shape) {
  int64_t codeBytes = shape.size * shape.bits / 8;
  source.set("R", getCachedRowBytes(shape.size, shape.bits));
  source.set("group", shape.tiled ? getKeyGroup(codeBytes) : kCodeGroup).set("groupBytes", kCodeGroup * codeBytes);
  source.add(R"(    %stored_bytes = arith.constant $R : index
    %code_group = arith.constant $group : index
    %two = arith.constant 2 : index
    %first_row = arith.muli %cache_head, %capacity : index
    %lane = arith.remui %row, %tile : index
    %half_lane = arith.muli %lane, %two : index
    %tile_row = arith.subi %row, %lane : index
    %head_row = arith.addi %first_row, %tile_row : index
    %tile_start = arith.muli %head_row, %stored_bytes : index)");
  source.add(shape.tiled ? R"(    %lane_start = arith.muli %lane, %code_group : index
    %start = arith.addi %tile_start, %lane_start : index)"
                         : R"(    %group_bytes = arith.constant $groupBytes : index
    %lane_group = arith.divui %lane, %code_group : index
    %group_lane = arith.remui %lane, %code_group : index
    %group_place = arith.muli %lane_group, %group_bytes : index
    %group_start = arith.addi %tile_start, %group_place : index
    %start = arith.addi %group_start, %group_lane : index)");
}

func::FuncOp attention::getCacheUpdateKernel(ModuleOp module, const UpdateShape &shape) {
  std::string coded = shape.bits ? llvm::formatv("c{0}_", shape.bits).str() : "";
  std::string name = llvm::formatv("cache_update_{0}{1}{2}{3}k{4}d{5}w{6}o{7}_{8}", shape.tiled ? "tiled_" : "", coded,
                                   shape.starts ? "starts_" : "", shape.rope ? "rope_" + getRopeName(*shape.rope) + "_" : "", shape.heads, shape.size,
                                   shape.sourceWidth, shape.sourceOffset, typeText(shape.element));
  KernelSource source;
  source.set("name", name).set("T", typeText(shape.element)).set("W", shape.sourceWidth);
  source.set("KV", shape.heads).set("D", shape.size).set("tile", kTile).set("angles", "");
  source.set("CT", shape.bits ? "i8" : typeText(shape.element));
  source.set("CD", shape.bits ? getCachedRowBytes(shape.size, shape.bits) : shape.size);
  if (shape.rope) {
    source.set("R", shape.rope->angles).set("A", typeText(shape.rope->angleElement));
    source.set("angles",
               llvm::formatv(" %cos: memref<?x?x{0}x{1}>, %sin: memref<?x?x{0}x{1}>,", shape.rope->angles,
                             typeText(shape.rope->angleElement))
                   .str());
  }
  source.set("starts", shape.starts ? " %starts: memref<?xi64>," : "");
  source.add(R"(func.func @$name(%x: memref<?x?x${W}x${T}>,$angles %position: index,$starts
    %cache: memref<?x${KV}x?x${CD}x${CT}>, %thread: index, %threads: index) {
  %flat = memref.collapse_shape %cache [[0, 1, 2, 3]] : memref<?x${KV}x?x${CD}x${CT}> into memref<?x${CT}>
  %axis = arith.constant 2 : index
  %tile = arith.constant $tile : index
  %capacity = memref.dim %cache, %axis : memref<?x${KV}x?x${CD}x${CT}>)");
  addTokenHeadLoop(source, shape.heads, shape.size, shape.sourceWidth, shape.sourceOffset, shape.element,
                   shape.rope.has_value());
  SmallVector<Piece> pieces;
  if (shape.rope) {
    pieces = addRotatedHead(source, *shape.rope);
    for (Piece &piece : pieces)
      piece.name = addRound(source, piece.name, piece.size, shape.element);
  } else {
    source.add("    %row_values = vector.load %x[%b, %s, %column] : memref<?x?x${W}x${T}>, vector<${D}x${T}>");
    pieces.push_back({"row_values", 0, shape.size});
  }
  if (shape.starts)
    source.add(R"(    %given = memref.load %starts[%b] : memref<?xi64>
    %wanted = arith.index_cast %given : i64 to index
    %limit = arith.subi %capacity, %sequence : index
    %inside = arith.minsi %wanted, %limit : index
    %first = arith.maxsi %inside, %c0 : index
    %row = arith.addi %first, %s : index)");
  else
    source.add("    %row = arith.addi %position, %s : index");
  source.add(R"(    %first_head = arith.muli %b, %heads : index
    %cache_head = arith.addi %first_head, %h : index)");
  if (shape.bits) {
    addCodedRowStart(source, shape);
    addCodes(source, addWholeHead(source, pieces, shape.element), shape);
  } else {
    addRowStart(source, shape.tiled);
    for (const Piece &piece : pieces)
      addStore(source, piece.name, piece.place, piece.size, typeText(shape.element), shape.tiled ? Spacing{1, kTile} : Spacing::contiguous(piece.size));
  }
  source.add("  }\n  return\n}");
  return getOrAddKernel(module, name, source);
}

func::FuncOp attention::getTileKeysKernel(ModuleOp module, int64_t heads, int64_t size, Type element) {
  std::string name = llvm::formatv("tile_keys_k{0}d{1}_{2}", heads, size, typeText(element));
  KernelSource source;
  source.set("name", name).set("KV", heads).set("D", size).set("T", typeText(element)).set("tile", kTile);
  source.add(R"(func.func @$name(%keys: memref<?x${KV}x?x${D}x${T}>, %length: index,
    %out: memref<?x${KV}x?x${D}x${T}>, %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %size = arith.constant $D : index
  %heads = arith.constant $KV : index
  %tile = arith.constant $tile : index
  %flat = memref.collapse_shape %out [[0, 1, 2, 3]] : memref<?x${KV}x?x${D}x${T}> into memref<?x${T}>
  %batch = memref.dim %keys, %c0 : memref<?x${KV}x?x${D}x${T}>
  %capacity = memref.dim %out, %c2 : memref<?x${KV}x?x${D}x${T}>
  %all_heads = arith.muli %batch, %heads : index
  %tasks = arith.muli %all_heads, %length : index
  scf.for %task = %thread to %tasks step %threads {
    %row = arith.remui %task, %length : index
    %cache_head = arith.divui %task, %length : index
    %h = arith.remui %cache_head, %heads : index
    %b = arith.divui %cache_head, %heads : index)");
  addRowStart(source, /*tiled=*/true);
  source.add(R"(    scf.for %d = %c0 to %size step %c1 {
      %value = memref.load %keys[%b, %h, %row, %d] : memref<?x${KV}x?x${D}x${T}>
      %place = arith.muli %d, %tile : index
      %to = arith.addi %start, %place : index
      memref.store %value, %flat[%to] : memref<?x${T}>
    }
  }
  return
})");
  return getOrAddKernel(module, name, source);
}
