//===- Plugins.cpp - loading passes and dialects at run time --------------===//
#include "terse/Support/Plugins.h"
#include "terse/Support/PluginVersion.h"

#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/DynamicLibrary.h"

using namespace llvm;

namespace {
Error makeError(StringRef path, const Twine &what) {
  return createStringError(inconvertibleErrorCode(), "plug-in '" + path + "': " + what);
}

/// The version that the file `path` says it was built against; empty if it is
/// no plug-in of Terse.
Expected<std::string> readVersion(StringRef path) {
  Expected<object::OwningBinary<object::ObjectFile>> file =
      object::ObjectFile::createObjectFile(path);
  if (!file)
    return makeError(path, toString(file.takeError()));
  for (const object::SectionRef &section : file->getBinary()->sections()) {
    Expected<StringRef> name = section.getName();
    if (!name) {
      consumeError(name.takeError());
      continue;
    }
    if (*name != TERSE_PLUGIN_SECTION)
      continue;
    Expected<StringRef> contents = section.getContents();
    if (!contents)
      return makeError(path, toString(contents.takeError()));
    return contents->take_until([](char c) { return c == '\0'; }).str();
  }
  return std::string();
}

Error checkApiVersion(StringRef path, uint32_t version) {
  if (version == MLIR_PLUGIN_API_VERSION)
    return Error::success();
  return makeError(path, "expected plug-in API version " + Twine(MLIR_PLUGIN_API_VERSION) +
                             "; got " + Twine(version));
}
} // namespace

Error terse::loadPlugin(StringRef path, mlir::DialectRegistry &registry) {
  Expected<std::string> version = readVersion(path);
  if (!version)
    return version.takeError();
  if (*version != TERSE_PLUGIN_VERSION)
    return makeError(path, "expected a plug-in built against '" TERSE_PLUGIN_VERSION "'; got " +
                               (version->empty() ? Twine("a file that names no version")
                                                 : "'" + Twine(*version) + "'"));

  std::string message;
  auto library = sys::DynamicLibrary::getPermanentLibrary(path.str().c_str(), &message);
  if (!library.isValid())
    return makeError(path, message);

  using PassInfoFn = mlir::PassPluginLibraryInfo (*)();
  using DialectInfoFn = mlir::DialectPluginLibraryInfo (*)();
  auto getPassInfo =
      reinterpret_cast<PassInfoFn>(library.getAddressOfSymbol("mlirGetPassPluginInfo"));
  auto getDialectInfo =
      reinterpret_cast<DialectInfoFn>(library.getAddressOfSymbol("mlirGetDialectPluginInfo"));
  if (!getPassInfo && !getDialectInfo)
    return makeError(path, "expected 'mlirGetPassPluginInfo' or 'mlirGetDialectPluginInfo'; "
                           "got neither");
  if (getDialectInfo) {
    mlir::DialectPluginLibraryInfo info = getDialectInfo();
    if (Error error = checkApiVersion(path, info.apiVersion))
      return error;
    info.registerDialectRegistryCallbacks(&registry);
  }
  if (getPassInfo) {
    mlir::PassPluginLibraryInfo info = getPassInfo();
    if (Error error = checkApiVersion(path, info.apiVersion))
      return error;
    info.registerPassRegistryCallbacks();
  }
  return Error::success();
}

Error terse::loadPlugins(int &argc, char **argv, mlir::DialectRegistry &registry) {
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i], name = argument;
    if (name == "--") { // what follows is no option
      while (i < argc)
        argv[kept++] = argv[i++];
      break;
    }
    bool isOption = name.consume_front("-");
    name.consume_front("-");
    if (!isOption ||
        !(name.consume_front("load-pass-plugin") || name.consume_front("load-dialect-plugin")) ||
        !(name.empty() || name.starts_with("="))) {
      argv[kept++] = argv[i];
      continue;
    }
    if (!name.consume_front("=")) {
      if (++i == argc)
        return createStringError(inconvertibleErrorCode(),
                                 "expected a file after '" + argument + "'; got nothing");
      name = argv[i];
    }
    if (Error error = loadPlugin(name, registry))
      return error;
  }
  argc = kept;
  argv[argc] = nullptr;
  return Error::success();
}
