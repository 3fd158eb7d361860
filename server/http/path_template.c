#include "server/http/path_template.h"

#include "base/regex.h"

enum segment_kind {
    SEGMENT_LITERAL,
    SEGMENT_ANY,   /**< {name} */
    SEGMENT_REGEX, /**< {name:regex} */
    SEGMENT_REST,  /**< {name*} or *; always the last one */
};

struct segment {
    enum segment_kind kind;
    struct str literal; /**< decoded */
    struct str name;    /**< empty for * */
    struct regex *regex;
};

struct path_template {
    struct str text;
    struct segment *segments;
    size_t count;
    size_t capacity;
    struct str *names;
    size_t name_count;
    size_t name_capacity;
    bool is_static;
};

enum { CAPTURES_MOST = 100 };

/** A template while it is read. */
struct path_scan {
    struct arena *arena;
    struct path_template *path;
    struct path_error *error;
    struct str text;
    size_t at;
};

/* Reading. */

static bool path_fault(struct path_scan *scan, size_t offset, size_t size, struct str message,
                       const char *help)
{
    *scan->error = (struct path_error){message, help, offset, size ? size : 1};
    return false;
}

/** Where the '}' stands that closes the brace at `at`; -1 if nowhere. Escapes and classes are
 * skipped. */
static ptrdiff_t closing_brace(struct str text, size_t at)
{
    size_t depth = 0;
    for (; at < text.size; at++) {
        char byte = text.data[at];
        if (byte == '\\') {
            at++;
        } else if (byte == '[') {
            /* A ']' right behind the '[' or '[^' is a member of the class. */
            size_t from = at + 1 + (at + 1 < text.size && text.data[at + 1] == '^');
            size_t end = from + 1;
            while (end < text.size && text.data[end] != ']')
                end += text.data[end] == '\\' ? 2 : 1;
            at = end < text.size ? end : at;
        } else if (byte == '{') {
            depth++;
        } else if (byte == '}' && --depth == 0) {
            return (ptrdiff_t)at;
        }
    }
    return -1;
}

static bool is_capture_name(struct str name)
{
    for (size_t i = 0; i < name.size; i++) {
        char byte = name.data[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
        bool inner = (byte >= '0' && byte <= '9') || byte == '-';
        if (!letter && !(inner && i > 0))
            return false;
    }
    return name.size > 0;
}

static void regex_release(void *object)
{
    regex_free(object);
}

static bool segment_add(struct path_scan *scan, struct segment segment)
{
    struct path_template *path = scan->path;
    arena_grow(scan->arena, &path->segments, path->count, &path->capacity, sizeof *path->segments);
    path->segments[path->count++] = segment;
    return true;
}

static bool capture_name(struct path_scan *scan, struct str name, size_t offset)
{
    struct path_template *path = scan->path;
    if (!is_capture_name(name))
        return path_fault(
            scan, offset, name.size,
            arena_printf(scan->arena, "'" STR_FMT "' cannot be the name of a capture",
                         STR_ARG(name)),
            "write {name}, {name:regex} or {name*}; a name holds letters, digits, '_' "
            "and '-'");
    for (size_t i = 0; i < path->name_count; i++) {
        if (str_equal(path->names[i], name))
            return path_fault(
                scan, offset, name.size,
                arena_printf(scan->arena, "'" STR_FMT "' is captured twice", STR_ARG(name)), NULL);
    }
    if (path->name_count == CAPTURES_MOST)
        return path_fault(scan, offset, name.size, STR("more than 100 captures in one path"), NULL);
    arena_grow(scan->arena, &path->names, path->name_count, &path->name_capacity,
               sizeof *path->names);
    path->names[path->name_count++] = name;
    return true;
}

static bool read_regex(struct path_scan *scan, struct segment *segment, struct str pattern,
                       size_t offset)
{
    struct regex_error error;
    if (pattern.size == 0)
        return path_fault(scan, offset, 1, STR("an empty regular expression"), "write {name}");
    segment->kind = SEGMENT_REGEX;
    segment->regex = regex_new(pattern, &error);
    if (!segment->regex)
        return path_fault(scan, offset + error.offset, 1,
                          arena_printf(scan->arena, "wrong regular expression: %s", error.message),
                          NULL);
    arena_defer(scan->arena, regex_release, segment->regex);
    return true;
}

/** Reads the segment that starts with a brace. */
static bool read_capture(struct path_scan *scan)
{
    size_t start = scan->at;
    ptrdiff_t end = closing_brace(scan->text, start);
    if (end < 0)
        return path_fault(scan, start, 1, STR("'{' without a '}'"),
                          "write %7B for the brace itself");
    size_t inside = start + 1;
    struct str whole = str_slice(scan->text, inside, (size_t)end - inside);
    scan->at = (size_t)end + 1;
    if (scan->at < scan->text.size && scan->text.data[scan->at] != '/')
        return path_fault(scan, start, scan->at - start, STR("a capture takes a whole segment"),
                          "use {name:regex}, or a predicate on 'path'");
    struct segment segment = {.kind = SEGMENT_ANY, .name = whole};
    ptrdiff_t colon = str_find_byte(whole, ':');
    if (colon >= 0) {
        segment.name = str_slice(whole, 0, (size_t)colon);
    } else if (str_ends(whole, STR("*"))) {
        segment.kind = SEGMENT_REST;
        segment.name = str_slice(whole, 0, whole.size - 1);
    }
    if (!capture_name(scan, segment.name, inside))
        return false;
    size_t pattern = (size_t)(colon + 1);
    if (colon >= 0 && !read_regex(scan, &segment, str_from(whole, pattern), inside + pattern))
        return false;
    if (segment.kind == SEGMENT_REST && scan->at < scan->text.size)
        return path_fault(scan, start, scan->at - start,
                          STR("only the last segment can take the rest"), "write {name} for one");
    return segment_add(scan, segment);
}

/** What is wrong with a byte of a literal segment; NULL if nothing. */
static const char *literal_fault(char byte, const char **help)
{
    switch (byte) {
    case '?':
        *help = "match the query by 'query:'; write %3F for the character itself";
        return "a path holds no '?'";
    case '#':
        *help = "a fragment is never sent; write %23 for the character itself";
        return "a path holds no '#'";
    case '*':
        *help = "'*' is a segment by itself, the last one; write %2A for the character itself";
        return "'*' inside a path";
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        *help = "write %20 for a blank";
        return "a path holds no blanks";
    case '{':
        *help = "use {name:regex} for a whole segment; write %7B for the brace itself";
        return "a capture takes a whole segment";
    case '}':
        *help = "write %7D for the brace itself";
        return "'}' without a '{'";
    default:
        return NULL;
    }
}

static bool read_literal(struct path_scan *scan)
{
    size_t start = scan->at;
    for (; scan->at < scan->text.size && scan->text.data[scan->at] != '/'; scan->at++) {
        const char *help = NULL;
        const char *fault = literal_fault(scan->text.data[scan->at], &help);
        if (fault)
            return path_fault(scan, scan->at, 1, str_of(fault), help);
    }
    struct str written = str_slice(scan->text, start, scan->at - start);
    return segment_add(scan,
                       (struct segment){.kind = SEGMENT_LITERAL,
                                        .literal = percent_decode(written, false, scan->arena)});
}

/** Reads the segment at scan->at, which stands behind a slash, up to the next slash. */
static bool read_segment(struct path_scan *scan)
{
    struct str rest = str_from(scan->text, scan->at);
    if (str_is(rest, "*")) {
        scan->at++;
        return segment_add(scan, (struct segment){.kind = SEGMENT_REST});
    }
    if (str_starts(rest, STR("{")))
        return read_capture(scan);
    return read_literal(scan);
}

struct path_template *path_template_read(struct arena *arena, struct str text,
                                         struct path_error *error)
{
    struct path_template *path = arena_alloc(arena, sizeof *path);
    struct path_scan scan = {arena, path, error, text, 0};
    path->text = text;
    if (!str_starts(text, STR("/"))) {
        path_fault(&scan, 0, text.size, STR("a path starts with '/'"),
                   str_is(text, "*") ? "write /* for any path" : NULL);
        return NULL;
    }
    while (scan.at < text.size) {
        scan.at++;
        if (!read_segment(&scan))
            return NULL;
    }
    path->is_static = str_find_byte(text, '%') < 0;
    for (size_t i = 0; i < path->count; i++)
        path->is_static = path->is_static && path->segments[i].kind == SEGMENT_LITERAL;
    return path;
}

struct str path_template_text(const struct path_template *path)
{
    return path->text;
}

struct list path_template_captures(const struct path_template *path)
{
    return (struct list){path->names, path->name_count};
}

bool path_template_is_static(const struct path_template *path)
{
    return path->is_static;
}

/* Testing. */

/** One test of a path. */
struct path_trial {
    struct arena *arena;
    struct headers *captures;
    struct str rest; /**< what was not looked at yet; it starts with a slash, or is empty */
};

/** The byte an encoded text starts with; *size is what it takes of the text. */
static char decoded_byte(struct str text, size_t *size)
{
    char bytes[4] = {0};
    *size = 1;
    if (text.data[0] != '%' || text.size < 3)
        return text.data[0];
    for (size_t i = 1; i < 3; i++) {
        char digit = text.data[i];
        bool decimal = digit >= '0' && digit <= '9';
        if (!decimal && !((digit | 32) >= 'a' && (digit | 32) <= 'f'))
            return text.data[0];
        bytes[i] = (char)(decimal ? digit - '0' : (digit | 32) - 'a' + 10);
    }
    *size = 3;
    return (char)(bytes[1] * 16 + bytes[2]);
}

/** Whether an encoded segment is a decoded text. */
static bool segment_is(struct str encoded, struct str decoded)
{
    size_t at = 0;
    for (size_t i = 0; i < decoded.size; i++) {
        size_t size;
        if (at >= encoded.size || decoded_byte(str_from(encoded, at), &size) != decoded.data[i])
            return false;
        at += size;
    }
    return at == encoded.size;
}

static void capture(struct path_trial *trial, struct str name, struct str encoded)
{
    if (!trial->captures || name.size == 0)
        return;
    headers_add(trial->captures, trial->arena, name, percent_decode(encoded, false, trial->arena));
}

static enum path_result regex_test(struct path_trial *trial, const struct segment *segment,
                                   struct str encoded)
{
    if (!trial->arena)
        return PATH_UNDECIDED;
    int found = regex_matches_whole(segment->regex, percent_decode(encoded, false, trial->arena));
    return found == 1 ? PATH_MATCHES : found == 0 ? PATH_DIFFERS : PATH_UNDECIDED;
}

/** Tests one segment and moves on behind it. */
static enum path_result segment_test(struct path_trial *trial, const struct segment *segment)
{
    if (trial->rest.size == 0)
        return PATH_DIFFERS;
    struct str rest = str_from(trial->rest, 1);
    if (segment->kind == SEGMENT_REST) {
        capture(trial, segment->name, rest);
        trial->rest = (struct str){0};
        return PATH_MATCHES;
    }
    ptrdiff_t slash = str_find_byte(rest, '/');
    size_t size = slash < 0 ? rest.size : (size_t)slash;
    struct str encoded = str_slice(rest, 0, size);
    trial->rest = str_from(rest, size);
    if (segment->kind == SEGMENT_LITERAL)
        return segment_is(encoded, segment->literal) ? PATH_MATCHES : PATH_DIFFERS;
    enum path_result result = encoded.size ? PATH_MATCHES : PATH_DIFFERS;
    if (segment->kind == SEGMENT_REGEX)
        result = regex_test(trial, segment, encoded);
    capture(trial, segment->name, encoded);
    return result;
}

enum path_result path_template_test(const struct path_template *path, struct str encoded,
                                    struct arena *arena, struct headers *captures, size_t *equal)
{
    struct headers found = {0};
    struct path_trial trial = {arena, arena && captures ? &found : NULL, encoded};
    enum path_result result = PATH_MATCHES;
    size_t count = 0;
    if (!str_starts(encoded, STR("/")))
        result = PATH_DIFFERS;
    for (size_t i = 0; i < path->count && result != PATH_DIFFERS; i++) {
        enum path_result one = segment_test(&trial, &path->segments[i]);
        result = one == PATH_MATCHES ? result : one;
        count += result == PATH_MATCHES;
    }
    if (result != PATH_DIFFERS && trial.rest.size)
        result = PATH_DIFFERS;
    if (equal)
        *equal = count;
    if (captures && result == PATH_MATCHES)
        *captures = found;
    return result;
}
