/* vt.h: spawn, sleep and wait, as a C program writes them once over the Drift ABI.
 *
 * drift.h is made for a compiler: a callback is a table and an environment, and parking is left
 * to the caller. These few lines turn it into what a person calls. Two rules are kept here:
 *
 *  - A park may end for another reason than the one waited for: an unpark that came earlier is
 *    kept for the next park. So whoever parks looks at what it waits for again, in a loop.
 *  - Whoever gets a handle joins it (drift_thread_join), or detaches it (drift_thread_drop). */
#ifndef VT_H
#define VT_H

#include <stddef.h>
#include <stdint.h>

#include "drift.h"

typedef void (*vt_function)(void *argument);

/* The object of vt_new's callbacks: two of the four words inside the callback itself. */
static inline void vt_call(void *object)
{
    const int64_t *words = (const int64_t *)object;
    ((vt_function)(intptr_t)words[0])((void *)(intptr_t)words[1]);
}

/* A virtual thread that will run `function(argument)` once it is submitted; 0 when there is no
 * memory for it. Its handle is good at once: others may keep it, and unpark it. */
static inline int64_t vt_new(vt_function function, void *argument)
{
    static const drift_vtable table = {NULL, vt_call};
    DriftIface callback = {NULL, &table, {0, 0, 0, 0}, DRIFT_IFACE_INLINE};
    callback.inline_storage[0] = (int64_t)(intptr_t)function;
    callback.inline_storage[1] = (int64_t)(intptr_t)argument;
    return drift_thread_spawn(&callback, 0);
}

/* The same, running on `executor`; 0 when it was refused, and then nothing is left of it. */
static inline int64_t vt_spawn_on(int64_t executor, vt_function function, void *argument)
{
    const int64_t vt = vt_new(function, argument);
    if (vt != 0 && drift_exec_submit(executor, vt) != 0) {
        drift_thread_drop(vt);
        return 0;
    }
    return vt;
}

/* The same on the default executor, which has one carrier. */
static inline int64_t vt_spawn(vt_function function, void *argument)
{
    return vt_spawn_on(drift_exec_default_get(), function, argument);
}

/* Sleeps for at least `ms`, with no other virtual thread held up. */
static inline void vt_sleep(int64_t ms)
{
    const int64_t deadline = drift_time_now_ms() + ms;
    drift_thread_park_until(ms); /* below the clock's epoch: a duration */
    while (drift_time_now_ms() < deadline)
        drift_thread_park_until(deadline); /* above it: a point in time */
}

/* Parks until `fd` may be ready for `interest`, one of DRIFT_INTEREST_*. The caller tries its
 * system call again, and comes back here if it was too early. */
static inline void vt_wait_fd(int fd, int64_t interest)
{
    drift_reactor_register_io(fd, interest, drift_thread_current(), 0);
    drift_thread_park(0);
}

#endif
