#include "runner/check/verify_words.h"

#include "server/http/h2.h"

#include <inttypes.h>

enum { WORDS_SIZE = 80 }; /**< bytes of a text of the peer that are shown */

const struct json *entry_json(const struct entry *entry, struct arena *arena)
{
    struct json_error error;
    struct str text = {entry->data, entry->data ? entry->data_size : 0};
    const struct json *object = text.size ? json_read(arena, text, &error) : NULL;
    return object && object->kind == JSON_OBJECT ? object : NULL;
}

static struct str member_text(const struct json *object, const char *name)
{
    const struct json *value = object ? json_get(object, str_of(name)) : NULL;
    return value && value->kind == JSON_STRING ? value->text : (struct str){0};
}

/** Appends a text, cut where a character begins. */
static void words_text(struct str text, struct buf *into)
{
    size_t size = text.size;
    if (size > WORDS_SIZE) {
        size = WORDS_SIZE;
        while (size && ((unsigned char)text.data[size] & 0xc0) == 0x80)
            size--;
    }
    buf_append(into, str_slice(text, 0, size));
    if (size < text.size)
        buf_append_string(into, "…");
}

/** ", sni a.example"; nothing when it is not known. */
static void words_member(const struct json *object, const char *name, struct buf *into)
{
    struct str text = member_text(object, name);
    if (text.size == 0)
        return;
    buf_printf(into, ", %s ", name);
    words_text(text, into);
}

/** Why it failed: the alert and who sent it, else OpenSSL's words. */
static void words_failure(const struct json *object, struct buf *into)
{
    struct str alert = member_text(object, "alert");
    struct str from = member_text(object, "alert-from");
    struct str error = member_text(object, "error");
    if (alert.size) {
        buf_append_string(into, ": the ");
        words_text(from.size ? from : STR("peer"), into);
        buf_append_string(into, " sent ");
        words_text(alert, into);
    } else if (error.size) {
        buf_append_string(into, ": ");
        words_text(error, into);
    }
}

void handshake_words(const struct entry *entry, struct buf *into)
{
    static const char *const members[] = {"sni", "alpn", "certificate", "client-cert"};
    struct arena *arena = arena_new();
    const struct json *object = entry_json(entry, arena);
    struct str version = member_text(object, "version");
    const struct json *resumed = object ? json_get(object, STR("resumed")) : NULL;
    bool failed = entry->flags & ENTRY_FAILED;
    words_text(version.size ? version : STR("TLS"), into);
    for (size_t i = 0; i < COUNT_OF(members); i++)
        words_member(object, members[i], into);
    if (resumed && resumed->kind == JSON_BOOL && resumed->boolean)
        buf_append_string(into, ", resumed");
    if (failed)
        buf_append_string(into, ", failed");
    /* a late alert is told of a handshake that stood for our side */
    else if (member_text(object, "alert").size)
        buf_append_string(into, ", then");
    words_failure(object, into);
    arena_free(arena);
}

void frame_words(const struct entry *entry, struct buf *into)
{
    char room[24];
    bool reset = entry->kind == ENTRY_RESET;
    struct str name = h2_error_name((uint32_t)entry->value, room);
    buf_printf(into, "%s " STR_FMT, reset ? "RST_STREAM" : "GOAWAY", STR_ARG(name));
    if (entry->flags & (ENTRY_CLOSED_BY_CLIENT | ENTRY_CLOSED_BY_SERVER))
        buf_printf(into, " from the %s",
                   entry->flags & ENTRY_CLOSED_BY_CLIENT ? "client" : "server");
    buf_printf(into, ", %s %" PRIu64, reset ? "stream" : "last stream", entry->extra);
    if (entry->data_size) {
        buf_append_string(into, ": ");
        words_text((struct str){entry->data, entry->data_size}, into);
    }
}

/** What the far side's part came to. */
static void forward_outcome(const struct entry *entry, const struct json *object, struct buf *into)
{
    struct str why = member_text(object, "why");
    if (entry->flags & ENTRY_PASSED) {
        buf_printf(into, "%u", entry->status);
        return;
    }
    if (entry->status)
        buf_printf(into, "%u, then ", entry->status);
    if (entry->flags & ENTRY_SKIPPED) {
        buf_append_string(into, "given up");
        return;
    }
    words_text(member_text(object, "error"), into);
    if (why.size) {
        buf_append_string(into, ": ");
        words_text(why, into);
    }
}

void forward_words(const struct entry *entry, struct buf *into)
{
    struct arena *arena = arena_new();
    const struct json *object = entry_json(entry, arena);
    const struct json *given = object ? json_get(object, STR("given")) : NULL;
    struct str call = member_text(object, "call");
    uint64_t status = 0;
    buf_append_string(into, object && json_get(object, STR("copy")) ? "copy to " : "to ");
    words_text(member_text(object, "to"), into);
    if (call.size)
        buf_printf(into, " (" STR_FMT ")", STR_ARG(call));
    buf_append_string(into, ": ");
    words_text(member_text(object, "method"), into);
    buf_append_byte(into, ' ');
    words_text(member_text(object, "target"), into);
    buf_append_string(into, " → ");
    forward_outcome(entry, object, into);
    if (given && str_to_u64(given->text, 999, &status) && status && status != entry->status)
        buf_printf(into, ", the client got %u", (unsigned)status);
    arena_free(arena);
}
