/* drift.h: the C ABI of the drift runtime; docs/abi.md says what is common to all of it.
 *
 *     cc program.c libdrift_rt.a -pthread
 *
 * Made from ffi/src by `cargo xtask header`. */

#ifndef DRIFT_H
#define DRIFT_H

#include <stdint.h>

/**
 * Raised when a function is added; a function is never changed or removed.
 */
#define DRIFT_ABI_VERSION 2

/**
 * The object of a callback lies in `inline_storage` of the runtime's copy.
 */
#define DRIFT_IFACE_INLINE 1

/**
 * The object of a callback lies at `data`, and `drift_iface_free` gives it back.
 */
#define DRIFT_IFACE_OWNED 2

/**
 * At the queue limit, `drift_exec_submit` waits, in first-come order.
 */
#define DRIFT_SATURATION_BLOCK 0

/**
 * At the queue limit, `drift_exec_submit` returns `DRIFT_SUBMIT_BUSY`.
 */
#define DRIFT_SATURATION_BUSY 1

/**
 * The executor is at its queue limit.
 */
#define DRIFT_SUBMIT_BUSY 1

/**
 * The wait for a place took longer than the executor's time-out.
 */
#define DRIFT_SUBMIT_TIMEOUT 2

/**
 * A handle is stale, or the platform refused: then the code is this plus the platform's own.
 */
#define DRIFT_SUBMIT_FAILED 3

/**
 * Wait until readable; equals `EPOLLIN`.
 */
#define DRIFT_INTEREST_READ 1

/**
 * Wait until writable; equals `EPOLLOUT`.
 */
#define DRIFT_INTEREST_WRITE 4

/**
 * What `drift_time_now_ms` counts from: 2^40 ms before its first possible value. Values below it
 * are durations, values from it on are points in time.
 */
#define DRIFT_TIME_EPOCH_MS 1099511627776

/**
 * It would have to wait.
 */
#define DRIFT_WAIT_BUSY 1

/**
 * The deadline came first.
 */
#define DRIFT_WAIT_TIMEOUT 2

/**
 * The virtual thread that waits was asked to end.
 */
#define DRIFT_WAIT_CANCELLED 3

/**
 * The channel was closed.
 */
#define DRIFT_WAIT_CLOSED 4

/**
 * The runtime cannot be made, so nothing can be waited for.
 */
#define DRIFT_WAIT_FAILED 5

/**
 * The functions of a callback.
 */
typedef struct drift_vtable {
    /**
     * Drops the object; null if there is nothing to drop.
     */
    void (*drop)(void *object);
    /**
     * Runs it; never null.
     */
    void (*call)(void *object);
} drift_vtable;

/**
 * A callback: an object and its functions.
 */
typedef struct DriftIface {
    /**
     * The object, unless it is inline; may be null.
     */
    void *data;
    /**
     * Its functions.
     */
    const struct drift_vtable *vtable;
    /**
     * The object, if it is inline.
     */
    int64_t inline_storage[4];
    /**
     * 0, or one of `DRIFT_IFACE_INLINE` and `DRIFT_IFACE_OWNED`.
     */
    uint8_t flags;
} DriftIface;

/**
 * A lock. Nothing but `drift_mutex_*` may look inside.
 */
typedef struct drift_mutex_t {
    /**
     * The runtime's.
     */
    uint64_t words[4];
} drift_mutex_t;

/**
 * A condition variable. Nothing but `drift_condvar_*` may look inside.
 */
typedef struct drift_condvar_t {
    /**
     * The runtime's.
     */
    uint64_t words[4];
} drift_condvar_t;

/**
 * A number of permits. Nothing but `drift_semaphore_*` may look inside.
 */
typedef struct drift_semaphore_t {
    /**
     * The runtime's.
     */
    uint64_t words[4];
} drift_semaphore_t;

/**
 * A channel. Nothing but `drift_channel_*` may look inside.
 */
typedef struct drift_channel_t {
    /**
     * The runtime's.
     */
    uint64_t words[10];
} drift_channel_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* `drift_thread_*`: virtual threads by handle. */

/**
 * Makes a virtual thread, new and not scheduled, and takes `callback` over. `exec` is ignored:
 * `drift_exec_submit` decides. Returns its handle; 0 if `callback` is null, or if there is no
 * record or stack for one more, and then the callback is still the caller's. The first refusal of
 * a process is told in one line on standard error.
 *
 * The callback's `call` and then `drop` run once on the virtual thread's stack (1 MiB and a
 * guard); or `drop` alone, if it is cancelled or dropped before it starts.
 *
 * `callback` is null or leads to a callback, which is given away.
 */
int64_t drift_thread_spawn(const struct DriftIface *callback, int64_t exec);

/**
 * Waits until `vt` has ended and gives the handle up. Then its callback has run and was dropped,
 * its writes are visible, and its stack is free. Parks a virtual thread, blocks an OS thread. 0,
 * a stale handle and the caller's own: returns at once.
 */
void drift_thread_join(int64_t vt);

/**
 * Waits up to `timeout_ms` for `vt`. Returns 0 as `drift_thread_join` does, and for handle 0;
 * 1 if the time ran out first, or was 0 or below: the handle is then still good. If `vt` was
 * cancelled and the time ran out, its record is given back when it ends.
 */
int64_t drift_thread_join_timeout(int64_t vt, int64_t timeout_ms);

/**
 * 1 if `vt` has ended, and then its writes are visible; 0 if not, and for handle 0. A stale
 * handle: 1.
 */
int64_t drift_thread_is_completed(int64_t vt);

/**
 * Asks `vt` to end. 0: recorded; one that has not started never will, and its callback is
 * dropped by this call; one that is parked goes on, and its later parks return at once. 1: it
 * has ended, or there is no such virtual thread.
 */
int64_t drift_thread_cancel(int64_t vt);

/**
 * Gives the handle up without waiting. One that was not submitted is dropped by this call; any
 * other runs on, and its record is given back when it ends. 0 and stale handles: no effect.
 */
void drift_thread_drop(int64_t vt);

/**
 * The virtual thread that calls; 0 on any other thread.
 */
int64_t drift_thread_current(void);

/**
 * Parks the calling virtual thread until an unpark, a registration or a cancel request; at once
 * if one came before. Never returns without such a cause. `reason` is ignored. On any other
 * thread: gives the CPU away once.
 */
void drift_thread_park(int64_t reason);

/**
 * Parks as `drift_thread_park`, and at most until `deadline_ms`: below `DRIFT_TIME_EPOCH_MS` a
 * duration, from there on a point in time. 0 and below return at once and use no pending wake.
 * On any other thread: sleeps.
 */
void drift_thread_park_until(int64_t deadline_ms);

/**
 * Resumes `vt` if it is parked, exactly once; otherwise leaves one pending wake for its next
 * park. From any thread. 0, stale or ended: no effect.
 */
void drift_thread_unpark(int64_t vt);

/**
 * Lets every other ready virtual thread of the carrier run first. On any other thread: gives
 * the CPU away once. Not one of the toolchain's own symbols.
 */
void drift_thread_yield(void);

/* `drift_exec_*`: executors. */

/**
 * The default executor of C: what was set last, else one carrier without a limit, made on first
 * use. 0 only if it cannot be made. Rust code in the same process has a default of its own.
 */
int64_t drift_exec_default_get(void);

/**
 * Sets the default executor of C; 0 goes back to the runtime's own.
 */
void drift_exec_default_set(int64_t exec);

/**
 * Makes an executor. Its carriers start as work comes.
 *
 * | argument      | meaning                                                                    |
 * |---------------|----------------------------------------------------------------------------|
 * | `min_threads` | carriers kept; below 1 is 1, above `max_threads` is `max_threads`          |
 * | `max_threads` | carriers at most, up to 1024 in all executors together; below 1 is 1       |
 * | `queue_limit` | ready and running virtual threads at a submit; below 1 is no limit         |
 * | `timeout_ms`  | how long a blocking submit waits; below 1 is no bound                      |
 * | `saturation`  | `DRIFT_SATURATION_BLOCK`; anything else is `DRIFT_SATURATION_BUSY`         |
 *
 * With more than one carrier a virtual thread may come back from a park, and from any other call
 * that lets others run, on another OS thread. Its `errno` is restored there, but optimised code
 * may still look at the old one's: read `errno` before such a call, not after it.
 *
 * Returns its handle, good for ever; 0 if it cannot be made.
 */
int64_t drift_exec_create(int64_t min_threads,
                          int64_t max_threads,
                          int64_t queue_limit,
                          int64_t timeout_ms,
                          int64_t saturation);

/**
 * Hands virtual thread `vt` to executor `exec`; 0 is the default executor.
 *
 * | returns                 | meaning                                    | `vt` afterwards       |
 * |-------------------------|--------------------------------------------|-----------------------|
 * | 0                       | queued; or submitted or cancelled before   | the executor's, ready |
 * | `DRIFT_SUBMIT_BUSY`     | at the queue limit, and the policy refuses | the caller's, new     |
 * | `DRIFT_SUBMIT_TIMEOUT`  | the policy's wait ran out                  | the caller's, new     |
 * | `DRIFT_SUBMIT_FAILED` + | a stale handle, or no carrier can start    | unchanged             |
 *
 * From any thread; may wait if the policy blocks.
 */
int64_t drift_exec_submit(int64_t exec, int64_t vt);

/**
 * Makes every submit answer `code` and queue nothing, until it is called with a value below 0.
 * For test suites.
 */
void drift_exec_submit_test_override(int64_t code);

/* `drift_reactor_*`: readiness and timers as unparks. */

/**
 * The reactor's handle. There is one, made on first use; 0 only if it cannot be made.
 */
int64_t drift_reactor_default_get(void);

/**
 * Accepted and without effect: there is one reactor.
 */
void drift_reactor_default_set(int64_t reactor);

/**
 * Unparks `vt` once when `fd` is ready for any of `interest`, or at the deadline, whichever
 * comes first; the other is then disarmed. Belongs to the present or next park of `vt`, and ends
 * with it.
 *
 * `deadline_ms` 0 is none, below 0 is over already; otherwise as in `drift_time_now_ms`: below
 * `DRIFT_TIME_EPOCH_MS` a duration, from there on a point in time. Errors and hang-up count as
 * ready. What cannot be waited for (a closed descriptor, a regular file) wakes `vt` at once, so
 * that its next system call tells why. Does not park. A stale `vt`: no effect.
 */
void drift_reactor_register_io(int64_t fd, int64_t interest, int64_t vt, int64_t deadline_ms);

/**
 * Unparks `vt` once at `deadline_ms`, within its present or next park; at once if it is 0, below
 * 0 or past. Does not park. A stale `vt`: no effect.
 */
void drift_reactor_register_timer(int64_t deadline_ms, int64_t vt);

/* `drift_time_*`, and what a number of milliseconds means. */

/**
 * Milliseconds of a monotonic clock since an epoch in the past; rounded up, never negative.
 */
int64_t drift_time_now_ms(void);

/* `drift_test_*`: descriptors for the toolchain's test suite. The runtime uses none of them. */

/**
 * A non-blocking eventfd(2) with counter 0; 0 if there is none to be had.
 */
int64_t drift_test_eventfd_create(void);

/**
 * Adds `value` to the counter of eventfd `fd`; errors are ignored.
 */
void drift_test_eventfd_write(int64_t fd, int64_t value);

/**
 * A non-blocking timerfd_create(2) of the monotonic clock; 0 if there is none to be had.
 */
int64_t drift_test_timerfd_create(void);

/**
 * Arms timerfd `fd` once, `delay_ms` from now; 0 and below disarm it. Errors are ignored.
 */
void drift_test_timerfd_set(int64_t fd, int64_t delay_ms);

/* `drift_mutex_*`, `drift_condvar_*`, `drift_semaphore_*`: waiting for each other. */

/**
 * Makes a free lock of `mutex`.
 *
 * `mutex` is the caller's, and in nobody's use.
 */
void drift_mutex_init(struct drift_mutex_t *mutex);

/**
 * Locks `mutex`, and waits for it if somebody has it. It is handed to who waits, in the order in
 * which they came. Not to be locked again by who has it. Returns 0, or without the lock
 * `DRIFT_WAIT_CANCELLED` if it would have to wait and the virtual thread was asked to end.
 *
 * `mutex` was initialised.
 */
int64_t drift_mutex_lock(struct drift_mutex_t *mutex);

/**
 * Locks `mutex` if nobody has it: 0, or `DRIFT_WAIT_BUSY`.
 *
 * `mutex` was initialised.
 */
int64_t drift_mutex_try_lock(struct drift_mutex_t *mutex);

/**
 * As `drift_mutex_lock`, and waits at most until `deadline_ms`, then `DRIFT_WAIT_TIMEOUT`: below
 * `DRIFT_TIME_EPOCH_MS` a duration, from there on a point in time; 0 and below do not wait.
 *
 * `mutex` was initialised.
 */
int64_t drift_mutex_lock_until(struct drift_mutex_t *mutex, int64_t deadline_ms);

/**
 * Hands `mutex` to the first who waits, or frees it. From any thread. One that nobody has: no
 * effect.
 *
 * `mutex` was initialised.
 */
void drift_mutex_unlock(struct drift_mutex_t *mutex);

/**
 * Makes a condition variable of `condvar`, for which nobody waits.
 *
 * `condvar` is the caller's, and in nobody's use.
 */
void drift_condvar_init(struct drift_condvar_t *condvar);

/**
 * Unlocks `mutex`, which is the caller's, waits until notified, and locks it again before it
 * returns, whatever it returns. A notification after the unlock is not missed, and without one
 * it does not return 0. Returns 0, or `DRIFT_WAIT_CANCELLED` if the virtual thread was asked to
 * end.
 *
 * Both were initialised.
 */
int64_t drift_condvar_wait(struct drift_condvar_t *condvar, struct drift_mutex_t *mutex);

/**
 * As `drift_condvar_wait`, and waits at most until `deadline_ms`, as in `drift_mutex_lock_until`;
 * then `DRIFT_WAIT_TIMEOUT`, as soon as it has the mutex.
 *
 * Both were initialised.
 */
int64_t drift_condvar_wait_until(struct drift_condvar_t *condvar,
                                 struct drift_mutex_t *mutex,
                                 int64_t deadline_ms);

/**
 * Wakes the first who waits: 1; 0 if nobody does.
 *
 * `condvar` was initialised.
 */
int64_t drift_condvar_notify_one(struct drift_condvar_t *condvar);

/**
 * Wakes all who wait now. How many.
 *
 * `condvar` was initialised.
 */
int64_t drift_condvar_notify_all(struct drift_condvar_t *condvar);

/**
 * Puts `permits` permits into `semaphore`: below 0 is 0, and more than 4 294 967 293 are as many
 * as that, here and below.
 *
 * `semaphore` is the caller's, and in nobody's use.
 */
void drift_semaphore_init(struct drift_semaphore_t *semaphore, int64_t permits);

/**
 * Takes `permits` permits, all at once, and waits for them in the order in which others came: a
 * large request is not overtaken by small ones. Returns 0, or without any permit
 * `DRIFT_WAIT_CANCELLED` if it would have to wait and the virtual thread was asked to end.
 *
 * `semaphore` was initialised.
 */
int64_t drift_semaphore_acquire(struct drift_semaphore_t *semaphore, int64_t permits);

/**
 * Takes `permits` permits if there are as many and nobody waits: 0, or `DRIFT_WAIT_BUSY`.
 *
 * `semaphore` was initialised.
 */
int64_t drift_semaphore_try_acquire(struct drift_semaphore_t *semaphore, int64_t permits);

/**
 * As `drift_semaphore_acquire`, and waits at most until `deadline_ms`, as in
 * `drift_mutex_lock_until`; then `DRIFT_WAIT_TIMEOUT`.
 *
 * `semaphore` was initialised.
 */
int64_t drift_semaphore_acquire_until(struct drift_semaphore_t *semaphore,
                                      int64_t permits,
                                      int64_t deadline_ms);

/**
 * Gives `permits` permits back, or adds some, and serves who waits. From any thread.
 *
 * `semaphore` was initialised.
 */
void drift_semaphore_release(struct drift_semaphore_t *semaphore, int64_t permits);

/* `drift_channel_*`: numbers from senders to receivers, in order; many of each. */

/**
 * Makes an open, empty channel of `channel`, with `capacity` slots from `slots` on; both are the
 * channel's from now on. With a capacity of 0 or below `slots` is not used, and may be null:
 * every send then meets a receive.
 *
 * `channel` and the slots are the caller's, and in nobody's use.
 */
void drift_channel_init(struct drift_channel_t *channel, uint64_t *slots, int64_t capacity);

/**
 * Sends `value`: to the first receiver that waits, else into the buffer; waits while it is full,
 * in the order in which others came. Returns 0; or, and then nothing was sent,
 * `DRIFT_WAIT_CLOSED`, or `DRIFT_WAIT_CANCELLED` if it would have to wait and the virtual thread
 * was asked to end.
 *
 * `channel` was initialised.
 */
int64_t drift_channel_send(struct drift_channel_t *channel, uint64_t value);

/**
 * Sends `value` if it need not wait: 0, `DRIFT_WAIT_CLOSED` or `DRIFT_WAIT_BUSY`.
 *
 * `channel` was initialised.
 */
int64_t drift_channel_try_send(struct drift_channel_t *channel, uint64_t value);

/**
 * As `drift_channel_send`, and waits at most until `deadline_ms`, as in `drift_mutex_lock_until`;
 * then `DRIFT_WAIT_TIMEOUT`.
 *
 * `channel` was initialised.
 */
int64_t drift_channel_send_until(struct drift_channel_t *channel,
                                 uint64_t value,
                                 int64_t deadline_ms);

/**
 * Receives into `value`; waits while there is nothing, in the order in which others came.
 * Returns 0; or, and then `value` is as it was, `DRIFT_WAIT_CLOSED` if it was closed and nothing
 * is left, or `DRIFT_WAIT_CANCELLED` if it would have to wait and the virtual thread was asked to
 * end.
 *
 * `channel` was initialised, and `value` is the caller's.
 */
int64_t drift_channel_receive(struct drift_channel_t *channel, uint64_t *value);

/**
 * Receives if it need not wait: 0, `DRIFT_WAIT_CLOSED` or `DRIFT_WAIT_BUSY`.
 *
 * `channel` was initialised, and `value` is the caller's.
 */
int64_t drift_channel_try_receive(struct drift_channel_t *channel, uint64_t *value);

/**
 * As `drift_channel_receive`, and waits at most until `deadline_ms`, as in
 * `drift_mutex_lock_until`; then `DRIFT_WAIT_TIMEOUT`.
 *
 * `channel` was initialised, and `value` is the caller's.
 */
int64_t drift_channel_receive_until(struct drift_channel_t *channel,
                                    uint64_t *value,
                                    int64_t deadline_ms);

/**
 * From now on nothing is sent; what is in the buffer can still be received. All who wait go on.
 * Returns 0, or `DRIFT_WAIT_CLOSED` if it was closed before.
 *
 * `channel` was initialised.
 */
int64_t drift_channel_close(struct drift_channel_t *channel);

/**
 * How many values are in the buffer just now.
 *
 * `channel` was initialised.
 */
int64_t drift_channel_len(struct drift_channel_t *channel);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DRIFT_H */
