/*===- compiler.h - compiling models, the C interface ------------*- C -*-===*
 *
 * Compiles models to artifacts, as tersec does. Link with -lTerse, which needs
 * MLIR and LLVM; running artifacts needs neither (terse.h).
 *
 *   static void print(void *user, const terse_message *message) {
 *     if (message->kind == TERSE_MESSAGE_ERROR)
 *       printf("%s: %s\n", message->location, message->text);
 *   }
 *
 *   terse_compiler *compiler;
 *   if (terse_compiler_create(print, NULL, &compiler) == TERSE_COMPILED) {
 *     terse_compiler_set(compiler, "recipe", "w4");
 *     terse_compiler_run(compiler, "model.onnx", "model.so");
 *     terse_compiler_destroy(compiler);
 *   }
 *
 * Conventions
 *   - Whatever there is to say is said through the callback; nothing is ever
 *     printed, no exception gets out, and the process does not end.
 *   - Several threads may compile at once, each with a compiler of its own.
 *===----------------------------------------------------------------------===*/
#ifndef TERSE_C_COMPILER_H
#define TERSE_C_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TERSE_COMPILER_API __attribute__((visibility("default")))

/** Version of this interface: additions raise the minor number, changes that
 * break callers the major one. */
#define TERSE_COMPILER_API_VERSION_MAJOR 0
#define TERSE_COMPILER_API_VERSION_MINOR 2

/** Major version in the upper 16 bits, minor in the lower, of the library. */
TERSE_COMPILER_API uint32_t terse_compiler_api_version(void);
/** Version of Terse, such as "0.1.0". */
TERSE_COMPILER_API const char *terse_compiler_version(void);

/** What functions return. */
enum {
  TERSE_COMPILED = 0,
  TERSE_COMPILE_FAILED = 1, /**< the callback was told why */
  TERSE_COMPILE_CANCELLED = 2
};
typedef int32_t terse_compile_status;

/*===-- Messages ----------------------------------------------------------===*/

/** A kind of message is one of these. */
enum {
  TERSE_MESSAGE_ERROR = 0,
  TERSE_MESSAGE_WARNING = 1,
  TERSE_MESSAGE_NOTE = 2,     /**< more about the message before */
  TERSE_MESSAGE_PROGRESS = 3, /**< what is being done */
  TERSE_MESSAGE_REPORT = 4    /**< what passes did, one line a fact */
};

/** Valid during the callback. Strings are UTF-8. */
typedef struct terse_message {
  int32_t kind;
  const char *location; /**< "model.onnx", "model.mlir:3:8", or "" */
  const char *text;
} terse_message;

/** Receives messages; called from any thread, by one at a time. */
typedef void (*terse_message_fn)(void *user, const terse_message *message);

/*===-- Options -----------------------------------------------------------===*/

/** A kind of option is one of these. */
enum {
  TERSE_OPTION_TEXT = 0,
  TERSE_OPTION_NUMBER = 1,
  TERSE_OPTION_FLAG = 2, /**< "true" or "false" */
  TERSE_OPTION_LIST = 3, /**< each call adds a value */
  TERSE_OPTION_OPTIONAL_TEXT = 4 /**< a text, or "true" or "false" as a flag */
};

/** An option: those of tersec --help. Strings live as long as the library. */
typedef struct terse_option_info {
  const char *name;
  int32_t kind;
  const char *value; /**< what a value looks like; "" for flags */
  const char *help;
} terse_option_info;

TERSE_COMPILER_API size_t terse_compiler_option_count(void);
/** Returns TERSE_COMPILE_FAILED if there is no option of this index. */
TERSE_COMPILER_API terse_compile_status
terse_compiler_option(size_t index, terse_option_info *info);

/*===-- Compiling ---------------------------------------------------------===*/

typedef struct terse_compiler terse_compiler;

/** Makes a compiler whose messages go to `on_message` (which may be null). */
TERSE_COMPILER_API terse_compile_status terse_compiler_create(
    terse_message_fn on_message, void *user, terse_compiler **compiler);
TERSE_COMPILER_API void terse_compiler_destroy(terse_compiler *compiler);

/** Sets an option; the nearest name is suggested for one that is unknown. */
TERSE_COMPILER_API terse_compile_status terse_compiler_set(
    terse_compiler *compiler, const char *name, const char *value);

/** Compiles the ONNX file, folder or IR `input` to the file `output`, which is
 * written whole or not at all. May be called again. */
TERSE_COMPILER_API terse_compile_status terse_compiler_run(
    terse_compiler *compiler, const char *input, const char *output);

/** Makes a run that goes on in another thread, or the next one, end soon with
 * TERSE_COMPILE_CANCELLED. */
TERSE_COMPILER_API void terse_compiler_cancel(terse_compiler *compiler);

/*===-- Looking -----------------------------------------------------------===*/

/** Receives a text. */
typedef void (*terse_description_fn)(void *user, const char *text, size_t size);

/** Describes an ONNX model, or IR of any stage, as a JSON object: file, bytes,
 * sha256, inputs, outputs, operations and layers. Calls `emit` once: with the
 * object, or on failure with the reason. */
TERSE_COMPILER_API terse_compile_status
terse_describe_model(const char *path, terse_description_fn emit, void *user);

/** The same of a file of statistics (tersec --save-statistics): file, bytes,
 * sha256, source_sha256, data and taps. A channel is an outlier if its largest
 * magnitude is above 10 times that of the median channel. */
TERSE_COMPILER_API terse_compile_status terse_describe_statistics(
    const char *path, terse_description_fn emit, void *user);

#ifdef __cplusplus
}
#endif

#endif /* TERSE_C_COMPILER_H */
