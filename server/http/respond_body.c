#include "server/http/echo.h"
#include "server/http/respond_private.h"

#include <string.h>

static const struct respond echo_block = {.echo = true};
const struct respond *const respond_echo = &echo_block;

bool respond_is_produced(const struct respond *respond)
{
    return respond->random || respond->stream || respond->events;
}

/* Bodies. */

struct str respond_body(const struct respond *respond, struct exchange *exchange,
                        struct template_context *context, struct arena *arena)
{
    if (respond->body)
        return template_text(respond->body, context, arena);
    if (respond->json)
        return template_text(respond->json, context, arena);
    if (respond->file)
        return respond->file->bytes;
    if (respond->echo)
        return echo_text(exchange, context->upstream, arena);
    return (struct str){0};
}

struct str respond_content_type(const struct respond *respond)
{
    if (respond->json || respond->echo)
        return STR("application/json");
    if (respond->body || (respond->stream && respond->stream->body))
        return STR("text/plain; charset=utf-8");
    if (respond->file)
        return respond->file->content_type;
    if (respond->random)
        return STR("application/octet-stream");
    if (respond->stream)
        return STR("application/x-ndjson");
    if (respond->events)
        return STR("text/event-stream");
    return (struct str){0};
}

/** The first line of a text without its end; `*text` becomes the rest, its data NULL after the
 * last. */
static struct str take_line(struct str *text)
{
    size_t size = 0;
    while (size < text->size && text->data[size] != '\r' && text->data[size] != '\n')
        size++;
    struct str line = str_slice(*text, 0, size);
    if (size == text->size) {
        *text = (struct str){0};
        return line;
    }
    bool both = text->data[size] == '\r' && size + 1 < text->size && text->data[size + 1] == '\n';
    size += both ? 2 : 1;
    *text = (struct str){text->data + size, text->size - size};
    return line;
}

/** One event in the form of the HTML standard, section 9.2.6: a `data` line for each line. */
static struct str event_text(struct str name, struct str data, struct arena *arena)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    if (name.size) {
        buf_append_string(&text, "event: ");
        buf_append(&text, take_line(&name));
        buf_append_byte(&text, '\n');
    }
    do {
        buf_append_string(&text, "data: ");
        buf_append(&text, take_line(&data));
        buf_append_byte(&text, '\n');
    } while (data.data);
    buf_append_byte(&text, '\n');
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

struct str respond_item(const struct respond *respond, struct template_context *context,
                        struct arena *arena)
{
    const struct respond_items *items = respond->events ? respond->events : respond->stream;
    struct str text = template_text(items->json ? items->json : items->body, context, arena);
    if (respond->events) {
        struct str name =
            items->event ? template_text(items->event, context, arena) : (struct str){0};
        return event_text(name, text, arena);
    }
    if (!items->json)
        return text;
    return arena_printf(arena, STR_FMT "\n", STR_ARG(text));
}

/* Headers. */

const struct respond_values *respond_header(const struct list *headers, struct str name)
{
    const struct map_entry *entries = headers->items;
    for (size_t i = 0; i < headers->count; i++)
        if (str_equal_nocase(entries[i].name, name))
            return entries[i].value;
    return NULL;
}

struct str respond_line(const struct template *template, struct template_context *context,
                        struct arena *arena)
{
    struct template_context none = {0};
    struct str text = template_text(template, context ? context : &none, arena);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\r' && text.data[i] != '\n' && text.data[i] != 0)
            continue;
        char *clean = arena_alloc(arena, text.size);
        for (size_t j = 0; j < text.size; j++) {
            char c = text.data[j];
            clean[j] = c == '\r' || c == '\n' || c == 0 ? ' ' : c;
        }
        return (struct str){clean, text.size};
    }
    return text;
}

void respond_written(const struct list *written, struct template_context *context,
                     struct arena *arena, struct headers *headers)
{
    const struct map_entry *entries = written->items;
    for (size_t i = 0; i < written->count; i++) {
        const struct respond_values *values = entries[i].value;
        struct template *const *templates = values->templates.items;
        for (size_t j = 0; j < values->templates.count; j++)
            headers_add(headers, arena, entries[i].name,
                        respond_line(templates[j], context, arena));
    }
}

static void add_default(const struct respond *respond, struct headers *headers, struct arena *arena,
                        struct str name, struct str value)
{
    if (value.size && !respond_header(&respond->headers, name))
        headers_add(headers, arena, name, value);
}

/** "a, b": the names of the trailers. */
static struct str trailer_names(const struct list *trailers, struct arena *arena)
{
    const struct map_entry *entries = trailers->items;
    struct str names = {0};
    for (size_t i = 0; i < trailers->count; i++)
        names = arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(names), i ? ", " : "",
                             STR_ARG(entries[i].name));
    return names;
}

void respond_headers(const struct respond *respond, struct template_context *context,
                     struct arena *arena, struct headers *headers)
{
    add_default(respond, headers, arena, STR("content-type"), respond_content_type(respond));
    if (respond->events)
        add_default(respond, headers, arena, STR("cache-control"), STR("no-cache"));
    if (respond->compress) {
        struct str coding = respond->compress == COMPRESS_GZIP ? STR("gzip") : STR("deflate");
        add_default(respond, headers, arena, STR("content-encoding"), coding);
        add_default(respond, headers, arena, STR("vary"), STR("accept-encoding"));
    }
    if (respond->trailers.count)
        add_default(respond, headers, arena, STR("trailer"),
                    trailer_names(&respond->trailers, arena));
    respond_written(&respond->headers, context, arena, headers);
    if (respond->content_length)
        headers_add(headers, arena, STR("content-length"),
                    arena_printf(arena, "%llu", (unsigned long long)*respond->content_length));
}

/* Compression. */

void compress_start(z_stream *stream, enum respond_compress how)
{
    *stream = (z_stream){0};
    int window = how == COMPRESS_GZIP ? MAX_WBITS + 16 : MAX_WBITS;
    /* It fails only without memory, which ends the process everywhere else too. */
    int result =
        deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
    GOTO_ASSERT(result == Z_OK);
}

void compress_piece(z_stream *stream, struct str piece, int flush, struct buf *into)
{
    enum { ROOM = 16 * 1024 };
    /* Pieces are at most FILE_SIZE (schema/file.h) or a request's size: far below the 4 GiB of
     * avail_in. */
    GOTO_ASSERT(piece.size <= BUF_OWN);
    stream->next_in = (unsigned char *)(uintptr_t)piece.data;
    stream->avail_in = (unsigned)piece.size;
    do {
        char *room = buf_reserve(into, ROOM);
        if (!room)
            return;
        stream->next_out = (unsigned char *)room;
        stream->avail_out = ROOM;
        int result = deflate(stream, flush);
        GOTO_ASSERT(result != Z_STREAM_ERROR);
        into->size += ROOM - stream->avail_out;
    } while (stream->avail_out == 0);
}

struct str compress_whole(struct str body, enum respond_compress how, struct arena *arena)
{
    z_stream stream;
    struct buf text;
    buf_init(&text, BUF_OWN);
    compress_start(&stream, how);
    compress_piece(&stream, body, Z_FINISH, &text);
    deflateEnd(&stream);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

/* What never changes is made once. */

static bool is_constant(const struct template *template)
{
    return !template || template_is_constant(template);
}

static bool headers_are_constant(const struct list *headers)
{
    const struct map_entry *entries = headers->items;
    for (size_t i = 0; i < headers->count; i++) {
        const struct respond_values *values = entries[i].value;
        struct template *const *templates = values->templates.items;
        for (size_t j = 0; j < values->templates.count; j++)
            if (!template_is_constant(templates[j]))
                return false;
    }
    return true;
}

/** Whether the framing and date are the usual ones, which the short way to the codec takes for
 * granted. */
static bool headers_are_usual(const struct list *headers)
{
    static const char *const special[] = {"content-length", "transfer-encoding", "date",
                                          "connection"};
    for (size_t i = 0; i < COUNT_OF(special); i++)
        if (respond_header(headers, str_of(special[i])))
            return false;
    return true;
}

static bool can_prepare(const struct respond *respond)
{
    const struct respond *r = respond;
    bool plain = !r->echo && !r->raw && !r->pace && !r->chunked && !r->content_length &&
                 !r->trailers.count && !respond_is_produced(r);
    bool constant = is_constant(r->reason) && is_constant(r->body) && is_constant(r->json);
    return plain && constant && headers_are_constant(&r->headers) && headers_are_usual(&r->headers);
}

/** The lines of headers and the empty line after them. */
static struct str head_text(const struct headers *headers, struct arena *arena)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    for (size_t i = 0; i < headers->count; i++) {
        buf_append(&text, headers->items[i].name);
        buf_append_string(&text, ": ");
        buf_append(&text, headers->items[i].value);
        buf_append_string(&text, "\r\n");
    }
    buf_append_string(&text, "\r\n");
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

void respond_prepare(struct respond *respond, struct arena *arena)
{
    if (!can_prepare(respond))
        return;
    struct template_context none = {0};
    unsigned status = respond->status.http ? (unsigned)respond->status.http : 200;
    struct static_answer *answer = arena_alloc(arena, sizeof *answer);
    struct headers *headers = arena_alloc(arena, sizeof *headers);
    struct str reason = respond->reason ? template_text(respond->reason, &none, arena)
                                        : str_of(http_reason(status));
    answer->status = status;
    answer->status_line =
        arena_printf(arena, "HTTP/1.1 %u " STR_FMT "\r\n", status, STR_ARG(reason));
    answer->body = respond_body(respond, NULL, &none, arena);
    if (respond->compress && !http_status_is_bodiless(status))
        answer->body =
            compress_whole(answer->body, (enum respond_compress)respond->compress, arena);
    respond_headers(respond, NULL, arena, headers);
    if (!http_status_is_bodiless(status))
        headers_add(headers, arena, STR("content-length"),
                    arena_printf(arena, "%zu", answer->body.size));
    answer->headers = headers;
    answer->head = head_text(headers, arena);
    answer->close = respond->close;
    respond->prepared = answer;
}
