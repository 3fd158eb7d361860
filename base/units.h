/**
 * The kinds of values that LANGUAGE section 2 writes as text: durations, sizes, rates, shares.
 *
 * Each reader takes the whole text, returns false on anything else (and then leaves the result as
 * it was), and never rounds: what is no whole number of nanoseconds or bytes is refused. A number
 * is digits, then perhaps `.` and digits. The units of time are us ms s m h d; those of size B KB
 * MB GB TB and KiB MiB GiB TiB. The lower end of a range comes first. Writers are for people and
 * round.
 */
#ifndef GOTO_BASE_UNITS_H
#define GOTO_BASE_UNITS_H

#include "base/buf.h"
#include "base/common.h"
#include "base/str.h"

/** A duration: fixed, uniform between two, or normal (mean~deviation, never below 0). Nanoseconds.
 */
struct duration {
    enum duration_kind { DURATION_FIXED, DURATION_UNIFORM, DURATION_NORMAL } kind;
    int64_t low_ns;  /**< the fixed one, the lower end, or the mean */
    int64_t high_ns; /**< the upper end or the deviation */
};

/** A size in bytes: fixed (low = high) or a range. */
struct size_range {
    uint64_t low;
    uint64_t high;
};

/** `100/s`, `6000/m`, `1MiB/s`: events or bytes for each second, as a fraction. */
struct rate {
    uint64_t amount;
    int64_t per_ns;
    bool bytes; /**< written with a unit of size */
};

/** "250us", "1.5s", "2m", "1h", "30d", "-1d" with `negative`; one duration only. A bare number is
 * refused but `0`. */
GOTO_MUST_USE bool units_read_time(struct str text, bool negative, int64_t *ns);
/** The same and not negative, or a range "1s-3s", or "20ms~5ms". */
GOTO_MUST_USE bool units_read_duration(struct str text, struct duration *duration);
/** "512", "64KiB", "10KB", "1.5MiB" (when a whole number of bytes); or a range "10-100",
 * "1KiB-4KiB". */
GOTO_MUST_USE bool units_read_size(struct str text, uint64_t *bytes);
GOTO_MUST_USE bool units_read_size_range(struct str text, struct size_range *range);
/** "100/s", "0.5/s" (1 in 2 s), "6000/m", "10/h", "1MiB/s"; 0 is refused. */
GOTO_MUST_USE bool units_read_rate(struct str text, struct rate *rate);
/** "25%", "0.5%": as a fraction of 1 between 0 and 1. */
GOTO_MUST_USE bool units_read_share(struct str text, double *share);

/** "0ms", "340us", "12.5ms", "1.2s", "2m3s", "1h5m", "3d4h": at most 4 significant digits, for
 * people. */
void units_write_time(int64_t ns, struct buf *into);
/** "17 B", "1.5 KiB": at most 4 significant digits, for people. */
void units_write_size(uint64_t bytes, struct buf *into);

#endif
