/* The subjects below requests: TLS handshakes, and what ends streams and connections of HTTP/2. */
#include "runner/check/verify_private.h"

#include "runner/check/verify_words.h"
#include "server/http/h2.h"

#include <inttypes.h>

/* Handshakes */

/** A key that selects by a member of the handshake's JSON object. */
static const struct {
    const char *member;
    size_t offset; /**< of the predicate in struct verify_keys */
    const char *why;
} handshake_keys[] = {
    {"version", offsetof(struct verify_keys, version), "another version"},
    {"sni", offsetof(struct verify_keys, sni), "another sni"},
    {"alpn", offsetof(struct verify_keys, alpn), "another alpn"},
    {"certificate", offsetof(struct verify_keys, certificate), "another certificate"},
    {"client-cert", offsetof(struct verify_keys, client_cert), "another client certificate"},
    {"alert", offsetof(struct verify_keys, alert), "another alert"},
};

static const struct predicate *handshake_key(const struct verify_keys *keys, size_t at)
{
    return *(struct predicate *const *)((const char *)keys + handshake_keys[at].offset);
}

bool handshake_keys_select(const struct verify_keys *keys)
{
    for (size_t i = 0; i < COUNT_OF(handshake_keys); i++) {
        if (handshake_key(keys, i))
            return true;
    }
    return false;
}

static const struct json *handshake_member(const struct json *object, const char *name)
{
    return object ? json_get(object, str_of(name)) : NULL;
}

bool handshake_takes(struct view *view, struct picked *picked, struct rejection *rejection)
{
    struct arena *arena = arena_new();
    const struct json *object = entry_json(picked->entry, arena);
    bool holds = true;
    for (size_t i = 0; holds && i < COUNT_OF(handshake_keys); i++) {
        const struct predicate *key = handshake_key(view->keys, i);
        const struct json *value = handshake_member(object, handshake_keys[i].member);
        holds = key_holds(rejection, !key || predicate_test(key, value, arena, NULL),
                          handshake_keys[i].why);
    }
    holds = holds && in_window(view, picked, rejection);
    arena_free(arena);
    return holds;
}

void handshake_show(const struct view *view, const struct picked *picked, struct buf *into)
{
    const struct entry *entry = picked->entry;
    (void)view;
    buf_printf(into, "handshake %" PRIu64 ": ", entry->connection);
    handshake_words(entry, into);
    show_time(entry, into);
}

/** `failed`: how many of those selected did. */
void judge_failed(struct view *view)
{
    struct arena *arena = view->failures->arena;
    int64_t failed = 0;
    if (!view->keys->failed)
        return;
    for (size_t i = 0; i < view->count; i++)
        failed += (view->picked[i].entry->flags & ENTRY_FAILED) != 0;
    struct str subject = arena_printf(arena, "failed " STR_FMT, STR_ARG(view_title(view)));
    if (!failures_test(view->failures, view->keys->failed, subject.data,
                       json_integer(arena, failed)))
        note_selection(view);
}

/* Frames */

/** A code is known by its name and by its number, 57005 or 0xdead: a predicate may be about each.
 */
static const struct json *frame_code(const struct entry *entry, struct arena *arena)
{
    char room[24];
    uint32_t code = (uint32_t)entry->value;
    struct json *all = json_array(arena);
    struct str name = arena_copy(arena, h2_error_name(code, room));
    json_push(arena, all, json_string(arena, name));
    json_push(arena, all, json_string(arena, arena_printf(arena, "%" PRIu32, code)));
    json_push(arena, all, json_string(arena, arena_printf(arena, "0x%" PRIx32, code)));
    return all;
}

static bool frame_number_holds(const struct predicate *predicate, bool has, uint64_t number,
                               struct arena *arena)
{
    return !predicate ||
           predicate_test(predicate, has ? json_integer(arena, (int64_t)number) : NULL, arena,
                          NULL);
}

bool frame_takes(struct view *view, struct picked *picked, struct rejection *rejection)
{
    const struct verify_keys *keys = view->keys;
    const struct entry *entry = picked->entry;
    bool reset = entry->kind == ENTRY_RESET;
    struct arena *arena = arena_new();
    bool holds =
        key_holds(rejection,
                  keys->frame == FRAMES_ALL || (keys->frame == FRAMES_RST_STREAM) == reset,
                  reset ? "it is RST_STREAM" : "it is GOAWAY") &&
        key_holds(rejection, closed_by_holds(keys->closed_by, entry->flags), "by the other side") &&
        key_holds(rejection,
                  !keys->code || predicate_test(keys->code, frame_code(entry, arena), arena, NULL),
                  "another code") &&
        key_holds(rejection, frame_number_holds(keys->stream_id, reset, entry->extra, arena),
                  "another stream") &&
        key_holds(rejection, frame_number_holds(keys->last_stream, !reset, entry->extra, arena),
                  "another last-stream-id") &&
        in_window(view, picked, rejection);
    arena_free(arena);
    return holds;
}

void frame_show(const struct view *view, const struct picked *picked, struct buf *into)
{
    const struct entry *entry = picked->entry;
    frame_words(entry, into);
    buf_printf(into, " (connection #%" PRIu64, entry->connection);
    if (!view->name_id)
        buf_printf(into, " to " STR_FMT, STR_ARG(journal_name(view->journal, entry->subject)));
    buf_append_byte(into, ')');
    show_time(entry, into);
}
