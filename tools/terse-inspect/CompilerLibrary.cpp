//===- CompilerLibrary.cpp - what the compiler knows of a file --*- C++ -*-===//
#include "CompilerLibrary.h"

#include "terse-c/compiler.h"

#include <climits>
#include <cstdlib>
#include <dlfcn.h>

namespace terse::inspect {

using namespace rt;
using nlohmann::ordered_json;

namespace {

constexpr const char *compilerLibrary = "libTerse.so.0";
using DescribeFn = decltype(&terse_describe_model);

/// Loads the compiler from the library folder beside the program's.
DescribeFn loadCompiler(const char *function, std::string &why) {
  char program[PATH_MAX] = {};
  std::string folder;
  if (::realpath("/proc/self/exe", program))
    folder = std::string(program).substr(0, std::string(program).rfind('/'));
  for (const std::string &path :
       {folder + "/../lib/" + compilerLibrary, std::string(compilerLibrary)}) {
    // Never closed: what it registers lives until the end.
    if (void *handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
      if (void *describe = ::dlsym(handle, function))
        return reinterpret_cast<DescribeFn>(describe);
    const char *reason = ::dlerror();
    why = reason ? reason : "unknown error";
  }
  return nullptr;
}

} // namespace

Result<ordered_json> describeByCompiler(const char *function, const char *what,
                                        const std::string &path) {
  std::string why, text;
  DescribeFn describe = loadCompiler(function, why);
  if (!describe)
    return fail(Code::Unsupported,
                "%s need the compiler, whose %s cannot be loaded: %s", what,
                compilerLibrary, why.c_str());
  auto collect = [](void *user, const char *bytes, size_t size) {
    static_cast<std::string *>(user)->assign(bytes, size);
  };
  if (describe(path.c_str(), collect, &text) != 0)
    return Status(Code::InvalidArgument, text);
  ordered_json given = ordered_json::parse(text, nullptr, false);
  if (given.is_discarded())
    return Status(Code::Internal, "the compiler gave no JSON");
  return given;
}

} // namespace terse::inspect
