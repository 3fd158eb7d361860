/**
 * The monotonic clock, in nanoseconds, and the wall clock for time stamps.
 */
#ifndef GOTO_BASE_CLOCK_H
#define GOTO_BASE_CLOCK_H

#include "base/common.h"

enum { CLOCK_SECOND = 1000000000 };
#define CLOCK_MS INT64_C(1000000)

/** CLOCK_MONOTONIC in nanoseconds. */
int64_t clock_now(void);
/** CLOCK_REALTIME in nanoseconds since 1970. */
int64_t clock_wall(void);
/** RFC 3339 in UTC with milliseconds: "2026-01-02T03:04:05.678Z"; `out` takes at least 32 bytes. */
void clock_format(int64_t wall_ns, char *out, size_t size);

#endif
