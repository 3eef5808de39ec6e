/* Continues the tokens 1, 2, 3 through the C interface. */
#include "terse-c/terse.h"

#include <stdio.h>

static int print(void *user, int32_t token) {
  (void)user;
  printf("%d ", (int)token);
  return 0;
}

int main(int argc, char **argv) {
  terse_model *model;
  terse_context *context;
  terse_tensor_info info;
  terse_generate_options options = TERSE_GENERATE_OPTIONS_INIT;
  const int32_t prompt[] = {1, 2, 3};
  options.max_tokens = 5;
  if (argc != 2 || terse_model_open(argv[1], NULL, &model) != TERSE_OK ||
      terse_model_input(model, 0, &info) != TERSE_OK ||
      terse_context_create(model, NULL, &context) != TERSE_OK) {
    puts(terse_last_error());
    return 1;
  }
  printf("%s [%s, %s]\n", info.name, terse_model_input_dim(model, 0, 0),
         terse_model_input_dim(model, 0, 1));
  if (terse_generate(context, prompt, 3, &options, print, NULL) != TERSE_OK)
    puts(terse_last_error());
  terse_context_destroy(context);
  terse_model_close(model);
  return 0;
}
