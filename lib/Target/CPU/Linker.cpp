//===- Linker.cpp - objects to ELF files, in process ----------------------===//
#include "terse/Target/Linker.h"

#include "SystemLibraries.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/InterfaceStub/ELFObjHandler.h"
#include "llvm/InterfaceStub/IFSStub.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"

#include <map>
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace terse;

/// Runs lld with `arguments` (without the program's name).
static llvm::Error runLinker(llvm::ArrayRef<std::string> arguments) {
  // lld keeps its state in globals.
  static std::mutex mutex;
  static bool usable = true;
  std::lock_guard<std::mutex> lock(mutex);
  if (!usable)
    return llvm::createStringError(
        "the linker cannot be used again after a crash");
  // One thread: the files are small, and tersec's own threads share the cores.
  std::vector<const char *> argv = {"ld.lld", "--threads=1",
                                    "--color-diagnostics=never"};
  for (const std::string &argument : arguments)
    argv.push_back(argument.c_str());
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  lld::Result result =
      lld::lldMain(argv, stream, stream, {{lld::Gnu, &lld::elf::link}});
  usable = result.canRunAgain;
  if (result.retCode == 0)
    return llvm::Error::success();
  return llvm::createStringError("cannot link: " +
                                 llvm::StringRef(messages).trim());
}

/// Writes `objects` to `folder` and appends their paths to `arguments`.
static llvm::Error writeObjects(llvm::ArrayRef<ObjectCode> objects,
                                const TemporaryFolder &folder,
                                std::vector<std::string> &arguments) {
  for (auto [index, object] : llvm::enumerate(objects)) {
    std::string path = folder.getFile(std::to_string(index) + ".o");
    std::error_code error;
    llvm::raw_fd_ostream file(path, error);
    if (!error) {
      file.write(object.data(), object.size());
      file.close();
      error = file.error();
      file.clear_error();
    }
    if (error)
      return llvm::createStringError("cannot write '" + path +
                                     "': " + error.message());
    arguments.push_back(path);
  }
  return llvm::Error::success();
}

/// Makes shared objects that stand for the system's libraries and define just
/// what `objects` use of them.
static llvm::Error writeStubs(llvm::ArrayRef<ObjectCode> objects,
                              const TemporaryFolder &folder,
                              std::vector<std::string> &arguments) {
  std::map<std::string, llvm::ifs::IFSStub> stubs;
  llvm::StringSet<> defined;
  std::vector<std::string> used;
  for (const ObjectCode &object : objects) {
    llvm::Expected<std::vector<std::string>> names =
        getUndefinedSymbols(object);
    if (!names)
      return names.takeError();
    used.insert(used.end(), names->begin(), names->end());
  }
  for (const std::string &name : used) {
    llvm::StringRef library = findSystemLibrary(name);
    // A name that no system library has is defined in another object, or lld
    // reports it.
    if (library.empty() || !defined.insert(name).second)
      continue;
    llvm::ifs::IFSStub &stub = stubs[library.str()];
    stub.SoName = library.str();
    llvm::ifs::IFSSymbol symbol(name);
    symbol.Type = llvm::ifs::IFSSymbolType::Func;
    stub.Symbols.push_back(symbol);
  }
  for (auto &[library, stub] : stubs) {
    stub.IfsVersion = llvm::VersionTuple(3, 0);
    stub.Target.Triple = "x86_64-unknown-linux-gnu";
    stub.Target.Arch = 62; // EM_X86_64
    stub.Target.BitWidth = llvm::ifs::IFSBitWidthType::IFS64;
    stub.Target.Endianness = llvm::ifs::IFSEndiannessType::Little;
    llvm::sort(stub.Symbols);
    std::string path = folder.getFile(library);
    if (llvm::Error error = llvm::ifs::writeBinaryStub(path, stub))
      return error;
    arguments.push_back(path);
  }
  return llvm::Error::success();
}

// What the linker says of inputs and layout in every mode. No build id and no
// symbol table: equal code gives equal bytes.
static const char *const commonFlags[] = {"-m",
                                          "elf_x86_64",
                                          "--build-id=none",
                                          "--strip-all",
                                          "--gc-sections",
                                          "--hash-style=gnu",
                                          "-z",
                                          "now",
                                          "-z",
                                          "relro",
                                          "-z",
                                          "noexecstack",
                                          "-z",
                                          "defs",
                                          "--no-allow-shlib-undefined",
                                          "--as-needed"};

llvm::Error terse::linkSharedObject(llvm::ArrayRef<ObjectCode> objects,
                                    const TemporaryFolder &folder,
                                    llvm::StringRef output) {
  std::vector<std::string> arguments(std::begin(commonFlags),
                                     std::end(commonFlags));
  arguments.insert(arguments.end(),
                   {"-shared", "-Bsymbolic", "-o", output.str()});
  if (llvm::Error error = writeObjects(objects, folder, arguments))
    return error;
  if (llvm::Error error = writeStubs(objects, folder, arguments))
    return error;
  return runLinker(arguments);
}

llvm::Error terse::linkProgram(llvm::ArrayRef<ObjectCode> objects,
                               llvm::ArrayRef<std::string> libraries,
                               const TemporaryFolder &folder,
                               llvm::StringRef output) {
  std::vector<std::string> arguments(std::begin(commonFlags),
                                     std::end(commonFlags));
  // The runtime looks its own entries up by name, as dlsym does.
  arguments.insert(arguments.end(),
                   {"-pie", "--export-dynamic-symbol=terse_*", "--eh-frame-hdr",
                    "-dynamic-linker", "/lib64/ld-linux-x86-64.so.2", "-o",
                    output.str()});
  llvm::Expected<ObjectCode> start = emitProgramStart();
  if (!start)
    return start.takeError();
  std::vector<ObjectCode> all(objects.begin(), objects.end());
  all.push_back(std::move(*start));
  if (llvm::Error error = writeObjects(all, folder, arguments))
    return error;
  for (const std::string &library : libraries)
    arguments.push_back(library);
  for (llvm::StringRef name : getProgramLibraries()) {
    llvm::Expected<std::string> path = locateSystemLibrary(name);
    if (!path)
      return path.takeError();
    arguments.push_back(*path);
  }
  return runLinker(arguments);
}

llvm::Error terse::linkRelocatable(llvm::ArrayRef<ObjectCode> objects,
                                   const TemporaryFolder &folder,
                                   llvm::StringRef output) {
  std::vector<std::string> arguments = {
      "-m", "elf_x86_64", "-r", "--build-id=none", "-o", output.str()};
  if (llvm::Error error = writeObjects(objects, folder, arguments))
    return error;
  return runLinker(arguments);
}
