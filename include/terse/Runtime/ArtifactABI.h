/* clang-format off */
/*===- ArtifactABI.h - what lies in an artifact ------------------*- C -*-===*
 *
 * The contract between the compiler, which writes artifacts, and the runtime,
 * which runs them. Plain C without dependencies: generated code implements it
 * and the runtime calls it. Users of artifacts want terse-c/terse.h instead.
 *
 * An artifact is an ELF shared object (or an executable with the same parts):
 *
 *   terse_abi_version    uint32_t, TERSE_ARTIFACT_ABI_VERSION
 *   terse_manifest       JSON text, UTF-8, not terminated
 *   terse_manifest_size  uint64_t, bytes of terse_manifest
 *   entry functions      named by the manifest, one per CPU level
 *   .terse.manifest      section that holds terse_manifest and nothing else
 *   .terse.weights       section that no segment maps (not SHF_ALLOC), its file
 *                        offset a multiple of TERSE_WEIGHTS_ALIGNMENT
 *   .terse.tokenizer     optional section, likewise not mapped
 *   .terse.seal          section, likewise not mapped, of TERSE_SEAL_SIZE bytes:
 *                        SHA-256 of the manifest, then SHA-256 of the whole file
 *                        but the contents of .terse.weights and .terse.seal.
 *                        Every load checks it: no altered byte reaches the
 *                        system's loader. Absent in a program that a linker made
 *                        of an object with a model in it
 *
 * The manifest. Shapes are lists of integers or of expressions over "symbols":
 * sums of products ("past + sequence", "2*s + 1"); floordiv, ceildiv and mod
 * are understood too.
 *
 *   format    1
 *   terse     version of the compiler
 *   source    {"name", "sha256"} of the model file
 *   recipe    string
 *   levels    CPU levels present, worst first: "baseline" "avx2" "avx512vnni"
 *             "avx512bf16". Runtimes pass over those that they do not know
 *   symbols   names; TerseCall::symbols has their values in this order
 *   past      symbol: positions already in the states (absent without states)
 *   capacity  symbol: positions that the states have room for, a multiple of
 *             TERSE_CAPACITY_MULTIPLE (code may keep keys in tiles)
 *   context   positions to make room for unless told otherwise (optional)
 *   inputs, outputs, states
 *             [{"name", "dtype", "shape", "role", "default",
 *             "counted"}]
 *             dtype: f32 f16 bf16 f64 i8 u8 i16 u16 i32 u32 i64 u64, or bool
 *             (one byte, 0 or 1)
 *             default (optional, inputs): the value where none is given, its
 *             bytes in hexadecimal (lower case)
 *             counted (optional, outputs): the dimension of which only the first
 *             elements are there; "shape" has the most. TerseCall::outputs has,
 *             after all outputs, an int64_t for each of these: their number
 *             role (optional, else by the usual names): input_ids
 *             attention_mask position_ids past logits present; the i-th
 *             "present" is fed back to the i-th "past"
 *   constraints
 *             (optional) what must hold of the symbols for the model to be run:
 *             "past + sequence <= 64", "2*floordiv(n, 2) == n"
 *   logits_to_keep
 *             (optional) the symbol that is the number of tokens: the symbol
 *             "logits_to_keep", at most as large, is how many of them, the last
 *             ones, "logits" has
 *   coupled_tokens
 *             (optional) true: results for a token depend on the tokens behind
 *             it in the same run, as where ranges of whole tensors are rounded by
 *   entries   [{"name", "functions": {level: symbol}, "when": {symbol: value}}]
 *             when (optional): the entry is specialised to these values. The
 *             runtime takes the entry with the most conditions, all true; one
 *             entry must have none
 *   weights   {"bytes", "sha256", "tensors": [{"name", "kind", "shape", "bits",
 *             "group_size", "symmetric", "scale", "codebook", "offset",
 *             "bytes", "part_of", "rows"}]}; shape, bits: of the values that codes
 *             mean; codebook (optional): the table they are from, nf4; part_of:
 *             scales (also of rows) and zero points name their codes; rows
 *             (optional): the symbol that is how many rows of a sequence a layer
 *             is computed for, where not all
 *   code      {"sha256"} of the contents of all PROGBITS sections that segments
 *             map, in their order in the file, but .terse.manifest
 *   tokenizer {"kind": "sentencepiece" | "llama2c" | "bytes" | "bytes+N",
 *             "bytes"}; bytes+N: the token of byte b is N + b
 *===----------------------------------------------------------------------===*/
/* clang-format on */
#ifndef TERSE_RUNTIME_ARTIFACTABI_H
#define TERSE_RUNTIME_ARTIFACTABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TERSE_ARTIFACT_ABI_VERSION 3u
#define TERSE_MANIFEST_FORMAT 1

/** Alignment of the weights section in the file, in bytes. */
#define TERSE_WEIGHTS_ALIGNMENT 4096
/** Alignment of each tensor in the weights section, of the arena, of outputs
 * and of states, in bytes. Inputs are aligned to their element size only. */
#define TERSE_TENSOR_ALIGNMENT 64

/** The capacity of states is a multiple of this. */
#define TERSE_CAPACITY_MULTIPLE 64

#define TERSE_SYMBOL_ABI_VERSION "terse_abi_version"
#define TERSE_SYMBOL_MANIFEST "terse_manifest"
#define TERSE_SYMBOL_MANIFEST_SIZE "terse_manifest_size"
#define TERSE_SECTION_MANIFEST ".terse.manifest"
#define TERSE_SECTION_WEIGHTS ".terse.weights"
#define TERSE_SECTION_TOKENIZER ".terse.tokenizer"
#define TERSE_SECTION_SEAL ".terse.seal"
#define TERSE_SEAL_SIZE 64

/** One call of an entry function. Tensors are contiguous and row-major; no
 * pointer is null, those of empty tensors included. */
typedef struct TerseCall {
  const void *weights;       /**< base of the mapped weights section */
  void *arena;               /**< scratch, as large as the arena function said;
                                  contents undefined */
  const void *const *inputs; /**< in manifest order */
  void *const *outputs;      /**< in manifest order */
  void *const *states;       /**< in manifest order; kept between calls */
  const int64_t *symbols;    /**< values of the manifest's symbols */
  /** Returns when all threads have called it with `barrier_state`. Who waits
   * may read the `bytes` bytes at `ahead`, which this thread needs next. */
  void (*barrier)(void *barrier_state, const void *ahead, int64_t bytes);
  void *barrier_state;
} TerseCall;

/** An entry function: called once by each of `threads` threads with its own
 * `thread` in [0, threads). Results do not depend on `threads`. */
typedef void (*TerseEntryFn)(const TerseCall *call, int32_t thread,
                             int32_t threads);

/** Named like its entry function with "_arena" appended. Returns the bytes of
 * scratch that the call needs; reads `call->symbols` only. */
typedef int64_t (*TerseArenaFn)(const TerseCall *call);

#ifdef __cplusplus
}
#endif

#endif /* TERSE_RUNTIME_ARTIFACTABI_H */
