/* Suite: readiness. Descriptors are never closed. */
#include "suite.h"

static thread one;

static void body_register(task *self) {
    drift_reactor_register_io(self->arg, DRIFT_INTEREST_READ, drift_thread_current(), 0);
    drift_thread_park(0);
    self->result = RESULT;
}

static i64 eventfd_new(void) {
    i64 fd = drift_test_eventfd_create();
    CHECK(fd > 0, "no eventfd");
    return fd;
}

/* `main` writes 5 ms after the spawn. */
static void write_wakes(void (*body)(task *)) {
    i64 fd = eventfd_new();
    std_spawn(&one, body, fd);
    drift_thread_park_until(5);
    EQUAL(drift_thread_is_completed(one.work.vt), 0);
    drift_test_eventfd_write(fd, 1);
    std_join_value(&one, RESULT);
}

static void reactor_eventfd_unpark(void) {
    write_wakes(body_register);
}

/* The deadline and the descriptor come at about the same time; the timer is armed after the
 * registration. */
static void body_timerfd(task *self) {
    i64 fd = drift_test_timerfd_create();
    CHECK(fd > 0, "no timerfd");
    i64 start = now_us();
    drift_reactor_register_io(fd, DRIFT_INTEREST_READ, drift_thread_current(),
                              drift_time_now_ms() + 10);
    drift_test_timerfd_set(fd, 10);
    drift_thread_park(0);
    CHECK(now_us() - start >= 10000, "woken after %lld us of 10 ms",
          (long long)(now_us() - start));
    self->result = RESULT;
}

static void reactor_timerfd_unpark(void) {
    std_spawn(&one, body_timerfd, 0);
    std_join_value(&one, RESULT);
}

static void body_block_read(task *self) {
    std_block_on_io(self->arg, DRIFT_INTEREST_READ, 0);
    self->result = RESULT;
}

static void block_on_io_eventfd(void) {
    write_wakes(body_block_read);
}

static void body_block_write(task *self) {
    std_block_on_io(self->arg, DRIFT_INTEREST_WRITE, 0);
    self->result = RESULT;
}

/* A fresh eventfd can be written: ready before the park. */
static void write_is_ready(void) {
    std_spawn(&one, body_block_write, eventfd_new());
    std_join_value(&one, RESULT);
}

static void body_two_waits(task *self) {
    std_block_on_io(self->arg, DRIFT_INTEREST_READ, 0);
    std_block_on_io(self->arg, DRIFT_INTEREST_READ, 0);
    self->result = RESULT;
}

/* Nobody reads it, so that the second wait is over at once. */
static void block_on_io_multiple_waits(void) {
    write_wakes(body_two_waits);
}

static void body_deadline(task *self) {
    i64 start = now_us();
    std_block_on_io(self->arg, DRIFT_INTEREST_READ, 1);
    CHECK(now_us() - start >= 1000, "a wait of 1 ms ends after %lld us",
          (long long)(now_us() - start));
    self->result = RESULT;
}

static void block_on_io_deadline_timeout(void) {
    std_spawn(&one, body_deadline, eventfd_new());
    std_join_within(&one, 50);
    EQUAL(one.work.result, RESULT);
}

static void body_deadline_then_signal(task *self) {
    std_block_on_io(self->arg, DRIFT_INTEREST_READ, 50);
    self->result = RESULT;
}

static void block_on_io_deadline_then_signal(void) {
    i64 fd = eventfd_new();
    std_spawn(&one, body_deadline_then_signal, fd);
    drift_thread_park_until(5);
    drift_test_eventfd_write(fd, 1);
    std_join_value(&one, RESULT);
}

static const test_case cases[] = {
    {"reactor_eventfd_unpark", reactor_eventfd_unpark},
    {"reactor_timerfd_unpark", reactor_timerfd_unpark},
    {"block_on_io_eventfd", block_on_io_eventfd},
    {"std_io_block_on_read_eventfd", block_on_io_eventfd},
    {"std_net_block_on_read_eventfd", block_on_io_eventfd},
    {"std_net_block_on_accept_eventfd", block_on_io_eventfd},
    {"std_io_block_on_write_eventfd", write_is_ready},
    {"std_net_block_on_write_eventfd", write_is_ready},
    {"block_on_io_multiple_waits", block_on_io_multiple_waits},
    {"block_on_io_deadline_timeout", block_on_io_deadline_timeout},
    {"block_on_io_deadline_then_signal", block_on_io_deadline_then_signal},
};

CASES_MAIN(cases)
