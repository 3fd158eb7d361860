#include "runner/check/expect_tcp.h"

#include "runner/check/error.h"
#include "runner/client/http.h"

/* The table. */

static const char *const closed_names[] = {"none", "peer", "reset", NULL};

static const struct type error_type = TYPE_PREDICATE_CHOICE(error_names);
static const struct type closed_type = TYPE_PREDICATE_CHOICE(closed_names);

static const struct row expect_rows[] = {
    {"received", &type_predicate_text, offsetof(struct tcp_expect, received), 0, NULL,
     "Every byte that came in this step; it waits for the peer to close."},
    {"closed-by", &closed_type, offsetof(struct tcp_expect, closed_by), 0, NULL,
     "Who ended the connection: peer (FIN) or reset (RST), for which it waits, or none: this side "
     "did."},
    {"duration", &type_predicate_duration, offsetof(struct tcp_expect, duration), 0, NULL,
     "From the start of this try to its end."},
    {"error", &error_type, offsetof(struct tcp_expect, error), 0, NULL,
     "The step has to fail so: a receive that does not get what it waits for is "
     "connection-closed, connection-reset or timeout."},
};
static const struct table expect_table = {
    TABLE_ROWS("expect", expect_rows),
    .doc = "What must hold of the connection. Without `error` every receive has to get what it "
           "waits for, and what is sent has to be taken.",
};
const struct type tcp_expect_type = TYPE_TABLE(&expect_table, struct tcp_expect);

/* What it waits for. */

/** Which ends a predicate names. */
struct ends_named {
    bool none;
    bool other;
};

static void end_visit(void *context, struct str literal, struct place place)
{
    struct ends_named *named = context;
    bool none = str_is(literal, "none");
    (void)place;
    named->none = named->none || none;
    named->other = named->other || !none;
}

static struct ends_named ends_named(const struct tcp_expect *expect)
{
    struct ends_named named = {0};
    if (expect && expect->closed_by)
        predicate_visit_literals(expect->closed_by, end_visit, &named);
    return named;
}

bool tcp_expect_waits(const struct tcp_expect *expect)
{
    struct ends_named named = ends_named(expect);
    return expect && (expect->received || (named.other && !named.none));
}

bool tcp_expect_allows_reset(const struct tcp_expect *expect)
{
    return expect && expect->closed_by;
}

/* Judging. */

static struct str failure_words(const struct tcp_failure *failure, struct arena *arena)
{
    if (!failure->name)
        return failure->why;
    return arena_printf(arena, "%s (" STR_FMT ")", failure->name, STR_ARG(failure->why));
}

/** With `error` given: the failure has to be that one. */
static void judge_error(const struct predicate *predicate, const struct tcp_result *result,
                        struct failures *failures)
{
    struct arena *arena = failures->arena;
    struct mismatch mismatch = {0};
    struct str name = result->failure.name ? str_of(result->failure.name) : STR("");
    const struct json *value = NULL;
    if (!result->complete)
        value = json_string(arena, error_spoken(predicate, name));
    if (predicate_test(predicate, value, arena, &mismatch))
        return;
    struct buf words;
    buf_init(&words, BUF_OWN);
    predicate_describe(predicate, &words);
    if (result->complete)
        failures_say(failures, mismatch.place, "error",
                     "expected " STR_FMT ", and the step came to its end",
                     STR_ARG(buf_str(&words)));
    else
        failures_say(failures, mismatch.place, "error", "expected " STR_FMT ", got " STR_FMT,
                     STR_ARG(buf_str(&words)), STR_ARG(failure_words(&result->failure, arena)));
    buf_clear(&words);
}

/** A step that did not come to its end, though it should have. */
static void judge_failure(const struct tcp_result *result, struct place verb_place,
                          struct failures *failures)
{
    const struct tcp_failure *failure = &result->failure;
    if (failure->harness) {
        failures_say(failures, verb_place, "tcp", "the step could not be run: " STR_FMT,
                     STR_ARG(failure->why));
        return;
    }
    if (failure->expected.size == 0) {
        failures_say(failures, verb_place, "tcp", "the connection failed: " STR_FMT,
                     STR_ARG(failure_words(failure, failures->arena)));
        return;
    }
    const struct mismatch mismatch = {
        .place = failure->place,
        .predicate = STR("receive"),
        .expected = failure->expected,
        .actual = failure->actual,
    };
    failures_add(failures, STR("receive"), &mismatch);
}

static void judge_received(const struct predicate *predicate, const struct tcp_result *result,
                           struct failures *failures)
{
    if (!predicate)
        return;
    if (result->received.size < result->size) {
        failures_say(failures, predicate_place(predicate), "received",
                     "more came than the 64 MiB that are kept of it: %llu bytes",
                     (unsigned long long)result->size);
        return;
    }
    (void)failures_test(failures, predicate, "received",
                        result->connected ? json_string(failures->arena, result->received) : NULL);
}

void tcp_expect_judge(const struct tcp_expect *expect, const struct tcp_result *result,
                      struct place verb_place, const struct loop *loop, struct failures *failures)
{
    bool asked = expect && expect->error && !result->failure.harness;
    if (asked)
        judge_error(expect->error, result, failures);
    else if (!result->complete)
        judge_failure(result, verb_place, failures);
    if (!expect || (!result->complete && !asked))
        return;
    judge_received(expect->received, result, failures);
    (void)failures_test(failures, expect->closed_by, "closed-by",
                        result->connected
                            ? json_string(failures->arena, str_of(closed_names[result->closed_by]))
                            : NULL);
    (void)failures_test_time(failures, expect->duration, "duration", result->duration_ns, loop,
                             result->start_ns, result->end_ns);
}
