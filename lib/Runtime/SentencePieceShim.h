/*===- SentencePieceShim.h - SentencePiece behind C functions ----*- C -*-===*
 *
 * libterse_sentencepiece.so is the only part of the runtime that depends on
 * SentencePiece. The runtime loads it when text, rather than tokens, is wanted.
 *===----------------------------------------------------------------------===*/
#ifndef TERSE_LIB_RUNTIME_SENTENCEPIECESHIM_H
#define TERSE_LIB_RUNTIME_SENTENCEPIECESHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TERSE_SPM_VERSION 1
#define TERSE_SPM_LIBRARY "libterse_sentencepiece.so"

/** All functions of the library; the model is the first argument. */
typedef struct TerseSpm {
  uint32_t version; /**< TERSE_SPM_VERSION */
  /** A model from the bytes of its file; null and a message on failure. */
  void *(*open)(const void *bytes, size_t size, char *error, size_t errorSize);
  void (*close)(void *model);
  int32_t (*size)(void *model);
  int32_t (*bos)(void *model); /**< -1 if there is none */
  int32_t (*eos)(void *model); /**< -1 if there is none */
  /** Calls `emit(user, token)` for each token; 0 on success. */
  int (*encode)(void *model, const char *text, size_t size,
                void (*emit)(void *user, int32_t token), void *user);
  /** Calls `emit(user, bytes, size)` with the text of a token. */
  void (*piece)(void *model, int32_t token, int first,
                void (*emit)(void *user, const char *bytes, size_t size),
                void *user);
} TerseSpm;

/** The only symbol that the library exports. */
const TerseSpm *terse_spm(void);

#ifdef __cplusplus
}
#endif

#endif /* TERSE_LIB_RUNTIME_SENTENCEPIECESHIM_H */
