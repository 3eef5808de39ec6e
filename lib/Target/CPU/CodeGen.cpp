//===- CodeGen.cpp - llvm dialect to machine code -------------------------===//
#include "terse/Target/CodeGen.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/Internalize.h"

#include <algorithm>
#include <mutex>

using namespace terse;

/// The machine of `level`: a fixed processor, never the one that compiles.
static llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createMachine(const CPULevel &level) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
  });
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  std::string message;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return llvm::createStringError("this LLVM has no x86-64 code generator: " +
                                   message);
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, "x86-64", level.features, llvm::TargetOptions(),
      llvm::Reloc::PIC_, llvm::CodeModel::Small,
      llvm::CodeGenOptLevel::Default));
  if (!machine)
    return llvm::createStringError("cannot make a code generator for " +
                                   level.name);
  return machine;
}

static void setFunctionAttributes(llvm::Module &module, const CPULevel &level) {
  std::string width = std::to_string(level.vectorWidth);
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr("target-cpu", "x86-64");
    function.addFnAttr("tune-cpu", level.tuneCPU);
    if (!level.features.empty())
      function.addFnAttr("target-features", level.features);
    // LLVM avoids 512-bit vectors by default, for the sake of the first
    // processors that had them.
    function.addFnAttr("prefer-vector-width", width);
    function.addFnAttr("min-legal-vector-width", width);
  }
}

llvm::Expected<std::unique_ptr<llvm::Module>>
terse::translateToLLVM(mlir::ModuleOp module, const CPULevel &level,
                       llvm::ArrayRef<std::string> exported,
                       llvm::LLVMContext &context) {
  // They have said what they had to; LLVM IR has no such attributes.
  module.walk([](mlir::LLVM::LLVMFuncOp function) {
    for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i) {
      mlir::NamedAttrList attrs(function.getArgAttrDict(i));
      for (mlir::NamedAttribute attr :
           mlir::function_interface_impl::getArgAttrs(function, i))
        if (attr.getName().getValue().starts_with("terse."))
          attrs.erase(attr.getName());
      function.setArgAttrs(i, attrs.getDictionary(function.getContext()));
    }
  });
  // The name must not depend on paths: it could reach the artifact.
  std::unique_ptr<llvm::Module> result =
      mlir::translateModuleToLLVMIR(module, context, level.name);
  if (!result)
    return llvm::createStringError("cannot translate the module to LLVM IR");
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine =
      createMachine(level);
  if (!machine)
    return machine.takeError();
  result->setTargetTriple((*machine)->getTargetTriple());
  result->setDataLayout((*machine)->createDataLayout());
  result->setPICLevel(llvm::PICLevel::BigPIC);
  for (const std::string &name : exported)
    if (llvm::Function *function = result->getFunction(name);
        !function || function->isDeclaration())
      return llvm::createStringError(
          "expected a definition of the entry function '" + name + "'");
  llvm::internalizeModule(*result, [&](const llvm::GlobalValue &value) {
    return llvm::is_contained(exported, value.getName());
  });
  setFunctionAttributes(*result, level);
  return result;
}

llvm::Error terse::optimizeLLVM(llvm::Module &module, const CPULevel &level) {
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine =
      createMachine(level);
  if (!machine)
    return machine.takeError();
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = tuning.LoopInterleaving =
      true;
  llvm::PassBuilder builder(machine->get(), tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraphs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraphs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, modules);
  return llvm::Error::success();
}

namespace {
/// A pass manager without those passes of the code generator that change the
/// order of instructions.
class OrderKeepingPassManager : public llvm::legacy::PassManager {
public:
  void add(llvm::Pass *pass) override {
    if (pass->getPassID() == &llvm::MachineSchedulerID ||
        pass->getPassID() == &llvm::MachineCombinerID)
      delete pass;
    else
      llvm::legacy::PassManager::add(pass);
  }
};
} // namespace

llvm::Expected<ObjectCode> terse::emitObject(llvm::Module &module,
                                             const CPULevel &level) {
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine =
      createMachine(level);
  if (!machine)
    return machine.takeError();
  ObjectCode object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager anyOrder;
  OrderKeepingPassManager sameOrder;
  llvm::legacy::PassManager &passes = level.keepsOrder ? sameOrder : anyOrder;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr,
                                      llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("cannot emit an object file");
  passes.run(module);
  return object;
}

llvm::Expected<ObjectCode>
terse::emitDataObject(llvm::ArrayRef<DataSymbol> symbols) {
  const CPULevel &level = getCPULevels().front();
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine =
      createMachine(level);
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  llvm::Module module("data", context);
  module.setTargetTriple((*machine)->getTargetTriple());
  module.setDataLayout((*machine)->createDataLayout());
  for (const DataSymbol &symbol : symbols) {
    llvm::Constant *bytes = llvm::ConstantDataArray::getString(
        context, symbol.bytes, /*AddNull=*/false);
    auto *global = new llvm::GlobalVariable(
        module, bytes->getType(), /*isConstant=*/true,
        llvm::GlobalValue::ExternalLinkage, bytes, symbol.name);
    global->setAlignment(llvm::Align(symbol.alignment));
    global->setVisibility(symbol.exported
                              ? llvm::GlobalValue::DefaultVisibility
                              : llvm::GlobalValue::HiddenVisibility);
    if (!symbol.section.empty())
      global->setSection(symbol.section);
  }
  return emitObject(module, level);
}

llvm::Expected<std::vector<std::string>>
terse::getUndefinedSymbols(const ObjectCode &object) {
  auto file =
      llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(
          llvm::StringRef(object.data(), object.size()), "object"));
  if (!file)
    return file.takeError();
  std::vector<std::string> names;
  for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    if (!flags)
      return flags.takeError();
    if (!(*flags & llvm::object::SymbolRef::SF_Undefined))
      continue;
    llvm::Expected<llvm::StringRef> name = symbol.getName();
    if (!name)
      return name.takeError();
    if (!name->empty())
      names.push_back(name->str());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}
