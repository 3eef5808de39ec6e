/*===- ModelReader.h - models for terse-inspect ------------------*- C -*-===*
 *
 * libterse_model_reader.so holds what of terse-inspect needs the compiler:
 * terse-inspect itself shows artifacts where no compiler is installed.
 *===----------------------------------------------------------------------===*/
#ifndef TERSE_TOOLS_TERSE_INSPECT_MODELREADER_H
#define TERSE_TOOLS_TERSE_INSPECT_MODELREADER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TERSE_MODEL_READER_LIBRARY "libterse_model_reader.so"

/** Reads an ONNX model, or IR in .mlir or .mlirbc, and calls `emit` once: with
 * a JSON object and the result 0, or with messages for the user and 1. */
int terse_read_model(const char *path,
                     void (*emit)(void *user, const char *text, size_t size),
                     void *user);

#ifdef __cplusplus
}
#endif

#endif /* TERSE_TOOLS_TERSE_INSPECT_MODELREADER_H */
