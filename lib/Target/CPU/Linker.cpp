//===- Linker.cpp - objects to ELF files, in process ----------------------===//
#include "terse/Target/Linker.h"

#include "SystemLibraries.h"
#include "terse/Support/TemporaryFile.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/InterfaceStub/ELFObjHandler.h"
#include "llvm/InterfaceStub/IFSStub.h"

#include <cerrno>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <thread>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

using namespace terse;

namespace {
/// A file that can only be written, by its path, and what was written to it.
/// LLVM's writers of files make temporary ones beside what they write, but not
/// beside what is no regular file.
class Pipe {
public:
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) == 0)
      reader = std::thread([this] {
        char buffer[1 << 16];
        for (;;) {
          ssize_t got = ::read(ends[0], buffer, sizeof(buffer));
          if (got > 0)
            contents.append(buffer, got);
          else if (got == 0 || errno != EINTR)
            return;
        }
      });
  }
  ~Pipe() {
    finish();
    if (ends[0] >= 0)
      ::close(ends[0]);
  }
  std::string getPath() const {
    return "/proc/self/fd/" + std::to_string(ends[1]);
  }
  /// All that was written; nobody may write any more.
  std::string finish() {
    if (ends[1] >= 0)
      ::close(ends[1]);
    ends[1] = -1;
    if (reader.joinable())
      reader.join();
    return std::move(contents);
  }

private:
  int ends[2] = {-1, -1};
  std::string contents;
  std::thread reader;
};

/// What the linker reads.
struct Inputs {
  std::vector<TemporaryFile> files;
  std::vector<std::string> arguments;

  llvm::Error add(llvm::ArrayRef<char> contents) {
    llvm::Expected<TemporaryFile> file = TemporaryFile::create(contents);
    if (!file)
      return file.takeError();
    arguments.push_back(file->getPath());
    files.push_back(std::move(*file));
    return llvm::Error::success();
  }
};
} // namespace

/// Runs lld with `arguments` (without the program's name and the output).
static llvm::Expected<std::string>
runLinker(llvm::ArrayRef<std::string> arguments) {
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
  Pipe pipe;
  std::string output = pipe.getPath();
  argv.insert(argv.end(), {"-o", output.c_str()});
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  lld::Result result =
      lld::lldMain(argv, stream, stream, {{lld::Gnu, &lld::elf::link}});
  usable = result.canRunAgain;
  if (result.retCode == 0)
    return pipe.finish();
  return llvm::createStringError("cannot link: " +
                                 llvm::StringRef(messages).trim());
}

static llvm::Error addObjects(llvm::ArrayRef<ObjectCode> objects,
                              Inputs &inputs) {
  for (const ObjectCode &object : objects)
    if (llvm::Error error = inputs.add(object))
      return error;
  return llvm::Error::success();
}

/// Makes shared objects that stand for the system's libraries and define just
/// what `objects` use of them.
static llvm::Error addStubs(llvm::ArrayRef<ObjectCode> objects,
                            Inputs &inputs) {
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
    Pipe pipe;
    if (llvm::Error error = llvm::ifs::writeBinaryStub(pipe.getPath(), stub))
      return error;
    if (llvm::Error error = inputs.add(pipe.finish()))
      return error;
  }
  return llvm::Error::success();
}

// What the linker says of inputs and layout in every mode. No build id: equal
// code gives equal bytes.
static const char *const commonFlags[] = {"-m",
                                          "elf_x86_64",
                                          "--build-id=none",
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

llvm::Expected<std::string>
terse::linkSharedObject(llvm::ArrayRef<ObjectCode> objects) {
  Inputs inputs;
  inputs.arguments.assign(std::begin(commonFlags), std::end(commonFlags));
  // By their symbols profilers name kernels.
  inputs.arguments.insert(inputs.arguments.end(),
                          {"-shared", "-Bsymbolic", "--strip-debug"});
  if (llvm::Error error = addObjects(objects, inputs))
    return error;
  if (llvm::Error error = addStubs(objects, inputs))
    return error;
  return runLinker(inputs.arguments);
}

llvm::Expected<std::string>
terse::linkProgram(llvm::ArrayRef<ObjectCode> objects,
                   llvm::ArrayRef<std::string> libraries) {
  Inputs inputs;
  inputs.arguments.assign(std::begin(commonFlags), std::end(commonFlags));
  // The runtime looks its own entries up by name, as dlsym does.
  inputs.arguments.insert(
      inputs.arguments.end(),
      {"-pie", "--strip-all", "--export-dynamic-symbol=terse_*",
       "--eh-frame-hdr", "-dynamic-linker", "/lib64/ld-linux-x86-64.so.2"});
  llvm::Expected<ObjectCode> start = emitProgramStart();
  if (!start)
    return start.takeError();
  if (llvm::Error error = addObjects(objects, inputs))
    return error;
  if (llvm::Error error = inputs.add(*start))
    return error;
  for (const std::string &library : libraries)
    inputs.arguments.push_back(library);
  for (llvm::StringRef name : getProgramLibraries()) {
    llvm::Expected<std::string> path = locateSystemLibrary(name);
    if (!path)
      return path.takeError();
    inputs.arguments.push_back(*path);
  }
  return runLinker(inputs.arguments);
}

llvm::Expected<std::string>
terse::linkRelocatable(llvm::ArrayRef<ObjectCode> objects) {
  Inputs inputs;
  inputs.arguments = {"-m", "elf_x86_64", "-r", "--build-id=none"};
  if (llvm::Error error = addObjects(objects, inputs))
    return error;
  return runLinker(inputs.arguments);
}
