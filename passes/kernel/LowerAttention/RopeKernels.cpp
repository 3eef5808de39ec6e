//===- RopeKernels.cpp - rotary embedding ---------------------------------===//
#include "RopeWriter.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
using namespace terse::attention;

std::optional<RopeShape> RopeShape::of(RopeOp op) {
  auto input = op.getType(), angles = cast<RankedTensorType>(op.getCos().getType());
  if (ShapedType::isDynamic(input.getDimSize(2)) || ShapedType::isDynamic(angles.getDimSize(2)))
    return std::nullopt;
  Type element = input.getElementType(), angleElement = angles.getElementType();
  if ((!element.isF32() && !element.isF16()) || (!angleElement.isF32() && !angleElement.isF16()))
    return std::nullopt;
  RowView view = RowView::of(op.getInput());
  int64_t heads = op.getNumHeads();
  return RopeShape{heads,       input.getDimSize(2) / heads, angles.getDimSize(2), view.sourceWidth,
                   view.offset, op.getInterleaved(),         element,              angleElement};
}

/// Loads `size` values as f32: `%name`.
static void addLoad(KernelSource &source, StringRef name, StringRef from, StringRef indices, StringRef memref,
                    int64_t size, Type element) {
  std::string loaded = element.isF32() ? name.str() : name.str() + "_narrow";
  source.add(llvm::formatv("    %{0} = vector.load {1}[{2}] : {3}, vector<{4}x{5}>", loaded, from, indices, memref,
                           size, typeText(element))
                 .str());
  if (!element.isF32())
    source.add(llvm::formatv("    %{0} = arith.extf %{1} : vector<{2}x{3}> to vector<{2}xf32>", name, loaded, size,
                             typeText(element))
                   .str());
}

std::string attention::addRound(KernelSource &source, StringRef name, int64_t size, Type element) {
  if (element.isF32())
    return name.str();
  source.add(llvm::formatv("    %{0}_round = arith.truncf %{0} : vector<{1}xf32> to vector<{1}x{2}>", name, size,
                           typeText(element))
                 .str());
  return name.str() + "_round";
}

SmallVector<Piece> attention::addRotatedHead(KernelSource &source, const RopeShape &shape) {
  std::string memref = llvm::formatv("memref<?x?x{0}x{1}>", shape.sourceWidth, typeText(shape.element));
  std::string table = llvm::formatv("memref<?x?x{0}x{1}>", shape.angles, typeText(shape.angleElement));
  int64_t angles = shape.angles, rest = shape.headSize - 2 * angles;
  SmallVector<Piece> pieces;
  if (angles) {
    addLoad(source, "cosine", "%cos", "%tb, %s, %c0", table, angles, shape.angleElement);
    addLoad(source, "sine", "%sin", "%tb, %s, %c0", table, angles, shape.angleElement);
    source.set("R", angles).set("R2", 2 * angles);
    if (shape.interleaved) {
      addLoad(source, "pairs", "%x", "%b, %s, %column", memref, 2 * angles, shape.element);
      source.add("    %lo, %hi = vector.deinterleave %pairs : vector<${R2}xf32> -> vector<${R}xf32>");
    } else {
      source.add("    %half = arith.constant $R : index\n    %column_hi = arith.addi %column, %half : index");
      addLoad(source, "lo", "%x", "%b, %s, %column", memref, angles, shape.element);
      addLoad(source, "hi", "%x", "%b, %s, %column_hi", memref, angles, shape.element);
    }
    source.add(R"(    %lo_cos = arith.mulf %lo, %cosine : vector<${R}xf32>
    %hi_sin = arith.mulf %hi, %sine : vector<${R}xf32>
    %hi_cos = arith.mulf %hi, %cosine : vector<${R}xf32>
    %lo_sin = arith.mulf %lo, %sine : vector<${R}xf32>
    %new_lo = arith.subf %lo_cos, %hi_sin : vector<${R}xf32>
    %new_hi = arith.addf %hi_cos, %lo_sin : vector<${R}xf32>)");
    if (shape.interleaved) {
      source.add("    %rotated = vector.interleave %new_lo, %new_hi : vector<${R}xf32> -> vector<${R2}xf32>");
      pieces.push_back({"rotated", 0, 2 * angles});
    } else {
      pieces.push_back({"new_lo", 0, angles});
      pieces.push_back({"new_hi", angles, angles});
    }
  }
  if (rest) {
    source.set("place", 2 * angles);
    source.add("    %after = arith.constant $place : index\n    %column_rest = arith.addi %column, %after : index");
    addLoad(source, "rest", "%x", "%b, %s, %column_rest", memref, rest, shape.element);
    pieces.push_back({"rest", 2 * angles, rest});
  }
  return pieces;
}

void attention::addTokenHeadLoop(KernelSource &source, int64_t heads, int64_t size, int64_t width, int64_t offset,
                                 Type element, bool angles) {
  source.set("H", heads).set("D", size).set("W", width).set("O", offset).set("T", typeText(element));
  source.add(R"(  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %heads = arith.constant $H : index
  %size = arith.constant $D : index
  %offset = arith.constant $O : index
  %batch = memref.dim %x, %c0 : memref<?x?x${W}x${T}>
  %sequence = memref.dim %x, %c1 : memref<?x?x${W}x${T}>
  %tokens = arith.muli %batch, %sequence : index
  %tasks = arith.muli %tokens, %heads : index)");
  if (angles)
    source.add(R"(  %tables = memref.dim %cos, %c0 : memref<?x?x${R}x${A}>
  %one_table = arith.cmpi eq, %tables, %c1 : index)");
  source.add(R"(  scf.for %task = %thread to %tasks step %threads {
    %h = arith.remui %task, %heads : index
    %token = arith.divui %task, %heads : index
    %s = arith.remui %token, %sequence : index
    %b = arith.divui %token, %sequence : index
    %head_column = arith.muli %h, %size : index
    %column = arith.addi %head_column, %offset : index)");
  if (angles)
    source.add("    %tb = arith.select %one_table, %c0, %b : index");
}

std::string attention::getRopeName(const RopeShape &shape) {
  return llvm::formatv("h{0}d{1}r{2}w{3}o{4}{5}_{6}{7}", shape.heads, shape.headSize, shape.angles, shape.sourceWidth,
                       shape.sourceOffset, shape.interleaved ? "i" : "", typeText(shape.element),
                       typeText(shape.angleElement));
}

func::FuncOp attention::getRopeKernel(ModuleOp module, const RopeShape &shape) {
  std::string name = "rope_" + getRopeName(shape);
  KernelSource source;
  source.set("name", name).set("T", typeText(shape.element)).set("A", typeText(shape.angleElement));
  source.set("W", shape.sourceWidth).set("R", shape.angles).set("HD", shape.heads * shape.headSize);
  source.add(R"(func.func @$name(%x: memref<?x?x${W}x${T}>, %cos: memref<?x?x${R}x${A}>, %sin: memref<?x?x${R}x${A}>,
    %out: memref<?x?x${HD}x${T}>, %thread: index, %threads: index) {)");
  addTokenHeadLoop(source, shape.heads, shape.headSize, shape.sourceWidth, shape.sourceOffset, shape.element, true);
  for (const Piece &piece : addRotatedHead(source, shape)) {
    std::string value = addRound(source, piece.name, piece.size, shape.element);
    source.set("v", value).set("p", piece.place).set("n", piece.size);
    source.add(R"(    %at_$v = arith.constant $p : index
    %to_$v = arith.addi %head_column, %at_$v : index
    vector.store %$v, %out[%b, %s, %to_$v] : memref<?x?x${HD}x${T}>, vector<${n}x${T}>)");
  }
  source.add("  }\n  return\n}");
  return getOrAddKernel(module, name, source);
}
