/* generate MODEL.so PROMPT [THREADS]: continues a text, in several threads at
 * once if wanted, each with a context of its own. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <terse-c/terse.h>

enum { MAX_TOKENS = 40, MAX_TEXT = 4096, MAX_THREADS = 64 };

/* What a thread works on: the model and the tokenizer are shared. */
typedef struct Job {
  const terse_model *model;
  const terse_tokenizer *tokenizer;
  const char *prompt;
  char text[MAX_TEXT];
  size_t size;
  char error[256];
} Job;

/* Appends the text of a token. Never called by two threads for one job. */
static int on_token(void *user, int32_t token) {
  Job *job = user;
  size_t size = 0, room = MAX_TEXT - 1 - job->size;
  if (terse_tokenizer_piece(job->tokenizer, token, 0, job->text + job->size,
                            room, &size) != TERSE_OK)
    return 1;
  job->size += size < room ? size : room;
  return 0;
}

static terse_status work(Job *job, terse_context **context) {
  terse_context_options options = TERSE_CONTEXT_OPTIONS_INIT;
  terse_generate_options how = TERSE_GENERATE_OPTIONS_INIT;
  int32_t prompt[256];
  size_t count = 0;
  terse_status status;

  options.threads = 1; /* of its own; 0 would be all processors */
  how.max_tokens = MAX_TOKENS;
  how.stop_token = terse_tokenizer_eos(job->tokenizer);
  status = terse_tokenizer_encode(job->tokenizer, job->prompt,
                                  strlen(job->prompt), prompt, 256, &count);
  if (status == TERSE_OK)
    status = terse_context_create(job->model, &options, context);
  if (status == TERSE_OK)
    status = terse_generate(*context, prompt, count < 256 ? count : 256, &how,
                            on_token, job);
  return status;
}

static void *run(void *user) {
  Job *job = user;
  terse_context *context = NULL;
  if (work(job, &context) != TERSE_OK) /* the reason is this thread's */
    snprintf(job->error, sizeof job->error, "%s", terse_last_error());
  terse_context_destroy(context);
  return NULL;
}

int main(int argc, char **argv) {
  int threads = argc > 3 ? atoi(argv[3]) : 1, failed = 0, started = 0;
  terse_model *model = NULL;
  terse_tokenizer *tokenizer = NULL;
  pthread_t ids[MAX_THREADS];
  Job *jobs;

  if (argc < 3 || threads < 1 || threads > MAX_THREADS) {
    fprintf(stderr, "usage: generate MODEL.so PROMPT [THREADS]\n");
    return 2;
  }
  if (terse_check_version(TERSE_API_VERSION) != TERSE_OK ||
      terse_model_open(argv[1], NULL, &model) != TERSE_OK ||
      terse_tokenizer_of_model(model, &tokenizer) != TERSE_OK) {
    fprintf(stderr, "generate: error: %s\n", terse_last_error());
    terse_model_close(model);
    return 1;
  }
  jobs = calloc((size_t)threads, sizeof *jobs);
  for (; jobs && started < threads; ++started) {
    jobs[started].model = model;
    jobs[started].tokenizer = tokenizer;
    jobs[started].prompt = argv[2];
    if (pthread_create(&ids[started], NULL, run, &jobs[started]) != 0)
      break;
  }
  for (int i = 0; i < started; ++i) {
    pthread_join(ids[i], NULL);
    if (jobs[i].error[0])
      fprintf(stderr, "generate: error: %s\n", jobs[i].error);
    else
      printf("%s%s\n", argv[2], jobs[i].text);
    failed |= jobs[i].error[0] != 0;
  }
  free(jobs);
  terse_tokenizer_close(tokenizer);
  terse_model_close(model);
  return failed || started < threads;
}
