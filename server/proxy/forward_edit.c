#include "server/proxy/forward_edit.h"

#include <string.h>

/** What may stand in a path beside letters, digits and -._~ (RFC 3986 section 3.3); `%` is looked
 * at by itself. */
static const char path_marks[] = "!$&'()*+,;=:@/%";

/* Headers. */

bool forward_is_of_hop(struct str name)
{
    switch (name.size) {
    case 2:
        return str_equal_nocase(name, STR("te"));
    case 7:
        return str_equal_nocase(name, STR("upgrade"));
    case 10:
        return str_equal_nocase(name, STR("connection")) ||
               str_equal_nocase(name, STR("keep-alive"));
    case 14:
        return str_equal_nocase(name, STR("content-length")) ||
               str_equal_nocase(name, STR("http2-settings"));
    case 16:
        return str_equal_nocase(name, STR("proxy-connection"));
    case 17:
        return str_equal_nocase(name, STR("transfer-encoding"));
    default:
        return false;
    }
}

void headers_remove(struct headers *headers, struct str name)
{
    size_t left = 0;
    for (size_t i = 0; i < headers->count; i++)
        if (!str_equal_nocase(headers->items[i].name, name))
            headers->items[left++] = headers->items[i];
    headers->count = left;
}

/** A template's text on one line: what a client sent must not become headers of ours. */
static struct str line_of(const struct template *template, struct template_context *context,
                          struct arena *arena)
{
    struct str text = template_text(template, context, arena);
    size_t at = 0;
    while (at < text.size && text.data[at] != '\r' && text.data[at] != '\n' && text.data[at])
        at++;
    if (at == text.size)
        return str_trim(text);
    char *clean = arena_alloc(arena, text.size);
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        clean[i] = byte == '\r' || byte == '\n' || byte == 0 ? ' ' : byte;
    }
    return str_trim((struct str){clean, text.size});
}

/** Appends the values that an edit has for a name. */
static void add_values(const struct map_entry *entry, struct str name,
                       struct template_context *context, struct arena *arena,
                       struct headers *headers)
{
    const struct list *values = entry->value;
    struct template *const *templates = values->items;
    for (size_t i = 0; i < values->count; i++)
        headers_add(headers, arena, name, line_of(templates[i], context, arena));
}

static const struct map_entry *find_entry(const struct list *map, struct str name)
{
    const struct map_entry *entries = map->items;
    for (size_t i = 0; i < map->count; i++)
        if (str_equal_nocase(entries[i].name, name))
            return &entries[i];
    return NULL;
}

void forward_edit_headers(const struct forward_edit *edit, struct template_context *context,
                          struct arena *arena, struct headers *headers)
{
    const struct str *removed = edit->remove.items;
    const struct map_entry *added = edit->add.items;
    const struct map_entry *set = edit->set.items;
    struct headers edited = {0};
    for (size_t i = 0; i < edit->remove.count; i++)
        headers_remove(headers, removed[i]);
    if (!edit->set.count && !edit->add.count)
        return;
    bool *done = arena_alloc_array(arena, edit->set.count + 1, sizeof *done);
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        const struct map_entry *entry = find_entry(&edit->set, header->name);
        /* what is set stands where the first one of it stood */
        if (!entry)
            headers_add(&edited, arena, header->name, header->value);
        else if (!done[entry - set])
            add_values(entry, header->name, context, arena, &edited);
        if (entry)
            done[entry - set] = true;
    }
    for (size_t i = 0; i < edit->set.count; i++)
        if (!done[i])
            add_values(&set[i], set[i].name, context, arena, &edited);
    for (size_t i = 0; i < edit->add.count; i++)
        add_values(&added[i], added[i].name, context, arena, &edited);
    *headers = edited;
}

/** Copies what goes end to end. */
static void copy_end_to_end(const struct request *request, struct arena *arena,
                            struct headers *into)
{
    const struct headers *from = &request->headers;
    bool names = headers_get(from, STR("connection")).data != NULL;
    into->items = arena_alloc_array(arena, from->count + 2, sizeof *into->items);
    into->capacity = from->count + 2;
    for (size_t i = 0; i < from->count; i++) {
        const struct header *header = &from->items[i];
        /* what is expected was answered by us: the body is here */
        if (forward_is_of_hop(header->name) || str_equal_nocase(header->name, STR("host")) ||
            str_equal_nocase(header->name, STR("expect")) ||
            (names && headers_has_token(from, STR("connection"), header->name)))
            continue;
        into->items[into->count++] = *header;
    }
}

/* Targets. */

static bool is_hexadecimal(char byte)
{
    char letter = (char)(byte | 0x20);
    return (byte >= '0' && byte <= '9') || (letter >= 'a' && letter <= 'f');
}

/** Whether all bytes may stand in a path as they are. */
static bool is_path(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        char letter = (char)(byte | 0x20);
        bool plain = (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9');
        if (byte == '%' && !(i + 2 < text.size && is_hexadecimal(text.data[i + 1]) &&
                             is_hexadecimal(text.data[i + 2])))
            return false;
        if (!plain && (byte == 0 || (!strchr("-._~", byte) && !strchr(path_marks, byte))))
            return false;
    }
    return true;
}

/** A '%' that begins no escape becomes one itself. */
static struct str escape_percent(struct str text, struct arena *arena)
{
    char *out = arena_alloc_array(arena, text.size + 1, 3);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        out[size++] = text.data[i];
        bool escape = i + 2 < text.size && is_hexadecimal(text.data[i + 1]) &&
                      is_hexadecimal(text.data[i + 2]);
        if (text.data[i] == '%' && !escape) {
            out[size++] = '2';
            out[size++] = '5';
        }
    }
    return (struct str){out, size};
}

struct str forward_edit_path(const struct template *path, struct template_context *context,
                             struct arena *arena)
{
    struct str text = template_text(path, context, arena);
    if (!is_path(text))
        text = percent_encode(escape_percent(text, arena), path_marks, arena);
    if (!str_starts(text, STR("/")))
        text = arena_printf(arena, "/" STR_FMT, STR_ARG(text));
    return text;
}

/** A query while it is put together. */
struct query_writer {
    struct str text;
    struct template_context *context;
    struct arena *arena;
};

static void query_add(struct query_writer *writer, struct str field)
{
    writer->text = writer->text.data ? arena_printf(writer->arena, STR_FMT "&" STR_FMT,
                                                    STR_ARG(writer->text), STR_ARG(field))
                                     : field;
}

static void query_add_entry(struct query_writer *writer, const struct map_entry *entry)
{
    const struct list *values = entry->value;
    struct template *const *templates = values->items;
    struct str name = percent_encode(entry->name, "", writer->arena);
    for (size_t i = 0; i < values->count; i++) {
        struct str value = template_text(templates[i], writer->context, writer->arena);
        query_add(writer, arena_printf(writer->arena, STR_FMT "=" STR_FMT, STR_ARG(name),
                                       STR_ARG(percent_encode(value, "", writer->arena))));
    }
}

/** The name of a field as it is meant. */
static struct str field_name(struct str field, struct arena *arena)
{
    ptrdiff_t equals = str_find_byte(field, '=');
    return percent_decode(equals < 0 ? field : str_slice(field, 0, (size_t)equals), true, arena);
}

static bool is_removed(const struct forward_edit *edit, struct str name)
{
    const struct str *removed = edit->remove.items;
    for (size_t i = 0; i < edit->remove.count; i++)
        if (str_equal(removed[i], name))
            return true;
    return false;
}

/** The position of a name in `set`; its count: it is not there. */
static size_t set_position(const struct forward_edit *edit, struct str name)
{
    const struct map_entry *set = edit->set.items;
    size_t at = 0;
    while (at < edit->set.count && !str_equal(set[at].name, name))
        at++;
    return at;
}

struct str forward_edit_query(const struct forward_edit *edit, struct str query,
                              struct template_context *context, struct arena *arena)
{
    const struct map_entry *set = edit->set.items;
    const struct map_entry *added = edit->add.items;
    struct query_writer writer = {.context = context, .arena = arena};
    if (!edit->set.count && !edit->add.count && !edit->remove.count)
        return query;
    bool *done = arena_alloc_array(arena, edit->set.count + 1, sizeof *done);
    while (query.data) {
        ptrdiff_t end = str_find_byte(query, '&');
        struct str field = end < 0 ? query : str_slice(query, 0, (size_t)end);
        query = end < 0 ? (struct str){0} : str_from(query, (size_t)end + 1);
        struct str name = field_name(field, arena);
        size_t at = set_position(edit, name);
        if (at < edit->set.count && !done[at])
            query_add_entry(&writer, &set[at]);
        else if (at == edit->set.count && !is_removed(edit, name))
            query_add(&writer, field);
        done[at] = true;
    }
    for (size_t i = 0; i < edit->set.count; i++)
        if (!done[i])
            query_add_entry(&writer, &set[i]);
    for (size_t i = 0; i < edit->add.count; i++)
        query_add_entry(&writer, &added[i]);
    return writer.text;
}

struct str forward_authority(const struct endpoint *endpoint, struct arena *arena)
{
    struct str host = endpoint->host;
    bool brackets = str_find_byte(host, ':') >= 0;
    if (!host.data)
        return STR("localhost");
    if (endpoint->number == (endpoint->tls ? 443 : 80))
        return brackets ? arena_printf(arena, "[" STR_FMT "]", STR_ARG(host)) : host;
    return arena_printf(arena, brackets ? "[" STR_FMT "]:%u" : STR_FMT ":%u", STR_ARG(host),
                        (unsigned)endpoint->number);
}

/** The path and query of what is sent: those of a URL in `to` come first. */
static struct str make_target(const struct forward_request *edits, const struct request *request,
                              const struct endpoint *endpoint, struct template_context *context,
                              struct arena *arena)
{
    struct str path = request->path;
    struct str query = request->query;
    struct str base = endpoint->path;
    struct str base_query = {0};
    if (edits && edits->path)
        path = forward_edit_path(edits->path, context, arena);
    if (edits)
        query = forward_edit_query(&edits->query, query, context, arena);
    ptrdiff_t mark = str_find_byte(base, '?');
    if (mark >= 0) {
        base_query = str_from(base, (size_t)mark + 1);
        base = str_slice(base, 0, (size_t)mark);
    }
    if (str_ends(base, STR("/")))
        base.size--;
    if (!base.size && !base_query.size) {
        if (str_equal(path, request->path) && str_equal(query, request->query) &&
            str_starts(request->target, path))
            return request->target;
        base = STR("");
    }
    bool both = base_query.size && query.size;
    bool any = base_query.size || query.data;
    return arena_printf(arena, STR_FMT STR_FMT "%s" STR_FMT "%s" STR_FMT, STR_ARG(base),
                        STR_ARG(path), any ? "?" : "", STR_ARG(base_query), both ? "&" : "",
                        STR_ARG(query));
}

void forward_edit_request(const struct forward_request *edits, const struct request *request,
                          const struct endpoint *endpoint, struct template_context *context,
                          struct arena *arena, struct forward_sent *sent)
{
    *sent = (struct forward_sent){0};
    copy_end_to_end(request, arena, &sent->headers);
    if (edits && edits->host == FORWARD_HOST_KEEP)
        sent->authority = request->authority;
    if (!sent->authority.size)
        sent->authority = forward_authority(endpoint, arena);
    sent->target = make_target(edits, request, endpoint, context, arena);
    /* RFC 9110 section 10.1.4: who understands trailers says so on each hop; gRPC insists on it */
    if (endpoint->speech == ENDPOINT_HTTP2 &&
        headers_has_token(&request->headers, STR("te"), STR("trailers")))
        headers_add(&sent->headers, arena, STR("te"), STR("trailers"));
    if (!edits)
        return;
    forward_edit_headers(&edits->headers, context, arena, &sent->headers);
    struct str host = headers_get(&sent->headers, STR("host"));
    if (host.data) {
        sent->authority = host;
        headers_remove(&sent->headers, STR("host"));
    }
}
