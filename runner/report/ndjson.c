/* The journal as NDJSON: a line an entry, then a line a check and one for the result of the
 * scenario. */
#include "base/clock.h"
#include "base/memory.h"
#include "runner/check/verify_words.h"
#include "runner/report/report_private.h"
#include "server/http/h2.h"
#include "server/http/message.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    NDJSON_TEXT = 64 * 1024, /**< bytes of a body, a line of output or another text */
    NDJSON_COPY = 64 * 1024, /**< bytes copied at once */
};

/**
 * Scenarios end in any order and the document has them in order: until the end their lines wait in
 * a temporary file, for a journal may be far larger than what fits well in memory.
 */
struct ndjson {
    struct reporter reporter;
    struct pages pages;
    FILE *spool;
    int error; /**< the first one of the spool, negative */
};

/** A line while it is written. */
struct line {
    const struct result *result;
    const struct passed *passed; /**< of its journal */
    struct buf text;
    size_t start; /**< bytes of the fields that all lines of the scenario begin with */
};

static struct ndjson *ndjson_of(struct reporter *reporter)
{
    return CONTAINER_OF(reporter, struct ndjson, reporter);
}

/* Fields. */

static void field_name(struct line *line, const char *name)
{
    char last = line->text.size ? line->text.data[line->text.size - 1] : '{';
    if (last != '{')
        buf_append_byte(&line->text, ',');
    buf_printf(&line->text, "\"%s\":", name);
}

static void field_text(struct line *line, const char *name, struct str text)
{
    field_name(line, name);
    report_json(text, &line->text);
}

static void field_text_if(struct line *line, const char *name, struct str text)
{
    if (text.size)
        field_text(line, name, text);
}

static void field_integer(struct line *line, const char *name, int64_t value)
{
    field_name(line, name);
    buf_printf(&line->text, "%lld", (long long)value);
}

static void field_unsigned(struct line *line, const char *name, uint64_t value)
{
    field_name(line, name);
    buf_printf(&line->text, "%llu", (unsigned long long)value);
}

static void field_unsigned_if(struct line *line, const char *name, uint64_t value)
{
    if (value)
        field_unsigned(line, name, value);
}

static void field_true_if(struct line *line, const char *name, bool value)
{
    if (!value)
        return;
    field_name(line, name);
    buf_append_string(&line->text, "true");
}

/** Removes the beginning of a character that a bound has left at the end. */
static void drop_half_character(struct buf *text)
{
    uint32_t code;
    for (size_t back = 1; back <= 4 && back <= text->size; back++) {
        size_t at = text->size - back;
        if (((unsigned char)text->data[at] & 0xc0) == 0x80)
            continue;
        if (str_decode(str_from(buf_str(text), at), &code) != back)
            buf_truncate(text, at);
        return;
    }
}

/** A text of any size, cut to its bound; `cut` is the field that says so. */
static void field_bounded(struct line *line, const char *name, const char *cut, struct str text)
{
    struct buf masked;
    buf_init(&masked, BUF_OWN);
    bool is_cut = report_mask_some(text, NDJSON_TEXT, &masked);
    if (is_cut)
        drop_half_character(&masked);
    field_text(line, name, buf_str(&masked));
    field_true_if(line, cut, is_cut);
    buf_clear(&masked);
}

static void field_place(struct line *line, struct place place)
{
    if (!place.source)
        return;
    field_name(line, "place");
    buf_append_byte(&line->text, '{');
    field_text(line, "file", place.source->name);
    field_unsigned(line, "line", place.line);
    field_unsigned(line, "column", place.column);
    buf_append_byte(&line->text, '}');
}

/** Writes what every line of the scenario begins with; line_begin() then goes back to it. */
static void line_init(struct line *line, const struct result *result)
{
    *line = (struct line){.result = result};
    buf_init(&line->text, BUF_OWN);
    buf_append_byte(&line->text, '{');
    field_text(line, "file", result->file);
    field_text(line, "scenario", result->name);
    field_unsigned_if(line, "repetition", result->repetition);
    line->start = line->text.size;
}

static void line_begin(struct line *line)
{
    buf_truncate(&line->text, line->start);
}

static void line_write(struct line *line, struct ndjson *ndjson)
{
    buf_append_string(&line->text, "}\n");
    if (ndjson->error)
        return;
    if (buf_full(&line->text))
        ndjson->error = -EFBIG;
    else if (fwrite(line->text.data, 1, line->text.size, ndjson->spool) != line->text.size)
        ndjson->error = errno ? -errno : -EIO;
}

/* Requests. */

static bool is_first_of_name(const struct headers *headers, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (str_equal_nocase(headers->items[i].name, headers->items[at].name))
            return false;
    }
    return true;
}

/** Appends a value, or all of those with the same name as a list. */
static void header_values(struct line *line, const struct headers *headers, size_t at)
{
    size_t count = 0;
    for (size_t i = at; i < headers->count; i++)
        count += str_equal_nocase(headers->items[i].name, headers->items[at].name);
    if (count > 1)
        buf_append_byte(&line->text, '[');
    for (size_t i = at, shown = 0; i < headers->count; i++) {
        if (!str_equal_nocase(headers->items[i].name, headers->items[at].name))
            continue;
        if (shown++)
            buf_append_byte(&line->text, ',');
        report_json(headers->items[i].value, &line->text);
    }
    if (count > 1)
        buf_append_byte(&line->text, ']');
}

static void field_headers(struct line *line, const char *name, const struct headers *headers)
{
    bool any = false;
    field_name(line, name);
    buf_append_byte(&line->text, '{');
    for (size_t i = 0; i < headers->count; i++) {
        if (!is_first_of_name(headers, i))
            continue;
        if (any)
            buf_append_byte(&line->text, ',');
        any = true;
        struct str text = headers->items[i].name;
        struct buf lower;
        buf_init(&lower, BUF_OWN);
        for (size_t j = 0; j < text.size; j++) {
            char c = text.data[j];
            buf_append_byte(&lower, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
        }
        report_json(buf_str(&lower), &line->text);
        buf_append_byte(&line->text, ':');
        header_values(line, headers, i);
        buf_clear(&lower);
    }
    buf_append_byte(&line->text, '}');
}

static struct str entry_data(const struct entry *entry)
{
    return (struct str){entry->data, entry->data ? entry->data_size : 0};
}

static void fields_request(struct line *line, const struct entry *entry)
{
    struct request request;
    struct arena *arena = arena_new();
    field_unsigned_if(line, "stream-id", entry->extra);
    field_true_if(line, "reused", entry->flags & ENTRY_REUSED);
    field_true_if(line, "unmatched", entry->flags & ENTRY_UNMATCHED);
    if (request_unpack(entry_data(entry), arena, &request)) {
        field_text(line, "method", request.method);
        field_text(line, "target", request.target);
        field_text(line, "path", request.path);
        if (request.query.data)
            field_text(line, "query", request.query);
        field_text(line, "version", str_of(http_version_name(request.version)));
        field_headers(line, "headers", &request.headers);
        if (request.trailers.count)
            field_headers(line, "trailers", &request.trailers);
        field_unsigned(line, "body-size", request_body_size(&request));
        field_bounded(line, "body", "body-cut", request.body);
        struct str lacks = request_body_lacks(&request, arena);
        if (lacks.data)
            field_text(line, "body-lacks", lacks);
    }
    arena_free(arena);
}

/* The other kinds. */

static void fields_connection_end(struct line *line, const struct entry *entry)
{
    if (entry->flags & (ENTRY_CLOSED_BY_CLIENT | ENTRY_CLOSED_BY_SERVER))
        field_text(line, "closed-by",
                   entry->flags & ENTRY_CLOSED_BY_CLIENT ? STR("client") : STR("server"));
    field_true_if(line, "reset", entry->flags & ENTRY_CLOSED_BY_RESET);
    field_integer(line, "lifetime-ns", entry->value);
    field_unsigned(line, "bytes-received", entry->extra);
    field_unsigned(line, "bytes-sent", entry->extra2);
}

static void fields_response(struct line *line, const struct entry *entry)
{
    field_unsigned(line, "status", entry->status);
    field_true_if(line, "aborted", entry->flags & ENTRY_ABORTED);
    field_true_if(line, "cut", entry->flags & ENTRY_CLOSED_BY_SERVER);
    field_true_if(line, "unmatched", entry->flags & ENTRY_UNMATCHED);
    field_integer(line, "duration-ns", entry->value);
    field_unsigned(line, "first-byte-ns", entry->extra2);
    field_unsigned(line, "bytes", entry->extra);
}

/** What is known of a handshake, under the names that its object has. */
static void fields_handshake(struct line *line, const struct entry *entry)
{
    static const char *const members[] = {"version",     "cipher",      "sni",
                                          "alpn",        "alert",       "alert-from",
                                          "certificate", "client-cert", "error"};
    struct arena *arena = arena_new();
    const struct json *object = entry_json(entry, arena);
    const struct json *resumed = object ? json_get(object, STR("resumed")) : NULL;
    for (size_t i = 0; object && i < COUNT_OF(members); i++) {
        const struct json *value = json_get(object, str_of(members[i]));
        if (value && value->kind == JSON_STRING)
            field_text(line, members[i], value->text);
    }
    field_true_if(line, "resumed", resumed && resumed->kind == JSON_BOOL && resumed->boolean);
    field_integer(line, "duration-ns", entry->value);
    arena_free(arena);
}

/** The far side's part of an exchange. */
static void fields_forward(struct line *line, const struct entry *entry)
{
    static const char *const members[] = {"to",     "address",     "call",  "method",
                                          "target", "grpc-status", "error", "why"};
    struct arena *arena = arena_new();
    const struct json *object = entry_json(entry, arena);
    const struct json *given = object ? json_get(object, STR("given")) : NULL;
    field_unsigned_if(line, "status", entry->status);
    if (given && !str_is(given->text, "0")) {
        field_name(line, "given-status");
        buf_append(&line->text, given->text);
    }
    for (size_t i = 0; object && i < COUNT_OF(members); i++) {
        const struct json *value = json_get(object, str_of(members[i]));
        if (value && value->kind == JSON_STRING)
            field_text(line, members[i], value->text);
    }
    field_true_if(line, "copy", object && json_get(object, STR("copy")));
    field_true_if(line, "reused", entry->flags & ENTRY_REUSED);
    field_true_if(line, "given-up", entry->flags & ENTRY_SKIPPED);
    field_integer(line, "duration-ns", entry->value);
    field_unsigned_if(line, "first-byte-ns", entry->extra2);
    field_unsigned(line, "bytes", entry->extra);
    arena_free(arena);
}

/** RST_STREAM and GOAWAY: `id` is the field of the stream. */
static void fields_frame(struct line *line, const struct entry *entry, const char *id)
{
    char room[24];
    if (entry->flags & (ENTRY_CLOSED_BY_CLIENT | ENTRY_CLOSED_BY_SERVER))
        field_text(line, "by",
                   entry->flags & ENTRY_CLOSED_BY_CLIENT ? STR("client") : STR("server"));
    field_text(line, "code", h2_error_name((uint32_t)entry->value, room));
    field_integer(line, "code-number", entry->value);
    field_unsigned(line, id, entry->extra);
}

static void fields_program_end(struct line *line, const struct entry *entry)
{
    if (entry->value < 0) {
        const char *name = entry->value > -65 ? sigabbrev_np((int)-entry->value) : NULL;
        if (name)
            field_text(line, "signal", str_of(name));
        else
            field_integer(line, "signal", -entry->value);
    } else {
        field_integer(line, "exit", entry->value);
    }
    field_true_if(line, "stopped", entry->flags & ENTRY_OPTIONAL);
    field_unsigned(line, "rss", entry->extra);
    field_unsigned(line, "cpu-ns", entry->extra2);
}

/** The name of the field that says whose entry it is; "route" and the client of a step come extra.
 */
static const char *const subject_fields[ENTRY_KINDS] = {
    [ENTRY_PORT_OPEN] = "port",      [ENTRY_PORT_CLOSE] = "port",  [ENTRY_CONNECTION] = "port",
    [ENTRY_CONNECTION_END] = "port", [ENTRY_REQUEST] = "port",     [ENTRY_MISS] = "port",
    [ENTRY_MESSAGE] = "port",        [ENTRY_RESPONSE] = "port",    [ENTRY_REFUSED] = "port",
    [ENTRY_EVENT] = "event",         [ENTRY_EVENT_UNDO] = "event", [ENTRY_ACTION] = "target",
    [ENTRY_STEP] = "step",           [ENTRY_STEP_END] = "step",    [ENTRY_CLIENT] = "client",
    [ENTRY_CLIENT_END] = "client",   [ENTRY_PROGRAM] = "program",  [ENTRY_PROGRAM_END] = "program",
    [ENTRY_OUTPUT] = "program",      [ENTRY_LOG] = "subject",      [ENTRY_SET] = "name",
    [ENTRY_NOTE] = "subject",        [ENTRY_CHECK] = "check",      [ENTRY_HANDSHAKE] = "port",
    [ENTRY_RESET] = "port",          [ENTRY_GOAWAY] = "port",      [ENTRY_FAULT] = "port",
    [ENTRY_DIAL] = "port",           [ENTRY_DIAL_FAILED] = "port", [ENTRY_DIAL_END] = "port",
    [ENTRY_FORWARD] = "port",        [ENTRY_REQUEST_END] = "port", [ENTRY_BYTES] = "port",
};

/** What only some kinds have. The texts that all may have are written by the caller. */
static void fields_of_kind(struct line *line, const struct entry *entry)
{
    const struct journal *journal = line->result->journal;
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_CONNECTION_END:
    case ENTRY_DIAL_END:
        fields_connection_end(line, entry);
        break;
    case ENTRY_DIAL:
    case ENTRY_DIAL_FAILED:
        field_unsigned(line, "duration-ns", entry->extra2);
        break;
    case ENTRY_REQUEST:
        fields_request(line, entry);
        break;
    case ENTRY_REQUEST_END:
        field_true_if(line, "aborted", entry->flags & ENTRY_ABORTED);
        field_true_if(line, "cut", entry->flags & ENTRY_CLOSED_BY_SERVER);
        field_unsigned(line, "bytes", entry->extra);
        break;
    case ENTRY_RESPONSE:
        fields_response(line, entry);
        break;
    case ENTRY_HANDSHAKE:
        fields_handshake(line, entry);
        break;
    case ENTRY_FORWARD:
        fields_forward(line, entry);
        break;
    case ENTRY_RESET:
        fields_frame(line, entry, "stream-id");
        break;
    case ENTRY_GOAWAY:
        fields_frame(line, entry, "last-stream-id");
        break;
    case ENTRY_BYTES:
        field_text(line, "direction", entry->value ? STR("response") : STR("request"));
        field_unsigned(line, "bytes", entry->extra);
        field_true_if(line, "cut", entry->flags & ENTRY_CUT);
        break;
    case ENTRY_REFUSED:
        field_unsigned_if(line, "status", entry->status);
        break;
    case ENTRY_EVENT:
        field_integer(line, "lag-ns", entry->value);
        break;
    case ENTRY_ACTION:
        field_text_if(line, "event", journal_name(journal, (uint32_t)entry->extra));
        break;
    case ENTRY_STEP:
    case ENTRY_STEP_END:
        if (entry->extra <= UINT32_MAX)
            field_text_if(line, "client", journal_name(journal, (uint32_t)entry->extra));
        break;
    case ENTRY_PROGRAM:
        field_integer(line, "pid", entry->value);
        break;
    case ENTRY_PROGRAM_END:
        fields_program_end(line, entry);
        break;
    case ENTRY_OUTPUT:
        field_text(line, "stream", entry->flags & ENTRY_STDERR ? STR("stderr") : STR("stdout"));
        field_true_if(line, "cut", entry->flags & ENTRY_CUT);
        break;
    default:
        break;
    }
}

/** The name of the text of a kind; most have "text". */
static const char *text_field(enum entry_kind kind)
{
    return kind == ENTRY_CONNECTION   ? "peer"
           : kind == ENTRY_DIAL       ? "address"
           : kind == ENTRY_PORT_CLOSE ? "how"
           : kind == ENTRY_FAULT      ? "fault"
                                      : "text";
}

/** What a proxy's connections to far sides write: their `route` is the far side. */
static bool is_dial(enum entry_kind kind)
{
    return kind == ENTRY_DIAL || kind == ENTRY_DIAL_FAILED || kind == ENTRY_DIAL_END;
}

static void line_entry(struct line *line, const struct entry *entry, uint64_t number)
{
    const struct journal *journal = line->result->journal;
    enum entry_kind kind = (enum entry_kind)entry->kind;
    struct str data = entry_data(entry);
    line_begin(line);
    field_integer(line, "time-ns", entry->time_ns);
    field_unsigned(line, "number", number);
    /* "check" is the whole of a check, below; this is the moment it was judged */
    field_text(line, "kind", kind == ENTRY_CHECK ? STR("judged") : str_of(entry_kind_name(kind)));
    field_text_if(line, subject_fields[kind], journal_name(journal, entry->subject));
    field_unsigned_if(line, "connection", entry->connection);
    field_unsigned_if(line, "request", entry->request);
    field_text_if(line, is_dial(kind) ? "to" : "route", journal_name(journal, entry->route));
    fields_of_kind(line, entry);
    if (kind == ENTRY_STEP_END)
        field_integer(line, "duration-ns", entry->value);
    if (kind != ENTRY_FORWARD)
        field_text_if(line, "outcome", str_of(entry_outcome(entry)));
    if (kind == ENTRY_BYTES)
        data = passed_text(line->passed, entry, number);
    bool told = kind == ENTRY_REQUEST || kind == ENTRY_HANDSHAKE || kind == ENTRY_FORWARD;
    if (!told && (data.size || kind == ENTRY_OUTPUT))
        field_bounded(line, text_field(kind), "text-cut", data);
}

/* Checks and results. */

static void line_failure(struct line *line, const struct failure *failure)
{
    struct arena *arena = arena_new();
    buf_append_byte(&line->text, '{');
    field_place(line, failure->place);
    field_text_if(line, "subject", failure->subject);
    field_text_if(line, "predicate", failure->predicate);
    if (failure->message.size == 0) {
        field_text(line, "expected", failure->expected);
        field_text(line, "actual", failure->actual);
    }
    field_text(line, "message", failure_line(failure, arena));
    field_text_if(line, "note", failure->note);
    buf_append_byte(&line->text, '}');
    arena_free(arena);
}

static void line_check(struct line *line, const struct check *check)
{
    line_begin(line);
    field_text(line, "kind", STR("check"));
    field_text(line, "name", check->name);
    field_text(line, "verdict", str_of(verdict_name(check->verdict)));
    field_place(line, check->place);
    if (check->ran) {
        field_integer(line, "start-ns", check->start_ns);
        field_integer(line, "end-ns", check->end_ns);
    }
    if (check->verdict == VERDICT_SKIP)
        field_text_if(line, "reason", check->reason);
    field_name(line, "failures");
    buf_append_byte(&line->text, '[');
    for (size_t i = 0; i < check->failures.count; i++) {
        if (i)
            buf_append_byte(&line->text, ',');
        line_failure(line, &check->failures.items[i]);
    }
    buf_append_byte(&line->text, ']');
    field_text_if(line, "replay", check->replay);
}

static enum verdict result_verdict(const struct result *result)
{
    if (checks_count(result->checks, VERDICT_ERROR))
        return VERDICT_ERROR;
    if (checks_count(result->checks, VERDICT_FAIL))
        return VERDICT_FAIL;
    return result->skipped || result->interrupted ? VERDICT_SKIP : VERDICT_PASS;
}

static void fields_journal(struct line *line, const struct journal *journal)
{
    uint64_t first = journal_first(journal);
    field_unsigned(line, "entries", journal_last(journal));
    field_unsigned(line, "entries-dropped", first > 1 ? first - 1 : 0);
}

static void line_result(struct line *line)
{
    const struct result *result = line->result;
    char start[64];
    clock_format(result->wall_ns, start, sizeof start);
    line_begin(line);
    field_text(line, "kind", STR("result"));
    field_text(line, "verdict", str_of(verdict_name(result_verdict(result))));
    field_place(line, result->place);
    field_unsigned(line, "seed", result->seed);
    field_text(line, "start", str_of(start));
    field_integer(line, "duration-ns", result->duration_ns);
    for (int verdict = 0; verdict <= VERDICT_SKIP; verdict++) {
        static const char *const names[] = {"passed", "failed", "errors", "skipped"};
        field_unsigned(line, names[verdict], checks_count(result->checks, (enum verdict)verdict));
    }
    field_text_if(line, "reason", result->reason);
    field_true_if(line, "interrupted", result->interrupted);
    field_true_if(line, "harness-failed", result->harness_failed);
    field_text_if(line, "tmp", result->tmp);
    if (result->journal)
        fields_journal(line, result->journal);
}

/* The document. */

static off_t spool_end(struct ndjson *ndjson)
{
    off_t at = ndjson->error ? 0 : ftello(ndjson->spool);
    if (at < 0 && ndjson->error == 0)
        ndjson->error = -errno;
    return at < 0 ? 0 : at;
}

static void ndjson_finished(struct reporter *reporter, const struct result *result)
{
    struct ndjson *ndjson = ndjson_of(reporter);
    struct page *page = pages_add(&ndjson->pages, result);
    const struct journal *journal = result->journal;
    struct passed *passed = passed_new(journal);
    struct line line;
    line_init(&line, result);
    line.passed = passed;
    page->offset = spool_end(ndjson);
    uint64_t last = journal ? journal_last(journal) : 0;
    for (uint64_t number = journal ? journal_first(journal) : 1; number && number <= last;
         number++) {
        const struct entry *entry = journal_get(journal, number);
        if (!entry)
            continue;
        line_entry(&line, entry, number);
        line_write(&line, ndjson);
    }
    for (size_t i = 0; result->checks && i < result->checks->count; i++) {
        line_check(&line, result->checks->items[i]);
        line_write(&line, ndjson);
    }
    line_result(&line);
    line_write(&line, ndjson);
    page->size = spool_end(ndjson) - page->offset;
    buf_clear(&line.text);
    passed_free(passed);
}

static void page_copy(struct ndjson *ndjson, const struct page *page, struct output *output)
{
    char *bytes = memory_alloc(NDJSON_COPY);
    off_t left = page->size;
    if (fseeko(ndjson->spool, page->offset, SEEK_SET) < 0)
        output_fail(output, -errno);
    while (left > 0 && output->error == 0) {
        size_t wanted = left < NDJSON_COPY ? (size_t)left : (size_t)NDJSON_COPY;
        size_t size = fread(bytes, 1, wanted, ndjson->spool);
        if (size == 0)
            output_fail(output, -EIO);
        output_add(output, (struct str){bytes, size});
        left -= (off_t)size;
    }
    memory_free(bytes);
}

static int ndjson_finish(struct reporter *reporter, const struct totals *totals,
                         int64_t duration_ns)
{
    struct ndjson *ndjson = ndjson_of(reporter);
    struct output output;
    (void)totals;
    (void)duration_ns;
    if (ndjson->error == 0 && fflush(ndjson->spool) != 0)
        ndjson->error = -errno;
    if (ndjson->error)
        return ndjson->error;
    pages_sort(&ndjson->pages);
    output_begin(&output, reporter->path);
    for (size_t i = 0; i < ndjson->pages.count; i++)
        page_copy(ndjson, ndjson->pages.items[i], &output);
    return output_end(&output);
}

static void ndjson_free(struct reporter *reporter)
{
    struct ndjson *ndjson = ndjson_of(reporter);
    if (ndjson->spool)
        fclose(ndjson->spool);
    pages_clear(&ndjson->pages);
    memory_free(ndjson);
}

struct reporter *ndjson_new(const char *path)
{
    static const struct reporter_type type = {"json", NULL, ndjson_finished, ndjson_finish,
                                              ndjson_free};
    struct ndjson *ndjson = memory_alloc(sizeof *ndjson);
    ndjson->reporter = (struct reporter){&type, path};
    pages_init(&ndjson->pages);
    ndjson->spool = tmpfile();
    /* the programs of a spec must not inherit it */
    if (!ndjson->spool || fcntl(fileno(ndjson->spool), F_SETFD, FD_CLOEXEC) < 0)
        ndjson->error = -errno;
    return &ndjson->reporter;
}
