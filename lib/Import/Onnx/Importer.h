//===- Importer.h - what operators are imported with ------------*- C++ -*-===//
//
// A model is imported in repeated runs over its nodes, each of which builds the
// whole module. A run may find that sizes must be equal; then what it built is
// thrown away and the next run starts with that knowledge. The last run finds
// nothing new.
#ifndef TERSE_IMPORT_ONNX_IMPORTER_H
#define TERSE_IMPORT_ONNX_IMPORTER_H

#include "Dim.h"
#include "ModelFile.h"
#include "terse/Import/OnnxImport.h"

#include "Terse/TerseDialect.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

#include <deque>

namespace terse::importer {

using Dims = llvm::SmallVector<Dim, 4>;
using DType = int; // onnx::TensorProto_DataType

bool isFloat(DType dtype);
bool isInteger(DType dtype); // not bool
bool isUnsigned(DType dtype);
inline bool isBool(DType dtype) { return dtype == onnx::TensorProto::BOOL; }

struct Tensor;

/// A matrix of the file in codes: value (i, j) is (code - zero) * scale, where the scale and the zero point are those
/// of the block that the value is in. Strides and sizes are in values.
struct CodedMatrix {
  Tensor *codes, *scales, *zeros; ///< initializers; without zeros they are `defaultZero`
  DType dtype;                    ///< of the values
  unsigned bits;
  bool isSigned;
  int64_t defaultZero;  ///< as the codes are, signed or not
  int64_t sizes[2];
  int64_t blocks[2]; ///< sizes of the blocks
  int64_t codeStrides[2], scaleStrides[2], zeroStrides[2]; ///< of a value; of a block
  /// Column j of the values is column order[j] of the codes; empty: the same.
  llvm::SmallVector<int64_t> order = {};

  /// Whether each row along `axis` has scales of its own, or all values have the same.
  bool canBeRows(int axis) const {
    return blocks[axis] == 1 || (blocks[0] >= sizes[0] && blocks[1] >= sizes[1]);
  }
};

/// Integer codes of a tensor that the graph computed.
struct Quantized {
  Tensor *source, *scale, *zero; ///< the zero point may be null
  bool isDynamic;                ///< by DynamicQuantizeLinear
};

/// A value of the graph: its type, and as much of its contents as is known.
struct Tensor {
  std::string name;
  DType dtype = onnx::TensorProto::UNDEFINED;
  Dims dims;

  /// All elements in row-major order, of a small tensor of static shape:
  /// integers (bools are 0 and 1) or float literals.
  std::optional<llvm::SmallVector<Dim>> ints;
  std::optional<llvm::SmallVector<double>> floats;
  /// Integers as a polynomial in the element's coordinates: one for all, or one
  /// for each index of the last dimension.
  std::optional<llvm::SmallVector<Dim>> pattern;
  /// The same numbers as integers, whose contents are known (sizes that are computed with as floats).
  Tensor *integers = nullptr;
  /// All elements are this float.
  std::optional<double> fill;
  /// The data are an initializer's, with its two dimensions swapped if so.
  const onnx::TensorProto *initializer = nullptr;
  bool transposed = false;
  /// A matrix of the file in codes, with its two dimensions swapped if `transposed`.
  const CodedMatrix *coded = nullptr;
  /// What these codes stand for.
  std::optional<Quantized> quantized = {};
  /// Rows of a matrix of the file, and their indices.
  Tensor *gathered = nullptr, *indices = nullptr;
  /// What this is a reshape of, or a transpose of.
  Tensor *reshaped = nullptr, *permuted = nullptr;
  llvm::SmallVector<int64_t, 4> permutation;

  /// The SSA value, once it is needed.
  mlir::Value value;

  int64_t rank() const { return dims.size(); }
};

/// One node while it is imported.
class Importer;
class Node {
public:
  Node(Importer &importer, const FlatNode &flat);

  const onnx::NodeProto &proto;
  /// Version of the operator set that the node is of.
  int64_t version;

  int numInputs() const { return proto.input_size(); }
  /// Input `i`, null if it is absent. Inputs up to the operator's minimum are there.
  Tensor *input(int i) const;
  llvm::SmallVector<Tensor *> inputs() const;
  bool wantsOutput(int i) const { return i < proto.output_size() && !proto.output(i).empty(); }
  int numOutputs() const { return proto.output_size(); }

  bool has(llvm::StringRef attribute) const { return find(attribute) != nullptr; }
  int64_t integer(llvm::StringRef attribute, int64_t otherwise) const;
  double real(llvm::StringRef attribute, double otherwise) const;
  llvm::StringRef string(llvm::StringRef attribute, llvm::StringRef otherwise) const;
  llvm::SmallVector<int64_t> integers(llvm::StringRef attribute) const;
  const onnx::AttributeProto *find(llvm::StringRef attribute) const;

  /// Sets output 0, 1, ... (null: that output is not computed). Fails, with a
  /// diagnostic, if output 0 is null.
  mlir::LogicalResult yield(llvm::ArrayRef<Tensor *> outputs);

private:
  Importer &importer;
};

/// Imports one operator: reads the node's inputs, builds operations, yields.
using OperatorFunction = mlir::LogicalResult (*)(Importer &im, Node &n);

struct Operator {
  const char *domain, *name;
  int since; // version of the operator set
  int minInputs, maxInputs;
  OperatorFunction import;
};

/// Puts an operator into the table of all. Use TERSE_ONNX_OP.
struct OperatorRegistration {
  OperatorRegistration(const Operator &op);
};
const Operator *findOperator(llvm::StringRef domain, llvm::StringRef name);

/// TERSE_ONNX_OP("domain", Name, since, minInputs, maxInputs) { body }: the one
/// function that imports an operator. `im` is the importer, `n` the node.
#define TERSE_ONNX_OP(domain, Name, since, minInputs, maxInputs)                                                       \
  static mlir::LogicalResult import##Name##since(::terse::importer::Importer &im, ::terse::importer::Node &n);         \
  static ::terse::importer::OperatorRegistration register##Name##since(                                                \
      {domain, #Name, since, minInputs, maxInputs, import##Name##since});                                              \
  static mlir::LogicalResult import##Name##since([[maybe_unused]] ::terse::importer::Importer &im,                     \
                                                 ::terse::importer::Node &n)
constexpr int kManyInputs = 1 << 20;

/// The state of one run, and the vocabulary in which operators are written.
/// Functions that return a Tensor return null after an error, and null when
/// given null, so that calls can be nested and checked once, by `yield`.
class Importer {
public:
  Importer(ModelFile &file, Symbols &symbols, const OnnxImportOptions &options, mlir::ModuleOp module,
           mlir::func::FuncOp function);
  ~Importer();

  mlir::LogicalResult run(llvm::ArrayRef<const FlatNode *> nodes);

  Symbols &symbols;
  mlir::OpBuilder b;
  mlir::Location loc;

  /// Reports an error of the current node. Always null.
  Tensor *error(const llvm::Twine &message);

  //===--- Types and sizes (Sizes.cpp) ---===//
  mlir::Type elementType(DType dtype);
  mlir::RankedTensorType type(DType dtype, llvm::ArrayRef<Dim> dims);
  mlir::RankedTensorType type(const Tensor *t) { return type(t->dtype, t->dims); }
  /// A size or contents as an index value, computed as early as it can be.
  mlir::Value index(const Dim &dim);
  mlir::OpFoldResult fold(const Dim &dim);
  llvm::SmallVector<mlir::OpFoldResult> fold(llvm::ArrayRef<Dim> dims);
  mlir::Value empty(DType dtype, llvm::ArrayRef<Dim> dims);
  /// `axis` counted from the end if negative; nothing, after an error, if outside of 0..rank-1.
  std::optional<int64_t> axis(int64_t axis, int64_t rank);
  std::optional<llvm::SmallVector<int64_t>> axes(llvm::ArrayRef<int64_t> axes, int64_t rank);
  /// Makes two sizes equal; an error if they cannot be.
  bool unify(const Dim &lhs, const Dim &rhs, const llvm::Twine &what);
  /// The size that both broadcast to.
  std::optional<Dims> broadcastDims(llvm::ArrayRef<Dim> lhs, llvm::ArrayRef<Dim> rhs);
  Dim product(llvm::ArrayRef<Dim> dims);

  //===--- Tensors (Values.cpp) ---===//
  Tensor *make(DType dtype, llvm::ArrayRef<Dim> dims);
  Tensor *make(DType dtype, llvm::ArrayRef<Dim> dims, mlir::Value value);
  Tensor *fromInts(DType dtype, llvm::ArrayRef<Dim> dims, llvm::ArrayRef<Dim> ints);
  Tensor *fromFloats(DType dtype, llvm::ArrayRef<Dim> dims, llvm::ArrayRef<double> floats);
  Tensor *fromPattern(DType dtype, llvm::ArrayRef<Dim> dims, llvm::ArrayRef<Dim> pattern);
  Tensor *fromFill(DType dtype, llvm::ArrayRef<Dim> dims, double fill);
  Tensor *scalar(DType dtype, double value); // of integer and bool types too
  Tensor *fromProto(const onnx::TensorProto &proto);
  /// The SSA value.
  mlir::Value value(Tensor *t);
  /// How much of a padded size is there, which the model's outputs of this size tell.
  void setCount(const Dim &padded, mlir::Value count) { counts.push_back({padded, count}); }
  /// The value of an initializer as it lies in the file. Small ones are
  /// constants unless `alwaysWeight`.
  mlir::Value weight(Tensor *t, bool alwaysWeight = false);

  //===--- Tensors in codes (Codes.cpp) ---===//
  /// A tensor of the matrix's values; with its dimensions swapped if `transposed`.
  Tensor *fromCodes(CodedMatrix matrix, bool transposed);
  /// Its values with rows along `axis`, as `terse.dequantize` of codes in the file's order or packed anew.
  mlir::Value dequantize(const CodedMatrix &matrix, int axis);
  /// Its codes [N, K], unsigned, and the zero points [N, 1] or null if all are the middle; null codes after an error.
  std::pair<mlir::Value, mlir::Value> codesAndZeros(const CodedMatrix &matrix, int axis);
  /// Rows `indices` of a matrix in codes.
  Tensor *embed(Tensor *table, Tensor *indices, llvm::ArrayRef<Dim> dims);
  /// A vector of the file in codes as floats.
  Tensor *decodeVector(Tensor *codes, Tensor *scale, Tensor *zero, DType dtype);
  /// The bytes of an initializer; an error if they cannot be read.
  std::optional<WeightData> read(Tensor *initializer);
  /// A weight that `write` makes, once for all runs over the model.
  mlir::Value makeWeight(const llvm::Twine &key, mlir::RankedTensorType type, llvm::StringRef name,
                         llvm::function_ref<bool(llvm::MutableArrayRef<char>)> write);
  /// Integers that are known, e.g. of a shape or of axes; an error if they are
  /// not and `what` is given.
  std::optional<Dims> ints(Tensor *t, const char *what);
  std::optional<llvm::SmallVector<int64_t>> constants(Tensor *t, const char *what);
  std::optional<double> constantFloat(Tensor *t);
  /// Contents as sizes: known ones, or, of a small one-dimensional tensor of
  /// static size, opaque symbols that are read when the model runs.
  std::optional<Dims> sizes(Tensor *t, const char *what, bool nonNegative);
  /// Imports a graph inside of the current node, with `inputs` for its inputs; names of the graphs
  /// around it are seen in it, its own are not seen outside.
  mlir::LogicalResult importGraph(const onnx::GraphProto &graph, llvm::ArrayRef<Tensor *> inputs,
                                  llvm::SmallVectorImpl<Tensor *> &outputs);
  /// Name of the layer that the current node is in, from its name or what the
  /// exporter noted; empty if there is none.
  std::string scope();

  //===--- Contents known at import (Folding.cpp) ---===//
  using IntFold = llvm::function_ref<std::optional<Dim>(llvm::ArrayRef<Dim>)>;
  using FloatFold = llvm::function_ref<double(llvm::ArrayRef<double>)>;
  Tensor *foldInts(DType dtype, llvm::ArrayRef<Tensor *> inputs, llvm::ArrayRef<Dim> dims, IntFold fold);
  Tensor *foldFloats(DType dtype, llvm::ArrayRef<Tensor *> inputs, llvm::ArrayRef<Dim> dims, FloatFold fold);
  /// The tensor with its elements moved, if all are known: element i of the
  /// result is element source(i), both as coordinates.
  Tensor *foldMove(Tensor *t, llvm::ArrayRef<Dim> dims,
                   llvm::function_ref<llvm::SmallVector<int64_t>(llvm::ArrayRef<int64_t>)> source);
  Tensor *foldReshape(Tensor *t, llvm::ArrayRef<Dim> dims);
  Tensor *foldConcat(llvm::ArrayRef<Tensor *> inputs, int64_t axis, llvm::ArrayRef<Dim> dims);
  /// A polynomial of coordinates as an index value inside a loop.
  mlir::Value evaluate(mlir::OpBuilder &builder, const Dim &dim, mlir::ValueRange coordinates);

  //===--- Shapes and movement (Shaping.cpp, Compute.cpp) ---===//
  Tensor *reshape(Tensor *t, llvm::ArrayRef<Dim> dims); // the same number of elements
  Tensor *unsqueeze(Tensor *t, llvm::ArrayRef<int64_t> axes); // axes of the result, sorted
  Tensor *broadcast(Tensor *t, llvm::ArrayRef<Dim> dims);
  Tensor *transpose(Tensor *t, llvm::ArrayRef<int64_t> permutation);
  Tensor *concat(llvm::ArrayRef<Tensor *> inputs, int64_t axis);
  Tensor *slice(Tensor *t, llvm::ArrayRef<Dim> offsets, llvm::ArrayRef<Dim> sizes, llvm::ArrayRef<int64_t> strides);
  Tensor *cast(Tensor *t, DType dtype);
  mlir::Value castElement(mlir::OpBuilder &builder, mlir::Value value, DType from, DType to);

  //===--- Computation (Shaping.cpp, Compute.cpp) ---===//
  using Build = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::ValueRange)>;
  /// An elementwise operation of inputs that are broadcast to one shape. `build`
  /// gets values of one shape (whole tensors).
  Tensor *elementwise(DType result, llvm::ArrayRef<Tensor *> inputs, Build build);
  /// Same with folding.
  Tensor *elementwise(DType result, llvm::ArrayRef<Tensor *> inputs, IntFold ints, FloatFold floats, Build build);
  /// A tensor whose element at each coordinate `build` computes.
  Tensor *generate(DType dtype, llvm::ArrayRef<Dim> dims, Build build);
  /// Element of `t` (made a value beforehand by `value`) at coordinates.
  mlir::Value element(mlir::OpBuilder &builder, Tensor *t, mlir::ValueRange coordinates);
  /// `index` as ONNX counts it (from the end if negative), kept inside of 0..size-1.
  mlir::Value safeIndex(mlir::OpBuilder &builder, mlir::Value index, mlir::Value size);
  /// Reduces axes (sorted); results have rank less by as many axes.
  Tensor *reduce(Tensor *t, llvm::ArrayRef<int64_t> axes, double initial, Build combine);
  Tensor *matmul(Tensor *lhs, Tensor *rhs);
  /// Constant of a scalar type.
  mlir::Value literal(mlir::OpBuilder &builder, DType dtype, double value);

  /// What `build` makes, made once in a run for these tensors and sizes.
  Tensor *shared(llvm::ArrayRef<Tensor *> tensors, llvm::ArrayRef<Dim> dims, llvm::function_ref<Tensor *()> build);

  //===--- Short forms ---===//
  template <typename Op>
  Tensor *unary(Tensor *t) {
    if (!t)
      return nullptr;
    return elementwise(t->dtype, {t}, [&](mlir::OpBuilder &builder, mlir::ValueRange v) -> mlir::Value {
      return Op::create(builder, loc, v[0]);
    });
  }
  template <typename Op>
  Tensor *binary(Tensor *lhs, Tensor *rhs) {
    if (!lhs || !rhs)
      return nullptr;
    return elementwise(lhs->dtype, {lhs, rhs}, [&](mlir::OpBuilder &builder, mlir::ValueRange v) -> mlir::Value {
      return Op::create(builder, loc, v[0], v[1]);
    });
  }

private:
  friend class Node;
  mlir::LogicalResult bindInputs();
  mlir::LogicalResult bindDefault(const onnx::ValueInfoProto &input, Tensor *initializer);
  mlir::LogicalResult importNode(const FlatNode &node);
  mlir::LogicalResult checkPadding(Node &node);
  mlir::LogicalResult bindOutputs();
  std::optional<int64_t> findCountedDim(const Tensor *t, mlir::Value &count);
  mlir::Value symbolValue(SymbolId id);
  mlir::Value indexConstant(int64_t value);
  mlir::Value combine(SymbolId id, mlir::Value lhs, mlir::Value rhs, mlir::OpBuilder &builder);
  mlir::OpBuilder builderAfter(mlir::ValueRange operands);
  std::string weightName(const Tensor *t);
  mlir::ArrayAttr dimsAttribute(llvm::ArrayRef<Dim> dims);
  mlir::Value packCodes(const CodedMatrix &matrix, int axis, const std::string &name);
  mlir::Value packFloats(Tensor *t, const std::string &key, int64_t n, int64_t groups, int64_t rowStride, int64_t groupStride);
  std::optional<mlir::Value> packZeros(const CodedMatrix &matrix, int axis, int64_t groups);

  ModelFile &file;
  const OnnxImportOptions &options;
  mlir::ModuleOp module;
  mlir::func::FuncOp function;
  mlir::Operation *prologueEnd; // sizes are computed before it
  std::deque<Tensor> tensors;
  std::deque<CodedMatrix> matrices;
  std::map<std::string, mlir::Value> madeWeights;
  llvm::StringMap<Tensor *> values;
  llvm::StringSet<> weightNames;
  std::map<std::pair<const onnx::TensorProto *, bool>, mlir::Value> initializerValues;
  std::map<Dim, mlir::Value> indices;
  std::map<std::pair<std::vector<Tensor *>, std::vector<Dim>>, Tensor *> sharedTensors;
  std::map<SymbolId, mlir::Value> symbolValues;
  struct InputSize {
    unsigned argument, axis;
    Dim dim;
  };
  llvm::SmallVector<InputSize> inputSizes;
  llvm::SmallVector<std::pair<Dim, mlir::Value>> counts; // of padded sizes
  std::map<unsigned, std::string> defaults; // of arguments, as bytes in hexadecimal
  llvm::SmallVector<SymbolId> solving; // symbols whose value is being found
  const FlatNode *current = nullptr;
  unsigned graphDepth = 0;
  bool failed = false;
};

} // namespace terse::importer

#endif // TERSE_IMPORT_ONNX_IMPORTER_H
