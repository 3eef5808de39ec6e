//===- Compiler.cpp - the compiler's C interface --------------------------===//
#include "terse-c/compiler.h"

#include "terse/Pipeline/Options.h"
#include "terse/Search/Search.h"

#include "llvm/Support/JSON.h"

using namespace terse;

struct terse_compiler {
  CompileOptions options;
  CompileListener listener;
  terse_message_fn onMessage;
  void *user;

  void say(const Message &message) {
    if (!onMessage)
      return;
    // Names and texts may come from a broken file.
    std::string location = llvm::json::fixUTF8(message.location);
    std::string text = llvm::json::fixUTF8(message.text);
    terse_message given = {int32_t(message.kind), location.c_str(),
                           text.c_str()};
    onMessage(user, &given);
  }
  terse_compile_status fail(const llvm::Twine &text) {
    say({Message::Kind::Error, "", text.str()});
    return TERSE_COMPILE_FAILED;
  }
};

static_assert(int(Message::Kind::Error) == TERSE_MESSAGE_ERROR &&
              int(Message::Kind::Report) == TERSE_MESSAGE_REPORT);
static_assert(int(OptionInfo::Kind::Text) == TERSE_OPTION_TEXT &&
              int(OptionInfo::Kind::OptionalText) ==
                  TERSE_OPTION_OPTIONAL_TEXT);

uint32_t terse_compiler_api_version(void) {
  return TERSE_COMPILER_API_VERSION_MAJOR << 16 |
         TERSE_COMPILER_API_VERSION_MINOR;
}
const char *terse_compiler_version(void) { return TERSE_VERSION; }

size_t terse_compiler_option_count(void) { return getOptions().size(); }

terse_compile_status terse_compiler_option(size_t index,
                                           terse_option_info *info) {
  if (index >= getOptions().size() || !info)
    return TERSE_COMPILE_FAILED;
  const OptionInfo &option = getOptions()[index];
  *info = {option.name.data(), int32_t(option.kind), option.value.data(),
           option.help.data()};
  return TERSE_COMPILED;
}

terse_compile_status terse_compiler_create(terse_message_fn onMessage,
                                           void *user,
                                           terse_compiler **compiler) {
  if (!compiler)
    return TERSE_COMPILE_FAILED;
  auto *made = new terse_compiler;
  made->onMessage = onMessage;
  made->user = user;
  made->listener.onMessage = [made](const Message &message) {
    made->say(message);
  };
  *compiler = made;
  return TERSE_COMPILED;
}

void terse_compiler_destroy(terse_compiler *compiler) { delete compiler; }

terse_compile_status terse_compiler_set(terse_compiler *compiler,
                                        const char *name, const char *value) {
  if (!compiler)
    return TERSE_COMPILE_FAILED;
  if (!name || !value)
    return compiler->fail("expected a name and a value of an option; got null");
  if (llvm::Error error = setOption(compiler->options, name, value))
    return compiler->fail(llvm::toString(std::move(error)));
  return TERSE_COMPILED;
}

terse_compile_status terse_compiler_run(terse_compiler *compiler,
                                        const char *input, const char *output) {
  if (!compiler)
    return TERSE_COMPILE_FAILED;
  if (!input || !output)
    return compiler->fail("expected an input and an output; got null");
  compiler->options.input = input;
  compiler->options.output = output;
  bool succeeded = compileWithinLoss(compiler->options, compiler->listener);
  bool cancelled = compiler->listener.cancelled.exchange(false);
  return succeeded   ? TERSE_COMPILED
         : cancelled ? TERSE_COMPILE_CANCELLED
                     : TERSE_COMPILE_FAILED;
}

void terse_compiler_cancel(terse_compiler *compiler) {
  if (compiler)
    compiler->listener.cancelled = true;
}
