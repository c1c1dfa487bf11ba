/* What parked virtual threads cost while nothing happens: CPU time of the process, in percent.
 *
 * Arguments: virtual threads (1000), milliseconds (1000), most percent of one CPU, in thousandths
 * (1000, which is 1 %).
 */
#include "harness.h"

static i64 parked;

static void body_parks(task *self) {
    add(&parked, 1);
    drift_thread_park(0);
    self->result = 1;
}

static void idle(void) {
    i64 count = param(0, 1000);
    i64 ms = param(1, 1000);
    i64 most = param(2, 1000);
    i64 exec = make_executor(2);
    task *tasks = (task *)calloc((size_t)count, sizeof(task));
    CHECK(tasks != NULL, "no memory");
    for (i64 i = 0; i < count; i++) {
        task_start(&tasks[i], body_parks, 0, exec);
    }
    wait_for(&parked, count);
    os_sleep_ms(100);
    i64 cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    i64 start = now_us();
    os_sleep_ms(ms);
    cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    double percent = 100.0 * (double)cpu / (double)(now_us() - start);
    printf("%lld parked: %.4f %% of a CPU\n", (long long)count, percent);
    CHECK(percent * 1000 <= (double)most, "%.4f %% of a CPU", percent);
    for (i64 i = 0; i < count; i++) {
        drift_thread_unpark(tasks[i].vt);
        task_join(&tasks[i]);
    }
}

static const test_case cases[] = {
    {"idle", idle},
};

CASES_MAIN(cases)
