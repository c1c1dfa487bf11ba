/* report.h: parameters in, JSON lines out, and what a process costs: for measure.c.
 *
 * Parameters are `key=value` words. What was used is reported, defaults included. */
#ifndef REPORT_H
#define REPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_PARAMS = 8 };

/* Parameters and metrics */

struct param {
    const char *key;
    const char *text; /* null: the number */
    long number;
};

static const char *bench;
static char **arguments;
static int argument_count;
static struct param params[MAX_PARAMS];
static int param_count;

static void fail(const char *what)
{
    fprintf(stderr, "measure %s: %s\n", bench, what);
    exit(1);
}

static struct param *param(const char *key)
{
    const size_t length = strlen(key);
    struct param *used = &params[param_count++];
    used->key = key;
    used->text = NULL;
    for (int i = 0; i < argument_count; i++)
        if (strncmp(arguments[i], key, length) == 0 && arguments[i][length] == '=')
            used->text = arguments[i] + length + 1;
    return used;
}

static long number(const char *key, long otherwise)
{
    struct param *used = param(key);
    used->number = used->text == NULL ? otherwise : atol(used->text);
    used->text = NULL;
    if (used->number < 0)
        fail("a number below zero");
    return used->number;
}

static const char *text(const char *key, const char *otherwise)
{
    struct param *used = param(key);
    if (used->text == NULL)
        used->text = otherwise;
    return used->text;
}

static void emit(const char *metric, const char *suffix, double value, const char *unit)
{
    printf("{\"bench\":\"%s\",\"impl\":\"drift\",\"metric\":\"%s%s\",\"value\":%.3f,"
           "\"unit\":\"%s\",\"params\":{",
           bench, metric, suffix, value, unit);
    for (int i = 0; i < param_count; i++) {
        printf("%s\"%s\":", i == 0 ? "" : ",", params[i].key);
        if (params[i].text == NULL)
            printf("%ld", params[i].number);
        else
            printf("\"%s\"", params[i].text);
    }
    printf("}}\n");
}

/* Clocks and memory */

struct spent {
    double wall_ns, cpu_ns;
};

static double clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct spent begin(void)
{
    struct spent now;
    now.cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    now.wall_ns = clock_ns(CLOCK_MONOTONIC);
    return now;
}

static struct spent since(struct spent start)
{
    struct spent now;
    now.wall_ns = clock_ns(CLOCK_MONOTONIC) - start.wall_ns;
    now.cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start.cpu_ns;
    return now;
}

static void emit_spent(const char *metric, struct spent spent, double per, const char *unit)
{
    emit(metric, "", spent.wall_ns / per, unit);
    emit(metric, "_cpu", spent.cpu_ns / per, unit);
}

static void pause_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

struct memory {
    double rss, page_tables, maps;
};

static struct memory memory_now(void)
{
    struct memory now = {0, 0, 0};
    char line[512];
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL)
        fail("no /proc");
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            now.rss = (double)atol(line + 6) * 1024;
        if (strncmp(line, "VmPTE:", 6) == 0)
            now.page_tables = (double)atol(line + 6) * 1024;
    }
    fclose(file);
    file = fopen("/proc/self/maps", "re");
    if (file == NULL)
        fail("no /proc");
    while (fgets(line, sizeof line, file) != NULL)
        now.maps += strchr(line, '\n') != NULL;
    fclose(file);
    return now;
}

#endif
