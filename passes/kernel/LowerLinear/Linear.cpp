//===- Linear.cpp - layers with float weights -----------------------------===//
#include "QLinearTile.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
using namespace terse::linear;

namespace {
/// Values of k that one iteration takes.
constexpr int64_t kUnroll = 4;

/// A sum has one order whatever the number of rows: steps of one token and of
/// several give the same bits.
struct FloatWriter : Tile {
  FloatWriter(KernelSource &source, int64_t k, Type element) : Tile(source), k(k), element(element) {}

  int64_t k;
  Type element;
  int64_t rows = 0, panels = 0;

  /// sums[row][panel] + the products at depth `at`.
  void step(StringRef at, Names &sums);
  void write(int64_t rows, int64_t panels);
};
} // namespace

void FloatWriter::step(StringRef at, Names &sums) {
  auto loadWeights = [&](int64_t p) {
    std::string panel = source.define("p", "arith.addi %panel, " + Twine(index(p)) + " : index");
    std::string type = typeText(element);
    std::string w = source.define("w", "vector.load %w[" + Twine(panel) + ", " + at + ", %c0] : memref<${P}x${K}x16x" + type +
                                           ">, vector<16x" + type + ">");
    if (!element.isF32())
      w = source.define("w", "arith.extf " + Twine(w) + " : vector<16x" + type + "> to vector<16xf32>");
    return w;
  };
  Names weights;
  for (int64_t r = 0; r < rows; ++r) {
    std::string x = source.define("x", "memref.load %input[%row_" + Twine(r) + ", " + at + "] : memref<?x${K}xf32>");
    std::string all = source.define("x", "vector.broadcast " + Twine(x) + " : f32 to vector<16xf32>");
    for (int64_t p = 0; p < panels; ++p) {
      // Just before they are used: registers hold the sums of all panels.
      if (r == 0)
        weights.push_back(loadWeights(p));
      std::string &sum = sums[r * panels + p];
      sum = source.multiplyAdd("s", all, weights[p], sum, "vector<16xf32>");
    }
  }
}

void FloatWriter::write(int64_t rowCount, int64_t panelCount) {
  rows = rowCount;
  panels = panelCount;
  int64_t whole = k / kUnroll * kUnroll;
  std::string zero = splat("0.0", "vector<16xf32>");
  Names sums(rows * panels, zero);
  if (whole)
    sums = loop(whole / kUnroll, sums, "vector<16xf32>", [&](StringRef j, const Names &now) {
      std::string first = binary("arith.muli", j, index(kUnroll));
      Names next = now;
      for (int64_t i = 0; i < kUnroll; ++i)
        step(binary("arith.addi", first, index(i)), next);
      return next;
    });
  for (int64_t i = whole; i < k; ++i)
    step(index(i), sums);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t p = 0; p < panels; ++p)
      source.add(
          ("%total_" + Twine(r) + "_" + Twine(p) + " = arith.addf " + sums[r * panels + p] + ", " + zero + " : vector<16xf32>").str());
}

func::FuncOp linear::getLinearKernel(ModuleOp module, kernel::TilingAttr tiling, int64_t n, int64_t k, Type element,
                                     const Epilogue &epilogue) {
  std::string name = llvm::formatv("linear_n{0}k{1}_{2}{3}{4}{5}", n, k, typeText(element), epilogue.bias ? "_bias" : "",
                                   epilogue.residual ? "_residual" : "", getTilingName(tiling));
  KernelSource source;
  source.set("name", name).set("N", n).set("K", k).set("P", kernel::getNumPanels(n)).set("T", typeText(element));
  source.add("func.func @$name(%input: memref<?x${K}xf32>, %w: memref<${P}x${K}x16x${T}>,");
  addEpilogue(source, epilogue);
  source.add(R"(    %out: memref<?x${N}xf32>, %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %sixteen = arith.constant 16 : index
  %rows = memref.dim %input, %c0 : memref<?x${K}xf32>)");
  FloatWriter tile(source, k, element);
  BlockWriter(source, tiling, n).write([&](int64_t rows, int64_t panels) {
    tile.write(rows, panels);
    writeResults(source, n, rows, panels, epilogue);
  });
  source.add("  return\n}");
  return getOrAddKernel(module, name, source);
}
