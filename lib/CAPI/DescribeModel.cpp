//===- DescribeModel.cpp - what lies in a model, as JSON ------------------===//
#include "terse-c/compiler.h"

#include "Terse/TerseDialect.h"
#include "Terse/WeightStore.h"
#include "terse/Import/OnnxImport.h"
#include "terse/Support/IRText.h"
#include "terse/Support/Registry.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SHA256.h"

#include <map>

using namespace mlir;
using namespace terse;

namespace {

/// Collects the layers of a module: what reads weights, then weights that
/// nothing recognised reads.
class Layers {
public:
  void add(ModuleOp module) {
    module.walk([&](Operation *op) {
      ++operations[op->getName().getStringRef().str()];
      if (auto linear = dyn_cast<LinearOp>(op))
        addMatrix(linear.getWeight(), "linear", linear.getName());
      else if (auto embedding = dyn_cast<EmbeddingOp>(op))
        addMatrix(embedding.getTable(), "embedding", embedding.getName());
      else if (auto quantized = dyn_cast<QLinearOp>(op))
        addCodes("linear", quantized.getName(), quantized.getScheme(),
                 cast<RankedTensorType>(quantized.getInput().getType()).getShape().back(),
                 quantized.getCodes(), {quantized.getScales(), quantized.getRowScales(), quantized.getZeroPoints()});
    });
    module.walk([&](WeightOp weight) {
      if (seen.contains(weight.getResult()))
        return;
      StringRef kind = "other";
      if (!weight->use_empty() && isa<NormOp>(*weight->user_begin()))
        kind = "norm";
      addDense(weight.getResult(), kind, weight.getName());
    });
  }

  llvm::json::Array rows;
  std::map<std::string, int64_t> operations;

private:
  static int64_t bytesOf(Value value) {
    auto type = dyn_cast_if_present<RankedTensorType>(value ? value.getType() : Type());
    if (!type || !type.hasStaticShape() || !type.getElementType().isIntOrFloat())
      return 0;
    return type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  }

  static std::string nameOf(Value value, std::optional<StringRef> name) {
    if (name)
      return name->str();
    auto weight = value.getDefiningOp<WeightOp>();
    return weight ? weight.getName().str() : std::string();
  }

  void addMatrix(Value value, StringRef kind, std::optional<StringRef> name) {
    if (auto codes = value.getDefiningOp<DequantizeOp>()) {
      int64_t k = cast<RankedTensorType>(codes.getResult().getType()).getShape().back();
      addCodes(kind, name, codes.getScheme(), k, codes.getCodes(), {codes.getScales(), codes.getRowScales(), codes.getZeroPoints()});
    } else if (value.getDefiningOp<WeightOp>()) {
      addDense(value, kind, name);
    }
  }

  void addDense(Value value, StringRef kind, std::optional<StringRef> name) {
    auto type = cast<RankedTensorType>(value.getType());
    // A table that is also the head counts once.
    if (!seen.insert(value).second || !type.hasStaticShape())
      return;
    unsigned bits = type.getElementType().isIntOrFloat() ? type.getElementTypeBitWidth() : 0;
    addRow(nameOf(value, name), kind, type.getShape(), bits, 0, true, "", bytesOf(value));
  }

  void addCodes(StringRef kind, std::optional<StringRef> name, SchemeAttr scheme, int64_t k, Value codes,
                ArrayRef<Value> parts) {
    if (!seen.insert(codes).second)
      return;
    int64_t bytes = bytesOf(codes);
    for (Value part : parts) {
      bytes += bytesOf(part);
      if (part)
        seen.insert(part);
    }
    SmallVector<int64_t> shape(cast<RankedTensorType>(codes.getType()).getShape());
    shape.back() = k;
    addRow(nameOf(codes, name), kind, shape, scheme.getBits(), scheme.getGroupSize(k), scheme.isSymmetric(),
           llvm::formatv("{0}", scheme.getScale()).str(), bytes);
    if (scheme.hasTable())
      (*rows.back().getAsObject())["codebook"] = stringifyCodebook(scheme.getCodebook());
  }

  void addRow(std::string name, StringRef kind, ArrayRef<int64_t> shape, unsigned bits, int64_t group,
              bool symmetric, std::string scale, int64_t bytes) {
    rows.push_back(llvm::json::Object{{"name", llvm::json::fixUTF8(name)},
                                      {"kind", kind},
                                      {"shape", llvm::json::Array(shape)},
                                      {"bits", bits},
                                      {"group_size", group},
                                      {"symmetric", symmetric},
                                      {"scale", scale},
                                      {"bytes", bytes}});
  }

  llvm::DenseSet<Value> seen;
};

/// What the module says of an argument or result.
llvm::json::Object describe(Type type, DictionaryAttr attrs) {
  llvm::json::Object object;
  auto name = attrs ? attrs.getAs<StringAttr>("terse.name") : StringAttr();
  object["name"] = llvm::json::fixUTF8(name ? name.getValue() : "");
  auto tensor = dyn_cast<RankedTensorType>(type);
  object["dtype"] = llvm::formatv("{0}", tensor ? tensor.getElementType() : type).str();
  llvm::json::Array shape;
  auto dims = attrs ? attrs.getAs<ArrayAttr>("terse.dims") : ArrayAttr();
  for (int64_t d = 0, rank = tensor ? tensor.getRank() : 0; d < rank; ++d) {
    auto text = dims && d < int64_t(dims.size()) ? dyn_cast<StringAttr>(dims[d]) : StringAttr();
    if (!tensor.isDynamicDim(d))
      shape.push_back(tensor.getDimSize(d));
    else
      shape.push_back(llvm::json::fixUTF8(text ? text.getValue() : "?"));
  }
  object["shape"] = std::move(shape);
  return object;
}

llvm::json::Object describe(ModuleOp module) {
  llvm::json::Object root;
  llvm::json::Array inputs, outputs;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isPrivate())
      continue;
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      inputs.push_back(describe(function.getArgument(i).getType(), function.getArgAttrDict(i)));
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      outputs.push_back(describe(function.getResultTypes()[i], function.getResultAttrDict(i)));
  }
  Layers layers;
  layers.add(module);
  llvm::json::Object operations;
  for (auto &[name, count] : layers.operations)
    operations[name] = count;
  root["inputs"] = std::move(inputs);
  root["outputs"] = std::move(outputs);
  root["operations"] = std::move(operations);
  root["layers"] = std::move(layers.rows);
  return root;
}

} // namespace

terse_compile_status terse_describe_model(const char *path, terse_description_fn emit, void *user) {
  auto give = [&](const std::string &text, terse_compile_status status) {
    emit(user, text.data(), text.size());
    return status;
  };
  // A device or a pipe may never end.
  if (llvm::sys::fs::exists(path) && !llvm::sys::fs::is_regular_file(path))
    return give((llvm::Twine("cannot open '") + path + "': not a regular file").str(), TERSE_COMPILE_FAILED);
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return give((llvm::Twine("cannot open '") + path + "': " + buffer.getError().message()).str(), TERSE_COMPILE_FAILED);
  llvm::SHA256 hash;
  hash.update((*buffer)->getBuffer());

  DialectRegistry registry;
  llvm::cantFail(fillRegistry(registry));
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  std::string messages;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error) {
      messages += (messages.empty() ? "" : "\n") + diagnostic.str();
      for (Diagnostic &note : diagnostic.getNotes())
        messages += "\n" + note.str();
    }
    return success();
  });
  StringRef name(path);
  OwningOpRef<ModuleOp> module = name.ends_with(".mlir") || name.ends_with(".mlirbc")
                                     ? parseIRFile(name, &context)
                                     : importOnnx(name, &context);
  if (!module)
    return give(messages.empty() ? "cannot read the model" : messages, TERSE_COMPILE_FAILED);

  llvm::json::Object root = describe(*module);
  root["file"] = llvm::json::fixUTF8(path);
  root["bytes"] = int64_t((*buffer)->getBufferSize());
  root["sha256"] = llvm::toHex(hash.final(), /*LowerCase=*/true);
  return give(llvm::formatv("{0}", llvm::json::Value(std::move(root))).str(), TERSE_COMPILED);
}
