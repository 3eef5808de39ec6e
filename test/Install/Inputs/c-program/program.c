#include <stdio.h>
#include <terse-c/terse.h>

int main(void) {
  terse_model *model;
  if (terse_model_open("/nowhere/model.so", NULL, &model) == TERSE_OK)
    return 1;
  printf("%s: %s\n", terse_version(), terse_last_error());
  return 0;
}
