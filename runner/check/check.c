#include "runner/check/check.h"

#include "base/loop.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FAILURE_TEXT = 64 * 1024, /**< bytes of a failure's message */
};

/* Failures. */

static struct failure *failures_push(struct failures *failures)
{
    arena_grow(failures->arena, &failures->items, failures->count, &failures->capacity,
               sizeof *failures->items);
    struct failure *failure = &failures->items[failures->count++];
    *failure = (struct failure){0};
    return failure;
}

void failures_add(struct failures *failures, struct str subject, const struct mismatch *mismatch)
{
    struct arena *arena = failures->arena;
    struct failure *failure = failures_push(failures);
    failure->place = mismatch->place;
    failure->subject = arena_copy(arena, subject);
    failure->predicate = arena_copy(arena, mismatch->predicate);
    failure->expected = arena_copy(arena, mismatch->expected);
    failure->actual = arena_copy(arena, mismatch->actual);
    failure->note = arena_copy(arena, mismatch->note);
    if (mismatch->expected_json && mismatch->actual_json) {
        failure->expected_json = mismatch->expected_json;
        failure->actual_json = mismatch->actual_json;
        failure->subset = mismatch->subset;
    }
}

struct failure *failures_say(struct failures *failures, struct place place, const char *subject,
                             const char *format, ...)
{
    struct failure *failure = failures_push(failures);
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    GOTO_ASSERT(size >= 0);
    size_t kept = size > FAILURE_TEXT ? FAILURE_TEXT : (size_t)size;
    failure->place = place;
    failure->subject = arena_copy(failures->arena, str_of(subject));
    failure->message = arena_copy(failures->arena, (struct str){text, kept});
    free(text);
    return failure;
}

bool failures_test(struct failures *failures, const struct predicate *predicate,
                   const char *subject, const struct json *value)
{
    struct mismatch mismatch = {0};
    if (!predicate || predicate_test(predicate, value, failures->arena, &mismatch))
        return true;
    failures_add(failures, str_of(subject), &mismatch);
    return false;
}

bool failures_test_time(struct failures *failures, const struct predicate *predicate,
                        const char *subject, int64_t ns, const struct loop *loop, int64_t start_ns,
                        int64_t end_ns)
{
    const struct json *value = ns < 0 ? NULL : json_integer(failures->arena, ns);
    if (failures_test(failures, predicate, subject, value))
        return true;
    if (!loop || !predicate_has_upper_bound(predicate))
        return false;
    struct failure *failure = &failures->items[failures->count - 1];
    struct buf lag;
    buf_init(&lag, BUF_OWN);
    units_write_time(loop_lag(loop, start_ns, end_ns), &lag);
    const char *between = failure->note.size ? "; " : "";
    failure->note = arena_printf(failures->arena,
                                 STR_FMT "%sour own loop was at most " STR_FMT " late in that time",
                                 STR_ARG(failure->note), between, STR_ARG(buf_str(&lag)));
    buf_clear(&lag);
    return false;
}

struct str failure_line(const struct failure *failure, struct arena *arena)
{
    const struct str none = STR("nothing");
    struct buf line;
    buf_init(&line, BUF_OWN);
    buf_append(&line, failure->subject);
    if (failure->subject.size)
        buf_append_string(&line, ": ");
    if (failure->message.size) {
        buf_append(&line, failure->message);
    } else {
        buf_append_string(&line, "expected ");
        buf_append(&line, failure->expected.size ? failure->expected : none);
        buf_append_string(&line, ", got ");
        buf_append(&line, failure->actual.size ? failure->actual : none);
    }
    struct str copy = arena_copy(arena, buf_str(&line));
    buf_clear(&line);
    return copy;
}

/* Checks. */

struct check *checks_add(struct checks *checks, struct str name, struct place place)
{
    struct check *check = arena_alloc(checks->arena, sizeof *check);
    check->name = name;
    check->place = place;
    check->verdict = VERDICT_SKIP;
    check->failures.arena = checks->arena;
    arena_grow(checks->arena, &checks->items, checks->count, &checks->capacity,
               sizeof(struct check *));
    checks->items[checks->count++] = check;
    return check;
}

size_t checks_count(const struct checks *checks, enum verdict verdict)
{
    size_t count = 0;
    for (size_t i = 0; checks && i < checks->count; i++)
        count += checks->items[i]->verdict == verdict;
    return count;
}
