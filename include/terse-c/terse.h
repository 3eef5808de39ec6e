/*===- terse.h - running compiled models, the C interface --------*- C -*-===*
 *
 * Runs artifacts that tersec wrote. Link with -lterse_rt, which needs nothing
 * but the C and C++ libraries.
 *
 *   terse_model *model;
 *   terse_context *context;
 *   if (terse_model_open("model.so", NULL, &model) != TERSE_OK ||
 *       terse_context_create(model, NULL, &context) != TERSE_OK)
 *     puts(terse_last_error());
 *
 * Conventions
 *   - Functions that can fail return a terse_status; the reason is in
 *     terse_last_error() of the same thread. On failure nothing is written to
 *     the output arguments. Nothing is ever printed and the process never ends.
 *   - Tensors are contiguous and row-major.
 *   - Structures that the caller fills begin with `size`; set it to
 *     sizeof(the structure), or use the INIT macros. A newer library then
 *     understands older callers; an older one refuses what it does not know.
 *   - A model may be used by any number of threads at once; a context
 *     by one at a time.
 *===----------------------------------------------------------------------===*/
#ifndef TERSE_C_TERSE_H
#define TERSE_C_TERSE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TERSE_API __attribute__((visibility("default")))

/** Version of this interface: additions raise the minor number, changes that
 * break callers the major one. */
#define TERSE_API_VERSION_MAJOR 0
#define TERSE_API_VERSION_MINOR 6
#define TERSE_API_VERSION                                                      \
  ((uint32_t)TERSE_API_VERSION_MAJOR << 16 | TERSE_API_VERSION_MINOR)

/** Major version in the upper 16 bits, minor in the lower, of the library. */
TERSE_API uint32_t terse_api_version(void);
/** Version of Terse, such as "0.1.0". */
TERSE_API const char *terse_version(void);

/*===-- Errors ------------------------------------------------------------===*/

/** A terse_status is one of these. */
enum {
  TERSE_OK = 0,
  TERSE_INVALID_ARGUMENT = 1, /**< inputs do not fit the model */
  TERSE_IO = 2,               /**< the operating system refused */
  TERSE_BAD_ARTIFACT = 3,     /**< truncated, damaged, or not an artifact */
  TERSE_UNSUPPORTED = 4,      /**< not for this machine or this version */
  TERSE_OUT_OF_MEMORY = 5,
  TERSE_CONTEXT_FULL = 6, /**< no room for more tokens */
  TERSE_INTERNAL = 7,
  TERSE_CANCELLED = 8 /**< a callback wanted it */
};
typedef int32_t terse_status;

/** Why the last function that failed in this thread did. Valid until the next
 * failure in this thread; never null. */
TERSE_API const char *terse_last_error(void);

/** Refuses a library that a program was not compiled for: call it first, as
 * terse_check_version(TERSE_API_VERSION). */
TERSE_API terse_status terse_check_version(uint32_t version);

/*===-- Models ------------------------------------------------------------===*/

/** An open artifact: code loaded, weights mapped (not read, not copied). */
typedef struct terse_model terse_model;

typedef struct terse_model_options {
  size_t size;
  /** "baseline", "avx2", "avx512vnni" or "avx512bf16" to force that code; null:
   * the best that the machine and the artifact have. */
  const char *cpu_level;
} terse_model_options;
#define TERSE_MODEL_OPTIONS_INIT                                               \
  { sizeof(terse_model_options), NULL }

/** Opens an artifact. `options` may be null. */
TERSE_API terse_status terse_model_open(const char *path,
                                        const terse_model_options *options,
                                        terse_model **model);
/** Opens the model that is linked into this program (tersec --emit=obj|exe). */
TERSE_API terse_status terse_model_open_self(const terse_model_options *options,
                                             terse_model **model);
/** Closes a model; contexts made from it stay valid. Null is allowed. */
TERSE_API void terse_model_close(terse_model *model);

/** The manifest: JSON, UTF-8, terminated. Valid while the model is open. */
TERSE_API const char *terse_model_manifest(const terse_model *model);
/** The CPU level in use. */
TERSE_API const char *terse_model_cpu_level(const terse_model *model);
/** Receives a text. */
typedef void (*terse_text_fn)(void *user, const char *text, size_t size);
/** Describes an artifact as a JSON object (what terse-inspect --json prints):
 * manifest, layers, bits, bytes, hashes. No code of it is loaded, so that it
 * may be one for another machine. `verify`: reads all of it and compares
 * hashes. */
TERSE_API terse_status terse_describe(const char *path, int verify,
                                      terse_text_fn emit, void *user);
/** Reads the whole file and compares the hashes of manifest, code and weights
 * with those that the artifact carries. Opening it has done so already with
 * everything but the weights. */
TERSE_API terse_status terse_model_verify(const terse_model *model);

/** A terse_dtype is one of these. */
enum {
  TERSE_F32 = 0,
  TERSE_F16 = 1,
  TERSE_BF16 = 2,
  TERSE_F64 = 3,
  TERSE_I8 = 4,
  TERSE_U8 = 5,
  TERSE_I16 = 6,
  TERSE_U16 = 7,
  TERSE_I32 = 8,
  TERSE_U32 = 9,
  TERSE_I64 = 10,
  TERSE_U64 = 11,
  TERSE_BOOL = 12 /**< one byte, 0 or 1 */
};
typedef int32_t terse_dtype;

/** Bytes of an element; 0 if `dtype` is none. */
TERSE_API size_t terse_dtype_size(terse_dtype dtype);

/** What the model expects or gives. Strings live as long as the model. */
typedef struct terse_tensor_info {
  const char *name;
  const char *role; /**< "input_ids", "logits", ...; "" if none */
  terse_dtype dtype;
  size_t rank;
} terse_tensor_info;

TERSE_API size_t terse_model_input_count(const terse_model *model);
TERSE_API size_t terse_model_output_count(const terse_model *model);
TERSE_API terse_status terse_model_input(const terse_model *model, size_t index,
                                         terse_tensor_info *info);
TERSE_API terse_status terse_model_output(const terse_model *model,
                                          size_t index,
                                          terse_tensor_info *info);
/** A dimension as text: a number, or an expression over symbols such as
 * "past + sequence"; null if there is none of these indices. */
TERSE_API const char *terse_model_input_dim(const terse_model *model,
                                            size_t index, size_t dimension);
TERSE_API const char *terse_model_output_dim(const terse_model *model,
                                             size_t index, size_t dimension);

/*===-- Running any model -------------------------------------------------===*/

/** What changes while a model runs: states, scratch memory, outputs, threads.
 */
typedef struct terse_context terse_context;

typedef struct terse_context_options {
  size_t size;
  int32_t threads;  /**< 0: all processors available. At most so many: fewer
                         run while other programs use the processors */
  int64_t capacity; /**< tokens that the states have room for; memory is taken
                         as they come; 0: as the artifact says, else 2048 */
  int64_t batch;    /**< sequences that the states hold; 0: 1 */
  int32_t pin;      /**< not 0: each thread stays on a processor of its own, the
                         caller's while it runs the model. Where nothing else
                         runs */
  /* Since 0.6: */
  int64_t check_inputs; /**< not 0: refuse inputs with NaN, infinities or
                             subnormal numbers. 64 bits: 32 would lie in what
                             is padding for older programs */
} terse_context_options;
#define TERSE_CONTEXT_OPTIONS_INIT                                             \
  { sizeof(terse_context_options), 0, 0, 0, 0, 0 }

/** Makes a context. `options` may be null. */
TERSE_API terse_status terse_context_create(
    const terse_model *model, const terse_context_options *options,
    terse_context **context);
TERSE_API void terse_context_destroy(terse_context *context);

/** A tensor by name. */
typedef struct terse_tensor {
  const char *name;
  terse_dtype dtype;
  size_t rank;
  const int64_t *shape; /**< rank sizes */
  const void *data;     /**< aligned to its elements */
} terse_tensor;

/** Runs the model once. All inputs without a default must be given, in any
 * order, with the types and shapes of the manifest; equal symbols must have equal sizes. The data is
 * read in place during the call. States advance by the length of `input_ids`.
 */
TERSE_API terse_status terse_context_run(terse_context *context,
                                         const terse_tensor *inputs,
                                         size_t input_count);
/** Output `index` of the last run; valid until the next one. */
TERSE_API terse_status terse_context_output(const terse_context *context,
                                            size_t index, terse_tensor *output);

/** Finds the shapes that outputs have for inputs of these shapes, which are
 * checked as terse_context_run does; nothing is run. `sizes` receives all sizes
 * of output 0, then those of output 1, ...: the sum of their ranks. */
TERSE_API terse_status terse_context_output_sizes(terse_context *context,
                                                  const terse_tensor *inputs,
                                                  size_t input_count,
                                                  int64_t *sizes);

/** Memory of the caller's, aligned to the elements. */
typedef struct terse_buffer {
  void *data; /**< null: the context keeps the output */
  size_t bytes;
} terse_buffer;

/** As terse_context_run, with output i written to buffers[i]. */
TERSE_API terse_status terse_context_run_into(terse_context *context,
                                              const terse_tensor *inputs,
                                              size_t input_count,
                                              const terse_buffer *buffers,
                                              size_t buffer_count);

/*===-- Language models ---------------------------------------------------===*/

/** Runs tokens through the model and leaves their effect in the context: in the
 * artifact's states, by feeding its cache outputs back, or by running the whole
 * text again, whichever the model allows. `logits` receives `vocabulary`
 * floats: those after the last token. Do not mix with terse_context_run. */
TERSE_API terse_status terse_eval(terse_context *context, const int32_t *tokens,
                                  size_t count, float *logits);
/** Number of logits; 0 if this is no language model. */
TERSE_API size_t terse_vocabulary(terse_context *context);
/** Tokens that the context holds. */
TERSE_API int64_t terse_past(const terse_context *context);
/** Forgets all tokens. */
TERSE_API void terse_reset(terse_context *context);

/** Returns 0 to go on. */
typedef int (*terse_go_on_fn)(void *user);
/** `go_on` is asked between the parts that a long text is run in; another
 * result than 0 ends the call with TERSE_CANCELLED; reset then. Null: none. */
TERSE_API terse_status terse_context_on_part(terse_context *context,
                                             terse_go_on_fn go_on, void *user);

/** Chooses tokens from logits. */
typedef struct terse_sampler terse_sampler;

typedef struct terse_sampler_options {
  size_t size;
  float temperature; /**< 0: always the likeliest token, the lowest of equals */
  int32_t top_k;     /**< 0: all */
  float top_p;       /**< 1: all */
  uint64_t seed;
} terse_sampler_options;
#define TERSE_SAMPLER_OPTIONS_INIT                                             \
  { sizeof(terse_sampler_options), 0.0f, 0, 1.0f, 0 }

/** Makes a sampler. `options` may be null. */
TERSE_API terse_status terse_sampler_create(
    const terse_sampler_options *options, terse_sampler **sampler);
TERSE_API void terse_sampler_destroy(terse_sampler *sampler);
/** Draws the next token. */
TERSE_API terse_status terse_sampler_next(terse_sampler *sampler,
                                          const float *logits, size_t count,
                                          int32_t *token);

typedef struct terse_generate_options {
  size_t size;
  int64_t max_tokens;
  float temperature; /**< 0: always the likeliest token, the lowest of equals */
  int32_t top_k;     /**< 0: all */
  float top_p;       /**< 1: all */
  uint64_t seed;
  int32_t stop_token; /**< ends the text, is not given out; -1: none */
  /* Since 0.4: */
  int64_t prompt_lookup; /**< tokens that are drafted at most, as they followed
                              the last ones before in prompt or text, and checked
                              in one step; the tokens given are the same; 0: none,
                              at most 256 */
} terse_generate_options;
#define TERSE_GENERATE_OPTIONS_INIT                                            \
  { sizeof(terse_generate_options), 256, 0.0f, 0, 1.0f, 0, -1, 0 }

/** Receives each token as it is chosen; returns 0 to go on. */
typedef int (*terse_token_fn)(void *user, int32_t token);

/** Continues a prompt of at least one token, after what the context holds. */
TERSE_API terse_status terse_generate(terse_context *context,
                                      const int32_t *prompt, size_t count,
                                      const terse_generate_options *options,
                                      terse_token_fn on_token, void *user);

/** The same one token at a time. Since 0.4. */
typedef struct terse_generator terse_generator;

/** Begins to continue a prompt of at least one token, after what `context`
 * holds when the first token is asked for. The context must live until the
 * last one has been. `options` may be null. */
TERSE_API terse_status terse_generator_create(
    terse_context *context, const int32_t *prompt, size_t count,
    const terse_generate_options *options, terse_generator **generator);
TERSE_API void terse_generator_destroy(terse_generator *generator);
/** The next token; -1 when the text has ended. The context then holds what came
 * before that token. */
TERSE_API terse_status terse_generator_next(terse_generator *generator,
                                            int32_t *token);

/** What a text took so far. */
typedef struct terse_generator_counts {
  size_t size;
  int64_t steps;    /**< after that of the prompt */
  int64_t drafted;  /**< tokens; see prompt_lookup */
  int64_t accepted; /**< of these */
} terse_generator_counts;
#define TERSE_GENERATOR_COUNTS_INIT                                            \
  { sizeof(terse_generator_counts), 0, 0, 0 }
TERSE_API terse_status terse_generator_count(const terse_generator *generator,
                                             terse_generator_counts *counts);

/** Bands of tokens by how often they occur in a text. Let n(t) be how often
 * token t occurs in it, and c(s) the least count such that the tokens that occur
 * c(s) times or less make up a share s of the text or more. */
enum {
  TERSE_BAND_RAREST_1 = 0,  /**< n(t) <= c(1 %), also what the text lacks */
  TERSE_BAND_RAREST_10 = 1, /**< c(1 %) < n(t) <= c(10 %) */
  TERSE_BAND_REST = 2,      /**< c(10 %) < n(t) */
  TERSE_BAND_COUNT = 3
};

/** Quality by the frequency of the token that is predicted. NaN where no token
 * was, or no other model. */
typedef struct terse_frequency_band {
  double mass;        /**< share that its tokens have of the text counted in */
  int64_t most_count; /**< how often the most frequent of its tokens occurs */
  int64_t tokens;     /**< predicted */
  double nll;
  double perplexity_ratio;
  double kl;
  double top1_agreement;
} terse_frequency_band;

typedef struct terse_perplexity {
  size_t size;
  double perplexity;
  double nll;            /**< nats a token */
  double kl;             /**< from the other model, nats a token */
  double top1_agreement; /**< share of tokens with the same likeliest one */
  int64_t tokens;        /**< predicted */
  int64_t windows;
  /* Since 0.3; NaN without another model: */
  double perplexity_ratio; /**< over that of the other model */
  double seconds;          /**< that the model ran for */
  double against_seconds;  /**< that the other one ran for */
  terse_frequency_band bands[3]; /**< by TERSE_BAND_... */
} terse_perplexity;
#define TERSE_PERPLEXITY_INIT                                                  \
  {                                                                            \
    sizeof(terse_perplexity), 0, 0, 0, 0, 0, 0, 0, 0, 0, {                     \
      {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0}      \
    }                                                                          \
  }

/** Receives what is known after a window, and how many there are; returns 0 to
 * go on. */
typedef int (*terse_window_fn)(void *user, const terse_perplexity *so_far,
                               int64_t windows);

/** Cuts a text into windows of `window` tokens, at most `max_windows` (0: all),
 * each run alone to predict every next token. `against`, if not null, is an
 * artifact with the same vocabulary to compare with. `on_window` may be null.
 */
TERSE_API terse_status terse_measure_perplexity(
    const terse_model *model, const terse_model *against, int32_t threads,
    const int32_t *tokens, size_t count, int64_t window, int64_t max_windows,
    terse_window_fn on_window, void *user, terse_perplexity *result);

typedef struct terse_quality_options {
  size_t size;
  int32_t threads;     /**< 0: all processors available */
  int64_t window;      /**< tokens in a window */
  int64_t max_windows; /**< 0: all */
  const int32_t *band_tokens; /**< a text to count tokens in for the bands, such
                                   as the calibration's; null: all of `tokens` */
  size_t band_token_count;
} terse_quality_options;
#define TERSE_QUALITY_OPTIONS_INIT                                             \
  { sizeof(terse_quality_options), 0, 256, 0, NULL, 0 }

/** As terse_measure_perplexity. `options` may be null. Since 0.3. */
TERSE_API terse_status terse_measure_quality(
    const terse_model *model, const terse_model *against,
    const terse_quality_options *options, const int32_t *tokens, size_t count,
    terse_window_fn on_window, void *user, terse_perplexity *result);

/*===-- Tokenizers --------------------------------------------------------===*/

typedef struct terse_tokenizer terse_tokenizer;

/** The tokenizer that is embedded in an artifact. SentencePiece models need
 * libterse_sentencepiece.so. */
TERSE_API terse_status terse_tokenizer_of_model(const terse_model *model,
                                                terse_tokenizer **tokenizer);
/** A SentencePiece model, a .bin file of llama2.c, or the word "bytes"
 * ("bytes+3": the tokens of bytes come after three others). */
TERSE_API terse_status terse_tokenizer_open(const char *path,
                                            terse_tokenizer **tokenizer);
TERSE_API void terse_tokenizer_close(terse_tokenizer *tokenizer);

/** Tokens that begin and end a text; -1 if there are none. */
TERSE_API int32_t terse_tokenizer_bos(const terse_tokenizer *tokenizer);
TERSE_API int32_t terse_tokenizer_eos(const terse_tokenizer *tokenizer);

/** 1 if a text is over when a model gives this token. */
TERSE_API int terse_tokenizer_ends(const terse_tokenizer *tokenizer,
                                   int32_t token);
/** 1 if models with this tokenizer expect its first token before a prompt. */
TERSE_API int
terse_tokenizer_prompts_begin_with_bos(const terse_tokenizer *tokenizer);
/** Tokens in the vocabulary. */
TERSE_API int64_t terse_tokenizer_size(const terse_tokenizer *tokenizer);

/** Writes up to `capacity` tokens of a text and the number that it has to
 * `count`; call it with capacity 0 to learn how many. */
TERSE_API terse_status terse_tokenizer_encode(const terse_tokenizer *tokenizer,
                                              const char *text, size_t size,
                                              int32_t *tokens, size_t capacity,
                                              size_t *count);
/** Writes up to `capacity` bytes that a token adds to a text and their number
 * to `size`. They may be a part of a character. `first`: no text precedes. */
TERSE_API terse_status terse_tokenizer_piece(const terse_tokenizer *tokenizer,
                                             int32_t token, int first,
                                             char *text, size_t capacity,
                                             size_t *size);

#ifdef __cplusplus
}
#endif

#endif /* TERSE_C_TERSE_H */
