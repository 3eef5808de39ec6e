/* Preloaded: the n-th call that changes what lies in a folder fails.
 *
 * FAIL_IN names the folder, FAIL_AT counts from 1, FAIL_AS is an errno. Calls
 * that concern other places are left alone. The number of calls seen is written
 * to FAIL_COUNT when the process ends. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int calls;

static int inside(const char *path) {
  const char *folder = getenv("FAIL_IN");
  char real[4096];
  if (!folder || !path)
    return 0;
  ssize_t size = readlink(path, real, sizeof(real) - 1);
  if (size > 0 && !strncmp(path, "/proc/self/fd/", 14)) {
    real[size] = 0;
    path = real;
  }
  return strncmp(path, folder, strlen(folder)) == 0;
}

static int openInside(int fd) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  return fd > 2 && inside(path);
}

/* True if this call must fail. */
static int fails(int concerned) {
  const char *at = getenv("FAIL_AT");
  if (!concerned || __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) !=
                        (at ? atoi(at) : 0))
    return 0;
  errno = atoi(getenv("FAIL_AS"));
  return 1;
}

__attribute__((destructor)) static void report(void) {
  const char *path = getenv("FAIL_COUNT");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file)
    return;
  fprintf(file, "%d\n", calls);
  fclose(file);
}

#define REAL(name)                                                             \
  static __typeof__(&name) real;                                               \
  if (!real)                                                                   \
  real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int writes(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
}
static mode_t modeOf(int flags, va_list args) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
  REAL(open);
  va_list args;
  va_start(args, flags);
  mode_t mode = modeOf(flags, args);
  va_end(args);
  return fails(writes(flags) && inside(path)) ? -1 : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  REAL(open64);
  va_list args;
  va_start(args, flags);
  mode_t mode = modeOf(flags, args);
  va_end(args);
  return fails(writes(flags) && inside(path)) ? -1 : real(path, flags, mode);
}
ssize_t write(int fd, const void *bytes, size_t size) {
  REAL(write);
  return fails(openInside(fd)) ? -1 : real(fd, bytes, size);
}
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
  REAL(pwrite);
  return fails(openInside(fd)) ? -1 : real(fd, bytes, size, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
  REAL(pwrite64);
  return fails(openInside(fd)) ? -1 : real(fd, bytes, size, offset);
}
int ftruncate(int fd, off_t size) {
  REAL(ftruncate);
  return fails(openInside(fd)) ? -1 : real(fd, size);
}
int ftruncate64(int fd, off64_t size) {
  REAL(ftruncate64);
  return fails(openInside(fd)) ? -1 : real(fd, size);
}
int posix_fallocate(int fd, off_t offset, off_t size) {
  REAL(posix_fallocate);
  return fails(openInside(fd)) ? errno : real(fd, offset, size);
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) {
  REAL(posix_fallocate64);
  return fails(openInside(fd)) ? errno : real(fd, offset, size);
}
int fsync(int fd) {
  REAL(fsync);
  struct stat info;
  /* Of a folder it may fail: not every file system can. */
  int folder = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
  return fails(!folder && openInside(fd)) ? -1 : real(fd);
}
int close(int fd) {
  REAL(close);
  int concerned = openInside(fd) &&
                  (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
  int failed = fails(concerned), code = errno, result = real(fd);
  if (!failed)
    return result;
  errno = code;
  return -1;
}
int rename(const char *from, const char *to) {
  REAL(rename);
  return fails(inside(to)) ? -1 : real(from, to);
}
int linkat(int fromFolder, const char *from, int toFolder, const char *to,
           int flags) {
  REAL(linkat);
  return fails(inside(to)) ? -1 : real(fromFolder, from, toFolder, to, flags);
}
int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  return fails(inside(path)) ? -1 : real(path, mode);
}
