/* A program with functions of its own that are named like the C library's, as a Drift module
 * `main` may have them: the runtime must reach the kernel without those names.
 *
 * Drift's signatures; each aborts when it is called. Nothing of the C library that would be hit
 * itself is used here, so the program has its own checks and says what failed by its exit code.
 */
#include <stdint.h>

#include <drift.h>

#ifdef __cplusplus
extern "C" {
#endif
#define SHADOW(name)                       \
    int64_t name(int64_t a, int64_t b);    \
    int64_t name(int64_t a, int64_t b) {   \
        (void)a;                           \
        (void)b;                           \
        __builtin_trap();                  \
        return 0;                          \
    }

SHADOW(read)
SHADOW(write)
SHADOW(open)
SHADOW(close)
SHADOW(poll)
SHADOW(select)
SHADOW(send)
SHADOW(recv)
SHADOW(accept)
SHADOW(connect)
SHADOW(listen)
SHADOW(time)
SHADOW(sleep)
SHADOW(usleep)
SHADOW(nanosleep)
SHADOW(clock_gettime)
SHADOW(sched_yield)
SHADOW(epoll_wait)
SHADOW(epoll_ctl)
SHADOW(eventfd)
SHADOW(timerfd_create)
SHADOW(syscall)
SHADOW(getpid)
SHADOW(signal)
SHADOW(pipe)
#ifdef __cplusplus
}
#endif

enum { SLEEPERS = 20 };

static int64_t eventfd_of_test;
static int64_t ran;
static int64_t handles[SLEEPERS + 1];

static void count(void) {
    __atomic_fetch_add(&ran, 1, __ATOMIC_ACQ_REL);
}

static void call_sleeper(void *object) {
    (void)object;
    int64_t start = drift_time_now_ms();
    drift_reactor_register_timer(start + 5, drift_thread_current());
    drift_thread_park_until(5);
    if (drift_time_now_ms() - start >= 5) {
        count();
    }
}

static void call_reader(void *object) {
    (void)object;
    drift_reactor_register_io(eventfd_of_test, DRIFT_INTEREST_READ, drift_thread_current(), 0);
    drift_thread_park(0);
    count();
}

static const drift_vtable sleeper = {0, call_sleeper};
static const drift_vtable reader = {0, call_reader};

static int64_t start(const drift_vtable *vtable, int64_t exec) {
    DriftIface callback = {0, vtable, {0, 0, 0, 0}, 0};
    int64_t vt = drift_thread_spawn(&callback, 0);
    return drift_exec_submit(exec, vt) == 0 ? vt : 0;
}

int main(void) {
    int64_t exec = drift_exec_create(2, 2, 0, 0, DRIFT_SATURATION_BUSY);
    eventfd_of_test = drift_test_eventfd_create();
    if (exec == 0 || eventfd_of_test == 0) {
        return 2;
    }
    handles[SLEEPERS] = start(&reader, exec);
    for (int i = 0; i < SLEEPERS; i++) {
        handles[i] = start(&sleeper, i % 2 == 0 ? exec : drift_exec_default_get());
    }
    drift_thread_park_until(10);
    drift_thread_park(0);
    if (drift_thread_is_completed(handles[SLEEPERS]) != 0) {
        return 3;
    }
    drift_test_eventfd_write(eventfd_of_test, 1);
    for (int i = 0; i <= SLEEPERS; i++) {
        if (handles[i] == 0) {
            return 4;
        }
        drift_thread_join(handles[i]);
    }
    return __atomic_load_n(&ran, __ATOMIC_ACQUIRE) == SLEEPERS + 1 ? 0 : 5;
}
