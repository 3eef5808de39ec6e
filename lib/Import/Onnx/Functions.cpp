//===- Functions.cpp - inlines model-local functions ----------------------===//
#include "ModelFile.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace terse::importer;

namespace {

/// Calls inside of calls that are followed, and nodes that are made, before a
/// model is refused.
constexpr unsigned kDeepest = 64;
constexpr size_t kMostNodes = 1 << 20;

class Inliner {
public:
  using OpsetMap = llvm::StringMap<int64_t>;

  Inliner(const ModelFile &file, std::vector<FlatNode> &nodes, std::vector<std::unique_ptr<OpsetMap>> &opsets)
      : file(file), nodes(nodes), opsets(opsets) {}

  LogicalResult run() {
    for (const onnx::FunctionProto &function : file.model.functions())
      if (!functions.try_emplace(key(function.domain(), function.name(), function.overload()), &function).second)
        return emitError(file.getLocation())
               << "function '" << function.domain() << "::" << function.name() << "' is defined twice";
    const OpsetMap *versions = makeOpsets(file.model.opset_import());
    for (const onnx::NodeProto &node : file.model.graph().node())
      if (failed(add(node, versions, 0)))
        return failure();
    return success();
  }

private:
  static std::string key(StringRef domain, StringRef name, StringRef overload) {
    return ((domain == "ai.onnx" ? "" : domain) + "\n" + name + "\n" + overload).str();
  }

  template <typename Imports>
  const OpsetMap *makeOpsets(const Imports &imports) {
    auto map = std::make_unique<OpsetMap>();
    for (const onnx::OperatorSetIdProto &opset : imports)
      (*map)[opset.domain() == "ai.onnx" ? "" : opset.domain()] = opset.version();
    opsets.push_back(std::move(map));
    return opsets.back().get();
  }

  LogicalResult add(const onnx::NodeProto &node, const OpsetMap *versions, unsigned depth) {
    if (nodes.size() >= kMostNodes)
      return emitError(file.getLocation()) << "expected at most " << kMostNodes << " nodes after inlining";
    auto it = functions.find(key(node.domain(), node.op_type(), node.overload()));
    if (it == functions.end()) {
      nodes.push_back({node, versions});
      return success();
    }
    const onnx::FunctionProto &function = *it->second;
    auto error = [&] {
      return emitError(file.getLocation()) << "node '" << node.name() << "': function '" << function.name() << "': ";
    };
    if (depth >= kDeepest)
      return error() << "calls are nested too deeply, or it calls itself";
    if (node.input_size() > function.input_size() || node.output_size() > function.output_size())
      return error() << "expected at most " << function.input_size() << " inputs and " << function.output_size()
                     << " outputs; got " << node.input_size() << " and " << node.output_size();

    Call call;
    call.prefix = (node.name().empty() ? node.op_type() : node.name()) + "#" + std::to_string(calls++) + "/";
    for (int i = 0; i < function.input_size(); ++i)
      call.names[function.input(i)] = i < node.input_size() ? node.input(i) : "";
    // A formal output may be a formal input too; such a value gets a copy.
    std::vector<std::pair<std::string, std::string>> copies;
    for (int i = 0; i < function.output_size(); ++i) {
      std::string actual = i < node.output_size() ? node.output(i) : "";
      if (call.names.count(function.output(i)))
        copies.emplace_back(call.names[function.output(i)], actual);
      else if (!actual.empty())
        call.names[function.output(i)] = actual;
    }
    for (const onnx::AttributeProto &attribute : function.attribute_proto())
      call.attributes[attribute.name()] = &attribute;
    for (const onnx::AttributeProto &attribute : node.attribute())
      call.attributes[attribute.name()] = &attribute;

    const OpsetMap *inner = function.opset_import_size() ? functionOpsets(function) : versions;
    for (const onnx::NodeProto &body : function.node()) {
      onnx::NodeProto copy = body;
      rename(copy, call);
      copy.set_name(call.prefix + copy.name());
      if (failed(add(copy, inner, depth + 1)))
        return failure();
    }
    for (const auto &[from, to] : copies)
      if (!to.empty()) {
        onnx::NodeProto identity;
        identity.set_op_type("Identity");
        identity.set_name(call.prefix + "Identity");
        identity.add_input(from);
        identity.add_output(to);
        nodes.push_back({identity, inner});
      }
    return success();
  }

  struct Call {
    std::string prefix;
    llvm::StringMap<std::string> names;
    llvm::StringMap<const onnx::AttributeProto *> attributes;
  };

  const OpsetMap *functionOpsets(const onnx::FunctionProto &function) {
    const OpsetMap *&map = functionVersions[&function];
    if (!map)
      map = makeOpsets(function.opset_import());
    return map;
  }

  std::string rename(const std::string &name, Call &call) {
    if (name.empty())
      return name;
    auto it = call.names.find(name);
    return it != call.names.end() ? it->second : call.prefix + name;
  }

  void rename(onnx::NodeProto &node, Call &call) {
    for (std::string &input : *node.mutable_input())
      input = rename(input, call);
    for (std::string &output : *node.mutable_output())
      output = rename(output, call);
    // An attribute that refers to one of the call's is that one, or absent if
    // the call has none and the function no default.
    for (int i = 0; i < node.attribute_size();) {
      onnx::AttributeProto *attribute = node.mutable_attribute(i);
      if (attribute->ref_attr_name().empty()) {
        for (onnx::GraphProto *graph : {attribute->has_g() ? attribute->mutable_g() : nullptr})
          if (graph)
            rename(*graph, call);
        for (onnx::GraphProto &graph : *attribute->mutable_graphs())
          rename(graph, call);
        ++i;
        continue;
      }
      auto it = call.attributes.find(attribute->ref_attr_name());
      if (it == call.attributes.end()) {
        node.mutable_attribute()->DeleteSubrange(i, 1);
        continue;
      }
      std::string name = attribute->name();
      *attribute = *it->second;
      attribute->set_name(name);
      ++i;
    }
  }

  void rename(onnx::GraphProto &graph, Call &call) {
    for (auto *values : {graph.mutable_input(), graph.mutable_output(), graph.mutable_value_info()})
      for (onnx::ValueInfoProto &value : *values)
        value.set_name(rename(value.name(), call));
    for (onnx::TensorProto &tensor : *graph.mutable_initializer())
      tensor.set_name(rename(tensor.name(), call));
    for (onnx::NodeProto &node : *graph.mutable_node())
      rename(node, call);
  }

  const ModelFile &file;
  std::vector<FlatNode> &nodes;
  std::vector<std::unique_ptr<OpsetMap>> &opsets;
  llvm::StringMap<const onnx::FunctionProto *> functions;
  llvm::DenseMap<const onnx::FunctionProto *, const OpsetMap *> functionVersions;
  unsigned calls = 0;
};

} // namespace

LogicalResult terse::importer::inlineFunctions(const ModelFile &file, std::vector<FlatNode> &nodes,
                                               std::vector<std::unique_ptr<llvm::StringMap<int64_t>>> &opsets) {
  return Inliner(file, nodes, opsets).run();
}
