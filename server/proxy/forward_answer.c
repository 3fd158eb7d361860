#include "server/proxy/forward_answer.h"

#include "server/proxy/forward_edit.h"

#include <string.h>
#include <zlib.h>

/** An answer while it is made. */
struct making {
    const struct forward_response *response;
    const struct forward_came *came;
    struct template_context *context;
    size_t most;
    struct arena *arena;
    struct forward_given *given;
    struct str *why;
};

static bool fail(struct making *making, struct str why)
{
    *making->why = why;
    return false;
}

/* Content codings. */

/** Unpacks gzip or the zlib format, whichever it is, into `into`. */
static bool inflate_all(struct str body, int window, struct buf *into)
{
    enum { ROOM = 16 * 1024 };
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)body.data,
                       .avail_in = (unsigned)body.size};
    int result = inflateInit2(&stream, window);
    GOTO_ASSERT(result == Z_OK && body.size <= BUF_OWN);
    while (result == Z_OK) {
        size_t room = into->most - into->size < ROOM ? into->most - into->size : ROOM;
        char *space = buf_reserve(into, room + (room == 0));
        if (!space)
            break;
        stream.next_out = (unsigned char *)space;
        stream.avail_out = (unsigned)room;
        result = inflate(&stream, Z_NO_FLUSH);
        into->size += room - stream.avail_out;
    }
    inflateEnd(&stream);
    return result == Z_STREAM_END && stream.avail_in == 0;
}

bool forward_unpack(const struct headers *headers, struct str body, size_t most,
                    struct arena *arena, struct str *unpacked, struct str *why)
{
    struct str coding = headers_get(headers, STR("content-encoding"));
    bool gzip = str_equal_nocase(coding, STR("gzip")) || str_equal_nocase(coding, STR("x-gzip"));
    bool deflate = str_equal_nocase(coding, STR("deflate"));
    struct buf text;
    *unpacked = body;
    if (!coding.size || str_equal_nocase(coding, STR("identity")) || !body.size)
        return true;
    if (!gzip && !deflate) {
        *why = arena_printf(arena,
                            "its body is coded as " STR_FMT
                            ", which cannot be read: write headers: {remove: accept-encoding}",
                            STR_ARG(coding));
        return false;
    }
    buf_init(&text, most);
    bool whole = inflate_all(body, MAX_WBITS + 32, &text);
    if (!whole && deflate && !text.full) {
        /* many take deflate for what it is called, not for the zlib format of RFC 9110 */
        buf_reset(&text);
        whole = inflate_all(body, -MAX_WBITS, &text);
    }
    if (whole)
        *unpacked = arena_copy(arena, buf_str(&text));
    else
        *why = text.full ? STR("its body is larger than the limit `body-size` once it is unpacked")
                         : arena_printf(arena, "its body is no " STR_FMT, STR_ARG(coding));
    buf_clear(&text);
    return whole;
}

/* The body. */

/** One text in the place of each `from`. */
static bool replace_all(struct making *making, const struct forward_replace *replace,
                        struct str *text)
{
    struct str to = template_text(replace->to, making->context, making->arena);
    struct str rest = *text;
    struct buf out;
    ptrdiff_t at = str_find(rest, replace->from);
    if (at < 0)
        return true;
    buf_init(&out, making->most);
    for (; at >= 0; at = str_find(rest, replace->from)) {
        buf_append(&out, str_slice(rest, 0, (size_t)at));
        buf_append(&out, to);
        rest = str_from(rest, (size_t)at + replace->from.size);
    }
    buf_append(&out, rest);
    bool fits = !buf_full(&out);
    *text = arena_copy(making->arena, buf_str(&out));
    buf_clear(&out);
    return fits ? true
                : fail(making, STR("replace: the body gets larger than the limit `body-size`"));
}

static bool patch_body(struct making *making, struct str *text)
{
    struct arena *arena = making->arena;
    const struct forward_response *response = making->response;
    const struct forward_patch *patches = response->patch.items;
    struct json_error error;
    struct str why = {0};
    const struct json *document = json_read(arena, *text, &error);
    if (!document)
        return fail(making, arena_printf(arena, "json-patch: its body is no JSON: %s at byte %zu",
                                         error.message, error.offset));
    struct json_patch_step *steps = arena_alloc_array(arena, response->patch.count, sizeof *steps);
    for (size_t i = 0; i < response->patch.count; i++) {
        steps[i] = (struct json_patch_step){
            .operation = (enum json_patch_operation)patches[i].operation,
            .path = patches[i].path,
            .from = patches[i].from,
        };
        if (patches[i].value)
            steps[i].value = template_json(patches[i].value, making->context, arena);
    }
    document = json_patch_apply(arena, document, steps, response->patch.count, &why);
    if (!document)
        return fail(making, arena_printf(arena, "json-patch: " STR_FMT, STR_ARG(why)));
    struct buf out;
    buf_init(&out, making->most);
    json_write(document, &out);
    bool fits = !buf_full(&out);
    *text = arena_copy(arena, buf_str(&out));
    buf_clear(&out);
    return fits ? true
                : fail(making, STR("json-patch: the body gets larger than the limit `body-size`"));
}

static bool make_body(struct making *making)
{
    const struct forward_response *response = making->response;
    const struct forward_replace *replaces = response->replace.items;
    struct str *body = &making->given->body;
    making->given->has_body = response->body || response->json || !making->came->bodiless;
    if (response->body || response->json) {
        *body = template_text(response->body ? response->body : response->json, making->context,
                              making->arena);
        return true;
    }
    if (making->came->bodiless)
        return true;
    if (!forward_unpack(making->came->headers, making->came->body, making->most, making->arena,
                        body, making->why))
        return false;
    for (size_t i = 0; i < response->replace.count; i++)
        if (!replace_all(making, &replaces[i], body))
            return false;
    return response->patch.count == 0 || patch_body(making, body);
}

/* The head. */

static bool make_status(struct making *making)
{
    struct forward_given *given = making->given;
    uint64_t status;
    if (!making->response->status)
        return true;
    struct str text = template_text(making->response->status, making->context, making->arena);
    bool stays = str_to_u64(text, 999, &status) && status == making->came->status;
    if (!stays && (!str_to_u64(text, 999, &status) || status < 200))
        return fail(making, arena_printf(making->arena,
                                         "response: '" STR_FMT "' is no status from 200 to 999",
                                         STR_ARG(str_slice(text, 0, 40))));
    if (given->status != (unsigned)status)
        given->reason = (struct str){0};
    given->status = (unsigned)status;
    return true;
}

static void make_headers(struct making *making)
{
    const struct forward_response *response = making->response;
    struct headers *headers = &making->given->headers;
    const struct headers *from = making->came->headers;
    for (size_t i = 0; from && i < from->count; i++)
        if (!str_equal_nocase(from->items[i].name, STR("content-length")))
            headers_add(headers, making->arena, from->items[i].name, from->items[i].value);
    if (response && response->makes_body)
        headers_remove(headers, STR("content-encoding"));
    if (response && (response->body || response->json)) {
        headers_remove(headers, STR("content-type"));
        headers_add(headers, making->arena, STR("content-type"),
                    response->json ? STR("application/json") : STR("text/plain; charset=utf-8"));
    }
    if (response)
        forward_edit_headers(&response->headers, making->context, making->arena, headers);
}

bool forward_make_answer(const struct forward_response *response, const struct forward_came *came,
                         struct template_context *context, size_t most, struct arena *arena,
                         struct forward_given *given, struct str *why)
{
    struct making making = {response, came, context, most, arena, given, why};
    *given = (struct forward_given){
        .status = came->status ? came->status : 200,
        .reason = came->reason,
        .body = came->body,
    };
    if (response && !make_status(&making))
        return false;
    if (response && response->makes_body && !make_body(&making))
        return false;
    make_headers(&making);
    return true;
}
