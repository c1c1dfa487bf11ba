/* Suite: sleeping, in `main`. */
#include "suite.h"

static void sleep_nonzero_ok(void) {
    span start = span_start();
    std_sleep(5);
    NOT_SHORT(start, 5);
}

/* The library answers zero and negative lengths itself; the runtime would, too. */
static void sleep_zero_timeout(void) {
    drift_thread_park_until(0);
}

static void negative_duration(void) {
    drift_thread_park_until(-5);
}

static void park_nonvt_noop(void) {
    drift_thread_park_until(1);
    drift_thread_park(0);
}

static const test_case cases[] = {
    {"sleep_nonzero_ok", sleep_nonzero_ok},
    {"sleep_zero_timeout", sleep_zero_timeout},
    {"negative_duration", negative_duration},
    {"park_nonvt_noop", park_nonvt_noop},
};

CASES_MAIN(cases)
