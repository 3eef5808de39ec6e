/* A tiny language model written by hand as an artifact: one attention head over
 * the 256 bytes, position i weighted by (1 + i / 100). toy.py computes the same
 * in float64.
 *
 *   x_i = E[id_i] (1 + pos_i / 100)
 *   logits_i = U (x_i + sum_j softmax_j(x_i . K[id_j] / sqrt(D)) V[id_j])
 *
 * BIDIRECTIONAL: j goes over all tokens of the run (MEMORY 2), else to i.
 * KEEP: logits of the last symbols[5] tokens of the run, else of all.
 * MEMORY: 0 state, 1 past/present inputs and outputs, 2 none.
 * LOGITS: float, _Float16 or Brain. */
#include "terse/Runtime/ArtifactABI.h"

#include <math.h>

enum { D = 8, VOCABULARY = 256 };
enum { E = 0, K = VOCABULARY * D, V = 2 * K, U = 3 * K };

__asm__(".section .terse.manifest,\"a\",@progbits\n"
        ".globl terse_manifest\n.type terse_manifest,@object\n"
        "terse_manifest:\n.incbin \"manifest.json\"\n"
        ".size terse_manifest, . - terse_manifest\n"
        ".section .terse.weights,\"\",@progbits\n.balign 4096\n"
        ".incbin \"weights.bin\"\n"
#ifdef SEAL
        ".section .terse.seal,\"\",@progbits\n.zero 64\n"
#endif
#ifdef TOKENIZER
        ".section .terse.tokenizer,\"\",@progbits\n.incbin \"tokenizer.bin\"\n"
#endif
        ".text\n");
uint32_t terse_abi_version = ABI_VERSION;
uint64_t terse_manifest_size = MANIFEST_SIZE;

/* bfloat16, rounded to nearest even by hand: libgcc 12 has no conversion. */
typedef struct {
  uint16_t bits;
} Brain;
static inline Brain toBrain(float value) {
  union {
    float value;
    uint32_t bits;
  } both = {value};
  both.bits += 0x7fff + (both.bits >> 16 & 1);
  return (Brain){(uint16_t)(both.bits >> 16)};
}
#define STORE(to, value)                                                       \
  ((to) = _Generic((to), Brain : toBrain(value), default : (value)))

#ifdef BIDIRECTIONAL
#define LAST_READ sequence - 1
#else
#define LAST_READ past + i
#endif

#ifdef KEEP
#define FIRST_KEPT sequence - c->symbols[5]
#else
#define FIRST_KEPT 0
#endif

static void part(int64_t n, int thread, int threads, int64_t *begin,
                 int64_t *end) {
  *begin = n * thread / threads;
  *end = n * (thread + 1) / threads;
}

static void model(const TerseCall *c, int thread, int threads, int32_t level) {
  const float *w = c->weights;
  const int64_t *ids = c->inputs[0];
  int64_t sequence = c->symbols[1], past = c->symbols[2], i, end;
  LOGITS *logits = c->outputs[0];
  float *hidden = c->arena;
  if (thread == 0)
    *(int32_t *)c->outputs[1] = level;

#if MEMORY == 1
  const int64_t *mask = c->inputs[1], *position = c->inputs[2];
  const float *oldKeys = c->inputs[3], *oldValues = c->inputs[4];
  float *keys = c->outputs[2], *values = c->outputs[3];
  part(past * D, thread, threads, &i, &end);
  for (; i < end; ++i) {
    keys[i] = oldKeys[i];
    values[i] = oldValues[i];
  }
#elif MEMORY == 0
  if (thread == 0 && c->symbols[3] % TERSE_CAPACITY_MULTIPLE != 0)
    *(int32_t *)c->outputs[1] = -1;
  float *keys = c->states[0], *values = c->states[1];
#else
  float *keys = hidden + sequence * D, *values = keys + sequence * D;
  past = 0;
#endif

  part(sequence, thread, threads, &i, &end);
  for (; i < end; ++i)
    for (int d = 0; d < D; ++d) {
      keys[(past + i) * D + d] = w[K + ids[i] * D + d];
      values[(past + i) * D + d] = w[V + ids[i] * D + d];
    }
  c->barrier(c->barrier_state, 0, 0);

  part(sequence, thread, threads, &i, &end);
  for (; i < end; ++i) {
    float x[D], sum = 0, best = -INFINITY, mixed[D] = {0};
#if MEMORY == 1
    int64_t at = position[i];
#else
    int64_t at = past + i;
#endif
    for (int d = 0; d < D; ++d)
      x[d] = w[E + ids[i] * D + d] * (1.0f + 0.01f * (float)at);
    for (int pass = 0; pass < 2; ++pass)
      for (int64_t j = 0; j <= LAST_READ; ++j) {
        float score = 0;
#if MEMORY == 1
        if (!mask[j])
          continue;
#endif
        for (int d = 0; d < D; ++d)
          score += x[d] * keys[j * D + d];
        score /= sqrtf(D);
        if (pass == 0) {
          best = fmaxf(best, score);
          continue;
        }
        float weight = expf(score - best);
        sum += weight;
        for (int d = 0; d < D; ++d)
          mixed[d] += weight * values[j * D + d];
      }
    for (int d = 0; d < D; ++d)
      hidden[i * D + d] = x[d] + mixed[d] / sum;
  }
  c->barrier(c->barrier_state, 0, 0);

  int64_t begin, v;
  part(VOCABULARY, thread, threads, &begin, &end);
  for (i = FIRST_KEPT; i < sequence; ++i)
    for (v = begin; v < end; ++v) {
      float sum = 0;
      for (int d = 0; d < D; ++d)
        sum += w[U + v * D + d] * hidden[i * D + d];
      STORE(logits[(i - (FIRST_KEPT)) * VOCABULARY + v], sum);
    }
}

#define LEVEL(name, number)                                                    \
  void terse_forward_##name(const TerseCall *c, int32_t t, int32_t n) {        \
    model(c, t, n, number);                                                    \
  }                                                                            \
  int64_t terse_forward_##name##_arena(const TerseCall *c) {                   \
    return c->symbols[1] * D * 4 * (MEMORY == 2 ? 3 : 1);                      \
  }                                                                            \
  void terse_decode_##name(const TerseCall *c, int32_t t, int32_t n) {         \
    model(c, t, n, 100 + number);                                              \
  }                                                                            \
  int64_t terse_decode_##name##_arena(const TerseCall *c) {                    \
    return terse_forward_##name##_arena(c);                                    \
  }
LEVEL(baseline, 0)
LEVEL(avx2, 1)
LEVEL(avx512vnni, 2)
LEVEL(avx512bf16, 3)
