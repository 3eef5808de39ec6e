//===- Original.cpp - the model as it is, to compare with -----------------===//
#include "terse/Quality/Original.h"

#include "llvm/Support/FileSystem.h"

using namespace terse;

/// The same model as it is, for `level` alone.
static bool compileOriginal(const CompileOptions &options, const std::string &level, const std::string &path,
                            CompileListener &listener) {
  // How it is read and run, not how it is compressed.
  CompileOptions original;
  original.input = options.input;
  original.output = path;
  original.recipe = "keep";
  original.plain = options.plain;
  original.keepCacheIO = options.keepCacheIO;
  original.levels = {level};
  original.emulatedKernels = options.emulatedKernels;
  original.tuning = options.tuning;
  original.startFrom = options.startFrom;
  original.tokenizer = options.tokenizer;
  original.context = options.context;
  original.threads = options.threads;
  original.maxMemory = options.maxMemory;
  original.plugins = options.plugins;
  for (const auto &extra : options.extraPasses)
    if (extra.first < Stage::Compress)
      original.extraPasses.push_back(extra);
  CompileListener inner;
  inner.onMessage = [&](const Message &message) {
    if (message.kind == Message::Kind::Error || message.kind == Message::Kind::Progress)
      listener.onMessage(message);
    inner.cancelled = listener.cancelled.load();
  };
  return compile(original, inner);
}

llvm::Expected<ModelHandle> terse::openOriginal(const CompileOptions &options, const std::string &level, CompileListener &listener,
                                                llvm::function_ref<llvm::Error(const std::string &path)> look) {
  // Open, a file needs no name any more.
  llvm::SmallString<128> path;
  if (std::error_code error = llvm::sys::fs::createUniqueFile(options.output + ".original-%%%%%%.so", path))
    return llvm::createStringError("cannot write beside '" + options.output + "': " + error.message());
  std::string original = path.str().str();
  if (!compileOriginal(options, level, original, listener)) {
    llvm::sys::fs::remove(original);
    return llvm::createStringError("the original could not be compiled, which --eval compares with");
  }
  llvm::Expected<ModelHandle> reference = openArtifact(original);
  llvm::Error seen = look ? look(original) : llvm::Error::success();
  llvm::sys::fs::remove(original);
  if (!reference)
    return llvm::joinErrors(reference.takeError(), std::move(seen));
  if (seen)
    return std::move(seen);
  return reference;
}
