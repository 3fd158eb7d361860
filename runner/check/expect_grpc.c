#include "runner/check/expect_grpc.h"

#include "runner/check/error.h"
#include "runner/check/expect_http.h"
#include "runner/client/http.h"
#include "server/grpc/metadata.h"
#include "server/grpc/status.h"

/* The table. */

static const char *const status_names[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED",
                                           NULL};

static const struct type error_type = TYPE_PREDICATE_CHOICE(error_names);
const struct type grpc_status_predicate = TYPE_PREDICATE_CODE(status_names);

static const struct row expect_rows[] = {
    {"status", &grpc_status_predicate, offsetof(struct grpc_expect, status), 0, NULL,
     "How the call ended: OK, NOT_FOUND …, or a code without a name: 42; also what the client "
     "makes of an HTTP status, of "
     "RST_STREAM and of its deadline."},
    {"status-message", &type_predicate_text, offsetof(struct grpc_expect, status_message), 0, NULL,
     "The message of the status; empty where there is none."},
    {"json", &body_literal_type, offsetof(struct grpc_expect, message.json), 0, NULL,
     "The one message equals this. A literal: predicates stand in `jsonpath`."},
    {"json-subset", &body_literal_type, offsetof(struct grpc_expect, message.json_subset), 0, NULL,
     "Every member given is in the one message and equal; lists have equal length and compare by "
     "position."},
    {"jsonpath", &body_jsonpaths_type, offsetof(struct grpc_expect, message.jsonpath), 0, NULL,
     "RFC 9535 paths into the one message, with a predicate each."},
    {"messages", &type_predicate_json, offsetof(struct grpc_expect, messages), 0, NULL,
     "All messages that came: a list of values that they equal one by one, or a predicate on the "
     "list."},
    {"metadata", &expect_texts_type, offsetof(struct grpc_expect, metadata), 0, NULL,
     "Name to predicate, of what came before the messages; values of a name with -bin are Base64."},
    {"trailers", &expect_texts_type, offsetof(struct grpc_expect, trailers), 0, NULL,
     "The same of what came behind them."},
    {"duration", &type_predicate_duration, offsetof(struct grpc_expect, duration), 0, NULL,
     "From the start of this try to its end."},
    {"error", &error_type, offsetof(struct grpc_expect, error), 0, NULL,
     "The call has to fail so. `any` is every error but a fault of the harness, `tls` every "
     "tls-…"},
};
static const struct table expect_table = {
    TABLE_ROWS("expect", expect_rows),
    .doc = "What must hold of the call. Without `error` it must come to its end, with any status; "
           "RST_STREAM and a deadline that ran out are such an end where `status` is given.",
};
const struct type grpc_expect_type = TYPE_TABLE(&expect_table, struct grpc_expect);

/* What came, in words. */

struct str grpc_result_status(const struct grpc_result *result, struct arena *arena)
{
    const char *name = grpc_status_name(result->status);
    return name ? str_of(name) : arena_printf(arena, "%d", result->status);
}

struct str grpc_result_words(const struct grpc_result *result, struct arena *arena)
{
    struct str status = grpc_result_status(result, arena);
    if (!result->derived.data)
        return status;
    return arena_printf(arena, STR_FMT " (derived from " STR_FMT ")", STR_ARG(status),
                        STR_ARG(result->derived));
}

static struct str failure_words(const struct grpc_result *result, struct arena *arena)
{
    struct str words = http_failure_words(&result->failure, arena);
    if (result->status < 0)
        return words;
    return arena_printf(arena, STR_FMT "; status %s", STR_ARG(words),
                        arena_copy(arena, grpc_result_words(result, arena)).data);
}

/* Judging. */

static void judge_error(const struct predicate *predicate, const struct grpc_result *result,
                        struct failures *failures)
{
    struct arena *arena = failures->arena;
    struct mismatch mismatch = {0};
    struct str name = result->failure.name ? str_of(result->failure.name) : STR("");
    const struct json *value = NULL;
    struct buf words;
    if (!result->complete)
        value = json_string(arena, error_spoken(predicate, name));
    if (predicate_test(predicate, value, arena, &mismatch))
        return;
    buf_init(&words, BUF_OWN);
    predicate_describe(predicate, &words);
    failures_say(failures, mismatch.place, "error", "expected " STR_FMT ", got %s" STR_FMT,
                 STR_ARG(buf_str(&words)), result->complete ? "an answer: " : "",
                 STR_ARG(result->complete ? grpc_result_words(result, arena)
                                          : failure_words(result, arena)));
    buf_clear(&words);
}

/** Whether the other keys can be judged. */
static bool judge_end(const struct grpc_expect *expect, const struct grpc_result *result,
                      struct place verb_place, struct failures *failures)
{
    if (!result->complete && result->failure.harness) {
        failures_say(failures, result->place.line ? result->place : verb_place, "grpc",
                     "the call could not be made: " STR_FMT, STR_ARG(result->failure.why));
        return false;
    }
    if (expect && expect->error) {
        judge_error(expect->error, result, failures);
        return true;
    }
    if (result->complete || (result->by_status && expect && expect->status))
        return true;
    failures_say(failures, verb_place, "grpc", "the call failed: " STR_FMT,
                 STR_ARG(failure_words(result, failures->arena)));
    return false;
}

static void judge_status(const struct predicate *predicate, const struct grpc_result *result,
                         struct failures *failures)
{
    struct arena *arena = failures->arena;
    const struct json *value =
        result->status < 0 ? NULL : json_string(arena, grpc_result_status(result, arena));
    if (failures_test(failures, predicate, "status", value) || !failures->count)
        return;
    struct failure *failure = &failures->items[failures->count - 1];
    struct str derived = result->derived.data ? arena_printf(arena, "derived from " STR_FMT,
                                                             STR_ARG(result->derived))
                                              : STR("");
    if (failure->note.size == 0 && (derived.size || result->status_message.size))
        failure->note = arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(derived),
                                     derived.size && result->status_message.size ? ": " : "",
                                     STR_ARG(result->status_message));
}

static void message_failure(void *context, struct str subject, const struct mismatch *mismatch)
{
    failures_add(context, subject, mismatch);
}

/** Checks on the one message. */
static void judge_message(const struct grpc_expect *expect, const struct grpc_result *result,
                          struct failures *failures)
{
    const struct body_check *check = &expect->message;
    struct buf text;
    if (body_check_is_empty(check))
        return;
    if (result->messages->count != 1) {
        struct place place = check->json ? check->json_place
                             : check->json_subset
                                 ? check->json_subset_place
                                 : ((const struct map_entry *)check->jsonpath.items)->place;
        failures_say(failures, place, "json", "expected one message, got %zu; status %s",
                     result->messages->count,
                     arena_copy(failures->arena, grpc_result_words(result, failures->arena)).data);
        return;
    }
    buf_init(&text, BUF_OWN);
    json_write(result->messages->elements[0], &text);
    (void)body_check_test(check, arena_copy(failures->arena, buf_str(&text)), failures->arena,
                          message_failure, failures);
    buf_clear(&text);
}

static void judge_metadata(const char *what, const struct list *expected,
                           const struct headers *headers, struct failures *failures)
{
    const struct map_entry *entries = expected->items;
    for (size_t i = 0; i < expected->count; i++) {
        struct str subject =
            arena_printf(failures->arena, "%s " STR_FMT, what, STR_ARG(entries[i].name));
        (void)failures_test(failures, *(struct predicate *const *)entries[i].value, subject.data,
                            grpc_metadata_json(headers, entries[i].name, failures->arena));
    }
}

void grpc_expect_judge(const struct grpc_expect *expect, const struct grpc_result *result,
                       struct place verb_place, const struct loop *loop, struct failures *failures)
{
    if (!judge_end(expect, result, verb_place, failures) || !expect)
        return;
    if (expect->status)
        judge_status(expect->status, result, failures);
    (void)failures_test(failures, expect->status_message, "status-message",
                        result->status < 0 ? NULL
                                           : json_string(failures->arena, result->status_message));
    judge_message(expect, result, failures);
    (void)failures_test(failures, expect->messages, "messages", result->messages);
    judge_metadata("metadata", &expect->metadata, &result->metadata, failures);
    judge_metadata("trailer", &expect->trailers, &result->trailers, failures);
    (void)failures_test_time(failures, expect->duration, "duration", result->duration_ns, loop,
                             result->start_ns, result->end_ns);
}
