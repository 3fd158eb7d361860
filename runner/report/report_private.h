/**
 * What the reporters share: texts made safe for each format, pages in the order of the files,
 * output.
 */
#ifndef GOTO_RUNNER_REPORT_PRIVATE_H
#define GOTO_RUNNER_REPORT_PRIVATE_H

#include "runner/report/report.h"

#include <sys/types.h>

/* secret.c */

/**
 * Appends `text` with its secrets masked, but no more than its first `most` bytes; a secret that
 * begins within them is masked whole.
 *
 * @return whether something was left out
 */
bool report_mask_some(struct str text, size_t most, struct buf *into);
/** Whether there is anything to mask. */
bool report_has_secrets(void);
/**
 * Masks a text that came in parts, of which several may hold one secret together: what stands for
 * it is where it begins. The parts are replaced by ones in the arena.
 */
void report_mask_parts(struct arena *arena, struct str *parts, size_t count);

/* passed.c: the pieces in which bytes passed, masked over all pieces of their connection. */

struct passed;
/** The pieces of a journal, which has to outlive it; of none where it is NULL. */
struct passed *passed_new(const struct journal *journal);
/** The text of an ENTRY_BYTES by its number. */
struct str passed_text(const struct passed *passed, const struct entry *entry, uint64_t number);
void passed_free(struct passed *passed);

/* text.c: each masks the secrets and then writes strict UTF-8 that its format takes as text. */

/** The replacement of what is no character. */
#define REPORT_BAD "\xef\xbf\xbd"

/**
 * For people: escape sequences of terminals removed, control characters as U+FFFD, tabs as blanks;
 * line ends are kept with `lines` and are blanks without.
 */
void report_clean(struct str text, bool lines, struct buf *into);
/** The same on one line and cut to `most` characters, with "…" where something was left out. */
void report_clean_short(struct str text, size_t most, struct buf *into);
/** Text of an XML element or attribute: what XML 1.0 cannot hold is shown as #x1B. */
void report_xml(struct str text, bool attribute, struct buf *into);
/** A quoted scalar that every YAML parser reads: whatever is not plainly printable is escaped. */
void report_yaml(struct str text, struct buf *into);
/** A JSON string. */
void report_json(struct str text, struct buf *into);
/** A TAP description or reason: one line in which '#' and '\' are replaced by their wide forms. */
void report_tap(struct str text, struct buf *into);
/** One word of a shell's command line. */
void report_shell(struct str text, struct buf *into);

/* output.c: a file that is written beside its place and renamed, or a stream that is written to. */

struct output {
    int fd;
    char *temporary; /**< NULL when it is written directly */
    char *target;
    int error; /**< the first one, negative */
};

/** Opens it; on failure the error is kept and output_end() returns it. */
void output_begin(struct output *output, const char *path);
void output_add(struct output *output, struct str bytes);
/** Takes over an error of the caller: nothing is renamed then. */
void output_fail(struct output *output, int error);
/** Closes and renames, or removes what was written when there was an error. 0 or a negative errno.
 */
GOTO_MUST_USE int output_end(struct output *output);
/** Writes all bytes to a descriptor. 0 or a negative errno. */
GOTO_MUST_USE int output_write(int fd, struct str bytes);

/* pages.c: what a document keeps of each result until it is written. */

/** One point of TAP: what stands behind its number. */
struct point {
    bool ok;
    struct str head;
    struct str yaml; /**< lines without indentation; empty if none */
};

struct page {
    size_t file_index;
    size_t index;
    unsigned repetition;
    struct str file; /**< masked, as all texts here */
    struct str name;
    struct str reason;
    uint64_t seed;
    int64_t wall_ns;
    int64_t duration_ns;
    bool skipped;
    bool interrupted;
    size_t counts[VERDICT_SKIP + 1];
    struct point *points; /**< TAP */
    size_t point_count;
    struct str text; /**< JUnit: the elements of the cases */
    off_t offset;    /**< NDJSON: where its lines stand in the spool */
    off_t size;
};

struct pages {
    struct arena *arena;
    struct page **items;
    size_t count;
    size_t capacity;
};

void pages_init(struct pages *pages);
void pages_clear(struct pages *pages);
/** Adds what a result says, masked and copied. */
struct page *pages_add(struct pages *pages, const struct result *result);
/** Sorts by file, scenario and repetition. */
void pages_sort(struct pages *pages);
/** " (repetition 2)" from the second on, so that the first keeps the name it has in other runs. */
void pages_print_repetition(unsigned repetition, struct buf *into);
/** A text masked and copied into the arena. */
struct str pages_copy(struct pages *pages, struct str text);

/* words.c */

/** Whose entry it is: a port, a client, an event, a program. */
struct str entry_who(const struct journal *journal, const struct entry *entry);
/**
 * What happened, masked, on one line of at most some 200 characters. `number`: of the entry, 0 when
 * not known (a response then cannot name its request); `times`: with durations and what else
 * differs between two that are alike.
 */
void entry_what(const struct journal *journal, const struct entry *entry, uint64_t number,
                bool times, struct buf *into);
/** The number of the first entry at or after a time; one beyond the last if there is none. */
uint64_t entry_at(const struct journal *journal, int64_t time_ns);
/** The request of the response with that number, when it is still near: NULL if not. */
const struct entry *entry_request(const struct journal *journal, uint64_t number);
/** "+12.3ms", "+0.000s", "-3ms". */
void entry_print_time(int64_t time_ns, struct buf *into);
/** "passed", "failed", "skipped", or "" from the flags of an entry. */
const char *entry_outcome(const struct entry *entry);

/* diff.c, timeline.c */

/** Lines that say where the two values of a failure differ; nothing when they are not structured.
 */
void diff_print(const struct failure *failure, const char *indent, struct buf *into);
/** Whether diff_print() would say something. */
bool diff_is_useful(const struct failure *failure);
/** The part of the journal around a check, at most `most` lines. */
void timeline_print(const struct result *result, const struct check *check, size_t most,
                    const char *indent, struct buf *into);

/* picture.c */

/** "passed", "failed", "error", "skipped". */
const char *verdict_name(enum verdict verdict);
/** The command that runs this scenario again. */
void report_rerun(const struct result *result, const char *program, struct buf *into);
/** A failure as one line for a report, in the arena. */
struct str report_failure_line(const struct failure *failure, struct arena *arena);
/** All that is known of it in one line: for readers who see nothing else. */
struct str report_failure_summary(const struct failure *failure, struct arena *arena);

#endif
