/* A wall clock that is set from outside: the true one plus the nanoseconds that stand in a file.
 *
 * Preloaded into a node (LD_PRELOAD) with CHAOS_CLOCK_FILE naming the file, 8 bytes that clock.py writes. Only
 * the wall clock is another one; the monotonic clock, and so every timeout, stays the true one. libfaketime 0.9.10
 * can't do that: its clock_nanosleep answers EINVAL, and a node under it spins.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic long long none, *offset_ns = &none;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_CLOCK_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) offset_ns = page;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (failed || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return failed;
    long long ns = now->tv_nsec + atomic_load(offset_ns) % 1000000000;
    now->tv_sec += atomic_load(offset_ns) / 1000000000 + (ns < 0 ? -1 : ns >= 1000000000);
    now->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec fine;
    if (clock_gettime(CLOCK_REALTIME, &fine)) return -1;
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *also) {
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    if (also) *also = fine.tv_sec;
    return fine.tv_sec;
}
