/* bounded: an executor that takes only so much, and what a submitter sees of it.
 *
 * The limit counts virtual threads that are ready or running; a parked one does not count. At
 * the limit a submit either waits (Block: the submitter is slowed down to what the executor can
 * do, perhaps no longer than a time-out) or is refused at once (Busy: it decides by itself). */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <time.h>

#include "vt.h"

enum { CARRIERS = 1, LIMIT = 4, JOBS = 20, JOB_MS = 5 };

static long finished;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Computes for JOB_MS, and so counts against the limit all that time. */
static void job(void *argument)
{
    const int64_t until = now_ns() + (int64_t)JOB_MS * 1000000;
    (void)argument;
    while (now_ns() < until)
        continue;
    __atomic_fetch_add(&finished, 1, __ATOMIC_RELAXED); /* the join orders it */
}

struct outcome {
    long accepted, busy, timed_out, failed;
};

/* Offers JOBS jobs as fast as the executor lets us, and waits for those it took. */
static struct outcome offer(int64_t executor)
{
    struct outcome outcome = {0, 0, 0, 0};
    int64_t vts[JOBS];
    for (int i = 0; i < JOBS; i++) {
        const int64_t vt = vt_new(job, NULL);
        const int64_t code = vt == 0 ? -1 : drift_exec_submit(executor, vt);
        if (code == 0) {
            vts[outcome.accepted++] = vt;
            continue;
        }
        outcome.busy += code == DRIFT_SUBMIT_BUSY;
        outcome.timed_out += code == DRIFT_SUBMIT_TIMEOUT;
        outcome.failed += code != DRIFT_SUBMIT_BUSY && code != DRIFT_SUBMIT_TIMEOUT;
        drift_thread_drop(vt); /* refused and still ours; another try later is as good */
    }
    for (long i = 0; i < outcome.accepted; i++)
        drift_thread_join(vts[i]);
    return outcome;
}

/* Whether every job was either run or refused, in the way this policy refuses. */
static int show(const char *policy, int64_t timeout_ms, int64_t saturation)
{
    const int64_t executor = drift_exec_create(CARRIERS, CARRIERS, LIMIT, timeout_ms, saturation);
    if (executor == 0) {
        fprintf(stderr, "bounded: no executor\n");
        return 0;
    }
    finished = 0;
    const int64_t start = now_ns();
    const struct outcome seen = offer(executor);
    printf("%-14s %2d offered: %2ld run, %2ld busy, %2ld timed out, in %3.0f ms\n", policy, JOBS,
           seen.accepted, seen.busy, seen.timed_out, (double)(now_ns() - start) / 1e6);
    return seen.failed == 0 && finished == seen.accepted &&
           seen.accepted + seen.busy + seen.timed_out == JOBS &&
           (saturation == DRIFT_SATURATION_BUSY ? seen.timed_out : seen.busy) == 0 &&
           (saturation == DRIFT_SATURATION_BUSY || timeout_ms > 0 || seen.accepted == JOBS);
}

int main(void)
{
    const int waits = show("block", 0, DRIFT_SATURATION_BLOCK);
    const int waits_briefly = show("block for 1 ms", 1, DRIFT_SATURATION_BLOCK);
    const int refuses = show("return busy", 0, DRIFT_SATURATION_BUSY);
    return waits && waits_briefly && refuses ? 0 : 1;
}
