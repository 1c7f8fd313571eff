/* Lets the n-th call that changes a file under a folder fail, as a full or a broken
 * disk does. Loaded by LD_PRELOAD before libc; benchmarks/faults.py builds it, and
 * arms it in the process that is to suffer:
 *
 *   fault_arm(folder, n, errno, mode)   n from 1 on; 0 counts and lets all pass
 *   fault_count()                       calls so far
 *
 * mode 0: this call alone fails. mode 1: this and every later call fails. mode 2: a
 * write puts half of its bytes on the disk, and every later call fails.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static size_t root_length;
static long calls, fail_at;
static int fail_with, mode;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void fault_arm(const char *folder, long at, int with, int how) {
  snprintf(root, sizeof root, "%s", folder);
  root_length = strlen(root);
  calls = 0, fail_at = at, fail_with = with, mode = how;
}

long fault_count(void) { return calls; }

static int is_ours(const char *path) {
  char whole[PATH_MAX];
  if (!root_length || !path) return 0;
  if (path[0] != '/') {
    if (!getcwd(whole, sizeof whole)) return 0;
    return strncmp(whole, root, root_length) == 0;
  }
  return strncmp(path, root, root_length) == 0;
}

static int is_our_file(int file) {
  char link[64], path[PATH_MAX];
  if (!root_length) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_ours(path);
}

/* 0: go on. 1: fail. 2: write half. */
static int verdict(int ours, int can_halve) {
  if (!ours) return 0;
  long call = ++calls;
  if (!fail_at || call < fail_at) return 0;
  if (call == fail_at && mode == 2 && can_halve) return 2;
  if (call > fail_at && mode == 0) return 0;
  errno = fail_with;
  return 1;
}

ssize_t write(int file, const void *bytes, size_t size) {
  int found = verdict(is_our_file(file), size > 1);
  if (found == 1) return -1;
  return REAL(write)(file, bytes, found == 2 ? size / 2 : size);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
  int found = verdict(is_our_file(file), size > 1);
  if (found == 1) return -1;
  return REAL(pwrite)(file, bytes, found == 2 ? size / 2 : size, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
  int found = verdict(is_our_file(file), size > 1);
  if (found == 1) return -1;
  return REAL(pwrite64)(file, bytes, found == 2 ? size / 2 : size, at);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
  if (verdict(is_our_file(file), 0)) return -1;
  return REAL(writev)(file, parts, count);
}

int fsync(int file) {
  return verdict(is_our_file(file), 0) ? -1 : REAL(fsync)(file);
}

int fdatasync(int file) {
  return verdict(is_our_file(file), 0) ? -1 : REAL(fdatasync)(file);
}

int ftruncate(int file, off_t length) {
  return verdict(is_our_file(file), 0) ? -1 : REAL(ftruncate)(file, length);
}

int ftruncate64(int file, off64_t length) {
  return verdict(is_our_file(file), 0) ? -1 : REAL(ftruncate64)(file, length);
}

int rename(const char *from, const char *to) {
  return verdict(is_ours(to), 0) ? -1 : REAL(rename)(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
  return verdict(is_ours(to), 0) ? -1 : REAL(renameat)(a, from, b, to);
}

int mkdir(const char *path, mode_t rights) {
  return verdict(is_ours(path), 0) ? -1 : REAL(mkdir)(path, rights);
}

#define OPENS(name)                                                     \
  int name(const char *path, int flags, ...) {                          \
    mode_t rights = 0;                                                  \
    if (flags & O_CREAT) {                                              \
      va_list rest;                                                     \
      va_start(rest, flags);                                            \
      rights = va_arg(rest, mode_t);                                    \
      va_end(rest);                                                     \
      if (verdict(is_ours(path), 0)) return -1;                         \
    }                                                                   \
    return REAL(name)(path, flags, rights);                             \
  }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                  \
  int name(int folder, const char *path, int flags, ...) {              \
    mode_t rights = 0;                                                  \
    if (flags & O_CREAT) {                                              \
      va_list rest;                                                     \
      va_start(rest, flags);                                            \
      rights = va_arg(rest, mode_t);                                    \
      va_end(rest);                                                     \
      if (verdict(is_ours(path), 0)) return -1;                         \
    }                                                                   \
    return REAL(name)(folder, path, flags, rights);                     \
  }
OPENS_AT(openat)
OPENS_AT(openat64)
