//===- SystemLibraries.cpp - what linked files need of a system -----------===//
#include "SystemLibraries.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace terse;

llvm::StringRef terse::findSystemLibrary(llvm::StringRef name) {
  static const llvm::StringSet<> libc = {"memcpy", "memmove", "memset",
                                         "memcmp", "bcmp",    "abort"};
  static const llvm::StringSet<> libm = {
      "acos",   "acosh",     "asin",  "asinh",    "atan",      "atan2",
      "atanh",  "cbrt",      "ceil",  "copysign", "cos",       "cosh",
      "erf",    "erfc",      "exp",   "exp2",     "exp10",     "expm1",
      "fabs",   "floor",     "fma",   "fmax",     "fmin",      "fmod",
      "frexp",  "hypot",     "ldexp", "lgamma",   "log",       "log10",
      "log1p",  "log2",      "lrint", "lround",   "modf",      "nearbyint",
      "pow",    "remainder", "rint",  "round",    "roundeven", "scalbn",
      "sin",    "sincos",    "sinh",  "sqrt",     "tan",       "tanh",
      "tgamma", "trunc"};
  if (libc.contains(name))
    return "libc.so.6";
  if (libm.contains(name) ||
      (name.ends_with("f") && libm.contains(name.drop_back())))
    return "libm.so.6";
  return {};
}

llvm::ArrayRef<llvm::StringLiteral> terse::getProgramLibraries() {
  static constexpr llvm::StringLiteral names[] = {"libstdc++.so.6", "libm.so.6",
                                                  "libgcc_s.so.1", "libc.so.6",
                                                  "ld-linux-x86-64.so.2"};
  return names;
}

llvm::Expected<std::string> terse::locateSystemLibrary(llvm::StringRef soname) {
  static constexpr llvm::StringLiteral folders[] = {"/lib/x86_64-linux-gnu",
                                                    "/usr/lib/x86_64-linux-gnu",
                                                    "/lib64",
                                                    "/usr/lib64",
                                                    "/lib",
                                                    "/usr/lib"};
  for (llvm::StringRef folder : folders) {
    llvm::SmallString<64> path(folder);
    llvm::sys::path::append(path, soname);
    if (llvm::sys::fs::exists(path))
      return path.str().str();
  }
  return llvm::createStringError("cannot find " + soname +
                                 " on this system, which --emit=exe needs");
}

// What crt1.o and crtbegin.o of a development environment would give. The
// C library runs the initializers of a program itself (glibc 2.34 and later).
static constexpr llvm::StringLiteral programStart = R"asm(
module asm ".globl _start"
module asm ".type _start, @function"
module asm "_start:"
module asm ".cfi_startproc"
module asm ".cfi_undefined rip"
module asm "xorl %ebp, %ebp"
module asm "movq %rdx, %r9"
module asm "popq %rsi"
module asm "movq %rsp, %rdx"
module asm "andq $-16, %rsp"
module asm "pushq %rax"
module asm "pushq %rsp"
module asm "xorl %r8d, %r8d"
module asm "xorl %ecx, %ecx"
module asm "leaq main(%rip), %rdi"
module asm "callq *__libc_start_main@GOTPCREL(%rip)"
module asm "hlt"
module asm ".cfi_endproc"
@__dso_handle = hidden global ptr @__dso_handle
)asm";

llvm::Expected<ObjectCode> terse::emitProgramStart() {
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> module =
      llvm::parseAssemblyString(programStart, diagnostic, context);
  if (!module)
    return llvm::createStringError("cannot assemble the start of a program: " +
                                   diagnostic.getMessage());
  module->setTargetTriple(llvm::Triple("x86_64-unknown-linux-gnu"));
  return emitObject(*module, getCPULevels().front());
}
