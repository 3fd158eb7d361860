/**
 * What a run came to, and the reporters that tell it: console, TAP, JUnit, JSON.
 *
 * The suite hands each finished scenario to every reporter; reporters keep what they need and write
 * their document when finish() is called: whole, to a temporary file that is then renamed.
 */
#ifndef GOTO_RUNNER_REPORT_REPORT_H
#define GOTO_RUNNER_REPORT_REPORT_H

#include "base/buf.h"
#include "journal/journal.h"
#include "runner/check/check.h"

/** One scenario that ran (or was skipped). Everything is borrowed and lives until the suite is
 * freed. */
struct result {
    struct str file;     /**< as the user named it */
    struct str name;     /**< of the scenario; unique in its file */
    struct place place;  /**< of its document */
    size_t file_index;   /**< order of files on the command line, from 0 */
    size_t index;        /**< order in the file, from 0 */
    unsigned repetition; /**< with --repeat N: from 1; 0 = not repeated */
    uint64_t seed;
    bool skipped;        /**< the whole scenario; `reason` says why */
    bool interrupted;    /**< ended by SIGINT, SIGTERM or SIGHUP */
    bool harness_failed; /**< exit 3: something that is our part could not be done */
    struct str reason;
    int64_t wall_ns; /**< when it started, since 1970 */
    int64_t duration_ns;
    const struct checks *checks;
    const struct journal *journal; /**< may be NULL when skipped */
    struct str tmp;                /**< kept temporary folder, or empty */
};

struct totals {
    size_t scenarios;
    size_t scenarios_failed;
    size_t scenarios_skipped;
    size_t passed;
    size_t failed;
    size_t errors;
    size_t skipped;
};

struct reporter;

/** A reporter's functions; each may be NULL. */
struct reporter_type {
    const char *name;
    /** A scenario starts (terminals show it). */
    void (*started)(struct reporter *reporter, const struct result *result);
    void (*finished)(struct reporter *reporter, const struct result *result);
    /** Called once at the end. 0 or a negative errno, having said nothing: the caller tells the
     * user. */
    int (*finish)(struct reporter *reporter, const struct totals *totals, int64_t duration_ns);
    void (*free)(struct reporter *reporter);
};

struct reporter {
    const struct reporter_type *type;
    const char *path; /**< "-" or NULL = standard output */
};

/** How much the console says. */
enum verbosity { VERBOSE_QUIET = -1, VERBOSE_NORMAL, VERBOSE_MORE };

struct console_options {
    int fd;        /**< where it writes: 1, or 2 when a report goes to standard output */
    bool terminal; /**< live lines are possible */
    bool color;
    enum verbosity verbosity;
    const char *program;          /**< argv[0], for the command that reruns a scenario */
    const char *const *arguments; /**< further words of that command, ended by NULL; or NULL */
};

struct reporter *console_new(const struct console_options *options);
/** TAP 13, flat (`subtests` false), or TAP 14 with a subtest for each scenario. */
struct reporter *tap_new(const char *path, bool subtests);
struct reporter *junit_new(const char *path);
/** The journal of every scenario as NDJSON, checks and results included. */
struct reporter *ndjson_new(const char *path);

/** Texts to be masked in every report ("***"): secrets. Registered before anything is reported. */
void report_add_secret(struct str secret);
/** Replaces every secret (also its base64 and percent-encoded forms) in a text of a report. */
void report_mask(struct buf *text);

/**
 * Writes a whole file atomically: beside it, then renamed; "-" or NULL goes to standard output.
 * Missing folders are not made. 0 or a negative errno.
 */
GOTO_MUST_USE int report_write(const char *path, struct str text);

/** The picture of one failed check: place, predicate, expected and actual, diff, timeline, replay
 * and rerun. */
void report_failure(const struct result *result, const struct check *check,
                    const struct console_options *options, struct buf *into);
/** One entry of the journal as one line of words: "GET /foo/1 → 200 in 3 ms" with its time and
 * subject. */
void report_entry_words(const struct journal *journal, const struct entry *entry, struct buf *into);

#endif
