//===- Importer.cpp - one run over a model's nodes ------------------------===//
#include "Importer.h"

#include "llvm/ADT/StringExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

//===----------------------------------------------------------------------===//
// The table of operators
//===----------------------------------------------------------------------===//

static llvm::StringMap<Operator> &operatorTable() {
  static llvm::StringMap<Operator> table;
  return table;
}

OperatorRegistration::OperatorRegistration(const Operator &op) {
  if (!operatorTable().try_emplace((llvm::Twine(op.domain) + "::" + op.name).str(), op).second)
    llvm::report_fatal_error(llvm::Twine("ONNX operator ") + op.name + " has two import functions");
}

const Operator *importer::findOperator(StringRef domain, StringRef name) {
  auto it = operatorTable().find(((domain == "ai.onnx" ? "" : domain) + "::" + name).str());
  return it == operatorTable().end() ? nullptr : &it->second;
}

bool importer::isFloat(DType dtype) {
  return dtype == onnx::TensorProto::FLOAT || dtype == onnx::TensorProto::FLOAT16 ||
         dtype == onnx::TensorProto::BFLOAT16 || dtype == onnx::TensorProto::DOUBLE;
}
bool importer::isUnsigned(DType dtype) {
  return dtype == onnx::TensorProto::UINT8 || dtype == onnx::TensorProto::UINT16 ||
         dtype == onnx::TensorProto::UINT32 || dtype == onnx::TensorProto::UINT64 ||
         dtype == onnx::TensorProto::UINT4 || dtype == onnx::TensorProto::UINT2;
}
bool importer::isInteger(DType dtype) { return getElementBits(dtype) && !isFloat(dtype) && !isBool(dtype); }

//===----------------------------------------------------------------------===//
// Node
//===----------------------------------------------------------------------===//

Node::Node(Importer &importer, const FlatNode &flat) : proto(flat.proto), importer(importer) {
  StringRef domain = proto.domain();
  version = flat.opsets->lookup(domain == "ai.onnx" ? "" : domain);
}

Tensor *Node::input(int i) const {
  if (i >= proto.input_size() || proto.input(i).empty())
    return nullptr;
  return importer.values.lookup(proto.input(i));
}

SmallVector<Tensor *> Node::inputs() const {
  SmallVector<Tensor *> all;
  for (int i = 0; i < proto.input_size(); ++i)
    all.push_back(input(i));
  return all;
}

const onnx::AttributeProto *Node::find(StringRef name) const {
  for (const onnx::AttributeProto &attribute : proto.attribute())
    if (attribute.name() == name)
      return &attribute;
  return nullptr;
}

int64_t Node::integer(StringRef name, int64_t otherwise) const {
  const auto *attribute = find(name);
  return attribute && attribute->has_i() ? attribute->i() : otherwise;
}

double Node::real(StringRef name, double otherwise) const {
  const auto *attribute = find(name);
  return attribute && attribute->has_f() ? attribute->f() : otherwise;
}

StringRef Node::string(StringRef name, StringRef otherwise) const {
  const auto *attribute = find(name);
  return attribute && attribute->has_s() ? StringRef(attribute->s()) : otherwise;
}

SmallVector<int64_t> Node::integers(StringRef name) const {
  const auto *attribute = find(name);
  return attribute ? SmallVector<int64_t>(attribute->ints().begin(), attribute->ints().end()) : SmallVector<int64_t>();
}

LogicalResult Node::yield(ArrayRef<Tensor *> outputs) {
  if (outputs.empty() || (!outputs[0] && wantsOutput(0))) {
    if (!importer.failed)
      importer.error("cannot be imported in this form");
    return failure();
  }
  for (int i = 0; i < proto.output_size(); ++i) {
    if (!wantsOutput(i))
      continue;
    if (i >= static_cast<int>(outputs.size()) || !outputs[i]) {
      importer.error("output " + Twine(i) + " is not supported");
      return failure();
    }
    for (const Dim &dim : outputs[i]->dims) {
      constexpr int64_t kLargest = 1ll << 48;
      if (auto size = importer.symbols.resolve(dim).constant(); size && (*size < 0 || *size > kLargest)) {
        importer.error("expected a size of output " + Twine(i) + " in 0..2^48; got " + Twine(*size));
        return failure();
      }
      if (importer.symbols.dependsOnData(importer.symbols.resolve(dim))) {
        importer.error("a size of output " + Twine(i) +
                       " depends on values that are computed or given when the model runs; it must be known when the "
                       "model is compiled");
        return failure();
      }
    }
    importer.values[proto.output(i)] = outputs[i];
    if (outputs[i]->name.empty())
      outputs[i]->name = proto.output(i);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

Importer::Importer(ModelFile &file, Symbols &symbols, const OnnxImportOptions &options, ModuleOp module,
                   func::FuncOp function)
    : symbols(symbols), b(module.getContext()), loc(file.getLocation()), file(file), options(options), module(module),
      function(function) {
  b.setInsertionPointToStart(&function.getBody().front());
  prologueEnd = arith::ConstantIndexOp::create(b, loc, 0);
}

Importer::~Importer() = default;

Tensor *Importer::error(const Twine &message) {
  if (!failed) {
    InFlightDiagnostic diagnostic = emitError(loc);
    if (current) {
      const onnx::NodeProto &node = current->proto;
      diagnostic << "node '" << (node.name().empty() && node.output_size() ? node.output(0) : node.name()) << "' ("
                 << node.op_type() << "): ";
    }
    diagnostic << message.str();
  }
  failed = true;
  return nullptr;
}

LogicalResult Importer::run(ArrayRef<const FlatNode *> nodes) {
  if (mlir::failed(bindInputs()))
    return failure();
  for (const FlatNode *node : nodes)
    if (mlir::failed(importNode(*node))) {
      if (!failed)
        error("cannot be imported in this form");
      return failure();
    }
  current = nullptr;
  loc = file.getLocation();
  if (mlir::failed(bindOutputs()))
    return failure();
  // Whatever only served to compute shapes is dead now.
  SmallVector<Operation *> operations;
  for (Operation &op : function.getBody().front())
    operations.push_back(&op);
  for (Operation *op : llvm::reverse(operations))
    if (isOpTriviallyDead(op))
      op->erase();
  return success();
}

LogicalResult Importer::importNode(const FlatNode &flat) {
  current = &flat;
  const onnx::NodeProto &proto = flat.proto;
  StringRef name = proto.name();
  if (name.empty() && proto.output_size())
    name = proto.output(0);
  loc = NameLoc::get(b.getStringAttr(name), file.getLocation());
  const Operator *op = findOperator(proto.domain(), proto.op_type());
  if (!op) // reported before the first run
    return error("is not supported"), failure();
  Node node(*this, flat);
  int inputs = node.numInputs();
  while (inputs > 0 && proto.input(inputs - 1).empty())
    --inputs;
  if (inputs > op->maxInputs)
    return error("expected at most " + Twine(op->maxInputs) + " inputs; got " + Twine(inputs)), failure();
  for (int i = 0; i < std::max(inputs, op->minInputs); ++i) {
    bool given = i < inputs && !proto.input(i).empty();
    if (!given && i < op->minInputs)
      return error("expected input " + Twine(i)), failure();
    if (given && !values.lookup(proto.input(i)))
      return error("input '" + Twine(proto.input(i)) +
                   "' is not computed by an earlier node, nor an input or initializer (nodes must be in topological "
                   "order, without cycles)"),
             failure();
  }
  for (const std::string &output : proto.output())
    if (!output.empty() && values.count(output))
      return error("output '" + Twine(output) + "' has the name of an earlier value"), failure();
  if (mlir::failed(op->import(*this, node)))
    return failure();
  return checkPadding(node);
}

/// Sizes that data decide are computed at their largest. That is right where each row is computed from rows of the same
/// number, and what is put at positions without an element is dropped: anything else is refused.
LogicalResult Importer::checkPadding(Node &node) {
  static const llvm::StringSet<> rowwise = {
      "Add",       "And",   "Cast",  "Clip",     "Div",       "Equal",   "Erf",    "Exp",     "Expand",     "FastGelu",
      "Flatten",   "Gather", "GatherElements",   "GatherND",  "Gelu",    "Greater", "HardSwish", "Identity", "Less",
      "LeakyRelu", "MatMul", "Max",  "Min",      "Mul",       "Neg",     "Not",    "Or",      "Pow",        "QuickGelu",
      "Relu",      "Reshape", "Sigmoid", "Slice", "Softplus", "Split",   "Sqrt",   "Squeeze", "Sub",        "Swish",
      "Tanh",      "Transpose", "Unsqueeze", "Where"};
  llvm::StringRef type = node.proto.op_type();
  if (type == "Shape" || type == "If")
    return success();
  bool scatters = type.starts_with("Scatter");
  for (int i = 0; i < node.numInputs(); ++i) {
    Tensor *t = node.input(i);
    if (!t)
      continue;
    for (const Dim &dim : t->dims) {
      Dim size = symbols.resolve(dim);
      if (!symbols.usesPadded(size))
        continue;
      bool kept = scatters ? i > 0 : rowwise.contains(type) && size.asSymbol();
      for (const std::string &output : node.proto.output())
        if (Tensor *result = values.lookup(output); result && !scatters && kept)
          kept = llvm::any_of(result->dims, [&](const Dim &other) { return symbols.resolve(other) == size; });
      if (!kept)
        return error("elements whose number depends on values are used otherwise than one by one"), failure();
    }
  }
  return success();
}

LogicalResult Importer::importGraph(const onnx::GraphProto &graph, ArrayRef<Tensor *> inputs,
                                    SmallVectorImpl<Tensor *> &outputs) {
  constexpr unsigned kDeepest = 64;
  if (graphDepth >= kDeepest)
    return error("graphs are nested too deeply"), failure();
  if (graph.input_size() != static_cast<int>(inputs.size()))
    return error("expected a graph of " + Twine(inputs.size()) + " inputs; got " + Twine(graph.input_size())), failure();
  const FlatNode *node = current;
  Location place = loc;
  SmallVector<std::pair<StringRef, Tensor *>> defined;
  auto define = [&](StringRef name, Tensor *t) -> LogicalResult {
    if (!t)
      return failure();
    if (!values.try_emplace(name, t).second)
      return error("value '" + name + "' has the name of an earlier one"), failure();
    defined.push_back({name, t});
    return success();
  };
  ++graphDepth;
  auto body = [&]() -> LogicalResult {
    for (const onnx::TensorProto &initializer : graph.initializer())
      if (mlir::failed(define(initializer.name(), fromProto(initializer))))
        return failure();
    for (const auto &[input, t] : llvm::zip(graph.input(), inputs))
      if (mlir::failed(define(input.name(), t)))
        return failure();
    for (const onnx::NodeProto &proto : graph.node()) {
      FlatNode inner{proto, node->opsets};
      if (mlir::failed(importNode(inner)))
        return failure();
      for (const std::string &output : proto.output())
        if (Tensor *t = values.lookup(output); t && !output.empty())
          defined.push_back({output, t});
    }
    current = node;
    loc = place;
    for (const onnx::ValueInfoProto &output : graph.output()) {
      outputs.push_back(values.lookup(output.name()));
      if (!outputs.back())
        return error("output '" + Twine(output.name()) + "' of a graph is not computed"), failure();
    }
    return success();
  };
  LogicalResult result = body();
  --graphDepth;
  for (const auto &entry : defined)
    values.erase(entry.first);
  return result;
}

/// An input's name as part of a symbol's: blanks and operators, which `terse.dims` reads as
/// such, and what is not ASCII are left out; the argument's number keeps names apart.
static std::string getSymbolName(llvm::StringRef input, unsigned argument) {
  auto isPlain = [](char c) { return llvm::isAlnum(c) || llvm::StringRef("_./:").contains(c); };
  std::string name;
  llvm::copy_if(input, std::back_inserter(name), isPlain);
  return name.size() == input.size() ? name : name + ".arg" + std::to_string(argument);
}

/// Inputs that are initializers too, whose value is then a default. Where a file lists all of
/// them, as IR version 3 demanded and exporters did for long after, it means constants; large
/// ones are weights in any case.
static llvm::StringSet<> findDefaults(const onnx::ModelProto &model) {
  constexpr int64_t kMostElements = 4096;
  const onnx::GraphProto &graph = model.graph();
  llvm::StringSet<> inputs, defaults;
  for (const onnx::ValueInfoProto &input : graph.input())
    inputs.insert(input.name());
  bool all = true;
  for (const onnx::TensorProto &initializer : graph.initializer()) {
    bool listed = inputs.contains(initializer.name());
    all &= listed;
    int64_t count = 1;
    for (int64_t dim : initializer.dims())
      if (__builtin_mul_overflow(count, dim, &count))
        count = INT64_MAX;
    if (listed && count <= kMostElements)
      defaults.insert(initializer.name());
  }
  return all || model.ir_version() < 4 ? llvm::StringSet<>() : defaults;
}

LogicalResult Importer::bindInputs() {
  const onnx::GraphProto &graph = file.model.graph();
  llvm::StringSet<> optional = findDefaults(file.model);
  for (const onnx::TensorProto &initializer : graph.initializer()) {
    Tensor *t = fromProto(initializer);
    if (!t)
      return failure();
    if (!values.try_emplace(initializer.name(), t).second)
      return error("initializer '" + Twine(initializer.name()) + "' is defined twice"), failure();
  }
  Block &body = function.getBody().front();
  for (const onnx::ValueInfoProto &input : graph.input()) {
    Tensor *given = nullptr;
    if (values.count(input.name())) {
      given = values.lookup(input.name());
      if (!given->initializer)
        return error("input '" + Twine(input.name()) + "' is defined twice"), failure();
      if (!optional.contains(input.name()))
        continue;
    }
    if (!input.type().has_tensor_type())
      return error("input '" + Twine(input.name()) + "': only tensors are supported"), failure();
    const auto &proto = input.type().tensor_type();
    if (!getElementSize(proto.elem_type()))
      return error("input '" + Twine(input.name()) + "': " + getTypeName(proto.elem_type()) + " is not supported"),
             failure();
    if (!proto.has_shape())
      return error("input '" + Twine(input.name()) + "': expected a shape (sizes may be symbolic)"), failure();
    if (given) {
      if (mlir::failed(bindDefault(input, given)))
        return failure();
      continue;
    }
    Tensor *t = make(proto.elem_type(), {});
    t->name = input.name();
    unsigned argument = body.getNumArguments();
    for (const auto &[i, dim] : llvm::enumerate(proto.shape().dim())) {
      if (dim.has_dim_value()) {
        if (dim.dim_value() < 0 || dim.dim_value() > (1ll << 40))
          return error("input '" + Twine(input.name()) + "': expected a size in 0..2^40; got " +
                       Twine(dim.dim_value())),
                 failure();
        t->dims.push_back(dim.dim_value());
        continue;
      }
      // A plain name is trusted, an expression is not: exporters write wrong ones.
      std::optional<Dim> parsed;
      if (dim.has_dim_param() && !dim.dim_param().empty())
        parsed = symbols.parse(dim.dim_param());
      if (parsed && parsed->asSymbol())
        t->dims.push_back(symbols.resolve(*parsed));
      else
        t->dims.push_back(symbols.fresh(getSymbolName(input.name(), argument) + ".dim" + std::to_string(i), parsed));
    }
    for (const auto &[i, dim] : llvm::enumerate(t->dims))
      inputSizes.push_back({argument, static_cast<unsigned>(i), dim});
    if (mlir::failed(function.insertArgument(argument, type(t), {}, loc)))
      return failure();
    t->value = body.getArgument(argument);
    values[input.name()] = t;
  }
  return success();
}

LogicalResult Importer::bindDefault(const onnx::ValueInfoProto &input, Tensor *initializer) {
  auto fail = [&](const Twine &message) {
    return error("input '" + Twine(input.name()) + "': " + message), failure();
  };
  if (input.type().tensor_type().elem_type() != initializer->dtype)
    return fail("expected a default of its type");
  llvm::Expected<TensorData> data = file.locate(*initializer->initializer);
  llvm::Expected<ArrayRef<char>> bytes = data ? file.read(*data) : data.takeError();
  if (!bytes)
    return fail(llvm::toString(bytes.takeError()));
  Tensor *t = make(initializer->dtype, initializer->dims);
  t->name = input.name();
  unsigned argument = function.getNumArguments();
  if (mlir::failed(function.insertArgument(argument, type(t), {}, loc)))
    return failure();
  t->value = function.getArgument(argument);
  defaults[argument] = llvm::toHex(StringRef(bytes->data(), bytes->size()), /*LowerCase=*/true);
  values[input.name()] = t;
  return success();
}

ArrayAttr Importer::dimsAttribute(ArrayRef<Dim> dims) {
  SmallVector<Attribute> attributes;
  for (const Dim &dim : dims) {
    Dim size = symbols.resolve(dim);
    if (auto symbol = size.asSymbol(); symbol && symbols.isPadded(*symbol))
      size = symbols.resolve(symbols.getOperands(*symbol).first);
    attributes.push_back(b.getStringAttr(symbols.print(size)));
  }
  return b.getArrayAttr(attributes);
}

/// The dimension of an output of which only the first `count` elements are there; an error if
/// sizes depend on values otherwise.
std::optional<int64_t> Importer::findCountedDim(const Tensor *t, Value &count) {
  std::optional<int64_t> counted;
  for (const auto &[i, dim] : llvm::enumerate(t->dims)) {
    Dim size = symbols.resolve(dim);
    if (!symbols.usesPadded(size))
      continue;
    auto known = llvm::find_if(counts, [&](const auto &entry) { return symbols.resolve(entry.first) == size; });
    if (counted || known == counts.end()) {
      error("sizes of output '" + t->name + "' depend on values otherwise than one dimension by its number of elements");
      return std::nullopt;
    }
    counted = i;
    count = known->second;
  }
  return counted;
}

LogicalResult Importer::bindOutputs() {
  const onnx::GraphProto &graph = file.model.graph();
  SmallVector<Value> results;
  SmallVector<Type> types;
  SmallVector<Tensor *> outputs;
  for (const onnx::ValueInfoProto &output : graph.output()) {
    Tensor *t = values.lookup(output.name());
    if (!t)
      return error("output '" + Twine(output.name()) + "' is not computed"), failure();
    if (output.type().has_tensor_type() && output.type().tensor_type().elem_type() != t->dtype)
      return error("output '" + Twine(output.name()) + "': expected " +
                   getTypeName(output.type().tensor_type().elem_type()) + " as declared; got " +
                   getTypeName(t->dtype)),
             failure();
    Value v = value(t);
    if (!v)
      return failure();
    results.push_back(v);
    types.push_back(v.getType());
    outputs.push_back(t);
  }
  // Numbers of elements that values decide come last, in the order of the outputs that have them.
  SmallVector<std::optional<int64_t>> counted;
  for (Tensor *t : outputs) {
    Value count;
    counted.push_back(findCountedDim(t, count));
    if (failed)
      return failure();
    if (!counted.back())
      continue;
    Value number = arith::IndexCastOp::create(b, loc, b.getI64Type(), count);
    results.push_back(tensor::FromElementsOp::create(b, loc, type(onnx::TensorProto::INT64, {}), ValueRange{number}));
    types.push_back(results.back().getType());
  }
  if (results.empty())
    return error("expected at least one output"), failure();
  func::ReturnOp::create(b, loc, results);
  function.setType(b.getFunctionType(function.getBody().front().getArgumentTypes(), types));
  auto describe = [&](StringRef name, const Tensor *t) {
    SmallVector<NamedAttribute> attributes{
        b.getNamedAttr(TerseDialect::kNameAttr, b.getStringAttr(name)),
        b.getNamedAttr(TerseDialect::kDimsAttr, dimsAttribute(t->dims))};
    if (isUnsigned(t->dtype))
      attributes.push_back(b.getNamedAttr("terse.unsigned", b.getUnitAttr()));
    return b.getDictionaryAttr(attributes);
  };
  unsigned next = outputs.size();
  for (const auto &[i, output] : llvm::enumerate(graph.output())) {
    function.setResultAttrs(i, describe(output.name(), outputs[i]));
    if (!counted[i])
      continue;
    function.setResultAttr(i, "terse.counted", b.getI64IntegerAttr(*counted[i]));
    function.setResultAttrs(next++, b.getDictionaryAttr(b.getNamedAttr("terse.count", b.getStringAttr(output.name()))));
  }
  unsigned argument = 0;
  for (const onnx::ValueInfoProto &input : graph.input())
    if (Tensor *t = values.lookup(input.name()); t && !t->initializer) {
      function.setArgAttrs(argument, describe(input.name(), t));
      if (auto it = defaults.find(argument); it != defaults.end())
        function.setArgAttr(argument, "terse.default", b.getStringAttr(it->second));
      ++argument;
    }
  SmallVector<Attribute> constraints;
  for (const Constraint &constraint : symbols.getConstraints())
    constraints.push_back(b.getStringAttr(symbols.print(constraint.lhs) + (constraint.equal ? " == " : " <= ") +
                                          symbols.print(constraint.rhs)));
  if (!constraints.empty())
    function->setAttr(TerseDialect::kConstraintsAttr, b.getArrayAttr(constraints));
  return success();
}
