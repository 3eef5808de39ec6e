//===- ImportModel.cpp - from a file to a module --------------------------===//
#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

static LogicalResult checkVersions(const ModelFile &file) {
  const onnx::ModelProto &model = file.model;
  auto error = [&] { return emitError(file.getLocation()); };
  if (!model.has_graph())
    return error() << "not a valid ONNX file: it has no graph";
  if (model.ir_version() < 3 || model.ir_version() > onnx::IR_VERSION)
    return error() << "expected ONNX IR version 3 to " << static_cast<int64_t>(onnx::IR_VERSION) << "; got "
                   << model.ir_version();
  bool standard = false;
  for (const onnx::OperatorSetIdProto &opset : model.opset_import()) {
    if (!opset.domain().empty() && opset.domain() != "ai.onnx")
      continue;
    standard = true;
    if (opset.version() < 13 || opset.version() > TERSE_ONNX_NEWEST_OPSET)
      return error() << "expected operator set 13 to " << TERSE_ONNX_NEWEST_OPSET << " of ai.onnx; got "
                     << opset.version();
  }
  if (!standard)
    return error() << "expected an operator set of ai.onnx";
  if (model.graph().sparse_initializer_size())
    return error() << "sparse initializers are not supported";
  return success();
}

/// Names of a subgraph's nodes that come from around it count as inputs.
static void addInputs(const onnx::NodeProto &node, SmallVectorImpl<StringRef> &names) {
  names.append(node.input().begin(), node.input().end());
  for (const onnx::AttributeProto &attribute : node.attribute())
    if (attribute.has_g())
      for (const onnx::NodeProto &inner : attribute.g().node())
        addInputs(inner, names);
}

/// The nodes that the outputs depend on, in the order of the file.
static std::vector<const FlatNode *> liveNodes(const onnx::GraphProto &graph, const std::vector<FlatNode> &nodes) {
  llvm::StringSet<> wanted;
  for (const onnx::ValueInfoProto &output : graph.output())
    wanted.insert(output.name());
  // Backwards once; a graph out of order is refused later, with its nodes kept.
  llvm::StringMap<SmallVector<size_t, 1>> producers;
  for (size_t i = 0; i < nodes.size(); ++i)
    for (const std::string &output : nodes[i].proto.output())
      if (!output.empty())
        producers[output].push_back(i);
  std::vector<bool> live(nodes.size());
  SmallVector<StringRef> work;
  for (const onnx::ValueInfoProto &output : graph.output())
    work.push_back(output.name());
  while (!work.empty()) {
    auto it = producers.find(work.pop_back_val());
    if (it == producers.end())
      continue;
    for (size_t i : it->second)
      if (!live[i]) {
        live[i] = true;
        addInputs(nodes[i].proto, work);
      }
  }
  std::vector<const FlatNode *> result;
  for (size_t i = 0; i < nodes.size(); ++i)
    if (live[i])
      result.push_back(&nodes[i]);
  return result;
}

/// One diagnostic for all operators that cannot be imported.
static LogicalResult checkOperators(const ModelFile &file, ArrayRef<const FlatNode *> nodes) {
  std::map<std::string, SmallVector<StringRef>> missing;
  for (const FlatNode *node : nodes) {
    const onnx::NodeProto &proto = node->proto;
    StringRef domain = proto.domain() == "ai.onnx" ? "" : StringRef(proto.domain());
    const Operator *op = findOperator(domain, proto.op_type());
    int64_t version = node->opsets->lookup(domain);
    if (op && (version >= op->since || !node->opsets->count(domain)))
      continue;
    std::string name = domain.empty() ? proto.op_type() : (domain + "::" + proto.op_type()).str();
    if (op)
      name += " of operator set " + std::to_string(version);
    missing[name].push_back(proto.name().empty() && proto.output_size() ? proto.output(0) : proto.name());
  }
  if (missing.empty())
    return success();
  constexpr size_t kMostNames = 16;
  size_t total = 0;
  for (const auto &[name, where] : missing)
    total += where.size();
  InFlightDiagnostic diagnostic = emitError(file.getLocation());
  diagnostic << missing.size() << (missing.size() == 1 ? " operator is" : " operators are") << " not supported, in "
             << total << (total == 1 ? " node:" : " nodes:");
  for (const auto &[name, where] : missing) {
    diagnostic << "\n  " << name << " (" << where.size() << "): ";
    llvm::interleave(
        ArrayRef(where).take_front(kMostNames), [&](StringRef node) { diagnostic << "'" << node << "'"; },
        [&] { diagnostic << ", "; });
    if (where.size() > kMostNames)
      diagnostic << " and " << where.size() - kMostNames << " more";
  }
  return diagnostic;
}

OwningOpRef<ModuleOp> terse::importOnnx(StringRef path, MLIRContext *context, const OnnxImportOptions &options) {
  context->loadDialect<TerseDialect, arith::ArithDialect, func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                       scf::SCFDialect, tensor::TensorDialect>();
  std::unique_ptr<ModelFile> file = ModelFile::open(path, context);
  if (!file || failed(checkVersions(*file)))
    return nullptr;
  std::vector<FlatNode> nodes;
  std::vector<std::unique_ptr<llvm::StringMap<int64_t>>> opsets;
  if (failed(inlineFunctions(*file, nodes, opsets)))
    return nullptr;
  std::vector<const FlatNode *> live = liveNodes(file->model.graph(), nodes);
  if (failed(checkOperators(*file, live)))
    return nullptr;

  Symbols symbols;
  bool hinted = false;
  // Most runs find a symbol's value. Sizes that run in a circle find none, but one more condition each time.
  constexpr int kMostRuns = 1000, kMostRunsWithoutValue = 10;
  int withoutValue = 0;
  for (int run = 0; run < kMostRuns && withoutValue < kMostRunsWithoutValue; ++run) {
    size_t valuesBefore = symbols.getNumValues();
    OwningOpRef<ModuleOp> module(ModuleOp::create(file->getLocation()));
    OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
    auto function = func::FuncOp::create(builder, file->getLocation(), TerseDialect::kEntryName,
                                         builder.getFunctionType({}, {}));
    function.addEntryBlock();
    (*module)->setAttr("terse.source", builder.getStringAttr(llvm::sys::path::filename(path)));
    Importer importer(*file, symbols, options, *module, function);
    if (failed(importer.run(live)))
      return nullptr;
    withoutValue = symbols.getNumValues() == valuesBefore ? withoutValue + 1 : 0;
    if (symbols.takeChanged())
      continue;
    if (!hinted) {
      hinted = true;
      symbols.applyHints();
      if (symbols.takeChanged())
        continue;
    }
    if (failed(verify(*module)))
      return nullptr;
    return module;
  }
  emitError(file->getLocation()) << "sizes do not settle";
  return nullptr;
}

void terse::registerOnnxImportTranslation() {
  static TranslateToMLIRRegistration registration(
      "import-onnx", "import an ONNX model",
      [](llvm::SourceMgr &sources, MLIRContext *context) -> OwningOpRef<Operation *> {
        StringRef name = sources.getMemoryBuffer(sources.getMainFileID())->getBufferIdentifier();
        return importOnnx(name, context);
      },
      [](DialectRegistry &registry) { registry.insert<TerseDialect>(); });
}
