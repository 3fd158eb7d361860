/* Each fault of HTTP/1 as a raw peer sees it: the bytes on the wire, what becomes of the
 * connection, and the journal. */
#include "ctest/unit/http1_fault_rig.h"

/** One row of what a fault does. */
struct wire {
    const char *fault;
    const char *path;
    struct str bytes;
    enum fate fate;
    unsigned status;
    uint64_t size;
};

#define WIRE(fault, path, bytes, fate, status, size)                                               \
    {                                                                                              \
        fault, path, STR_INIT(bytes), fate, status, size                                           \
    }

static void ck_journal(const struct wire *wire)
{
    const struct entry *answer = NULL;
    for (uint64_t n = journal_first(rig.journal); n <= journal_last(rig.journal) && !answer; n++) {
        const struct entry *entry = journal_get(rig.journal, n);
        answer = entry->kind == ENTRY_RESPONSE ? entry : NULL;
    }
    ck_assert_ptr_nonnull(answer);
    const char *what = arena_printf(arena, "%s on %s", wire->fault, wire->path).data;
    ck_assert_msg(answer->status == wire->status, "%s: status %u", what, answer->status);
    ck_assert_msg(answer->extra == wire->size, "%s: %llu bytes", what,
                  (unsigned long long)answer->extra);
    bool cut = answer->flags & ENTRY_CLOSED_BY_SERVER;
    ck_assert_msg(!(answer->flags & ENTRY_ABORTED), "%s: aborted", what);
    /* a length that was wrong is told by FIN behind a whole answer */
    bool whole = wire->fate == STAYS || !strncmp(wire->fault, "{wrong-length", 13) ||
                 !strcmp(wire->path, "/close");
    ck_assert_msg(cut == !whole, "%s: %s", what, cut ? "cut" : "whole");
    ck_assert_uint_eq(strikes(), 1);
}

static void play(const struct wire *wire, const char *method, const char *version)
{
    begin_world();
    push(
        arena_printf(arena, "[%s]", wire->fault).data[1] == '{'
            ? arena_printf(arena, "%.*s, times: 1}", (int)strlen(wire->fault) - 1, wire->fault).data
            : arena_printf(arena, "{%s: true, times: 1}", wire->fault).data);
    struct str got = hear(get_of(method, wire->path, version), wire->fate);
    ck_bytes(got, wire->bytes,
             arena_printf(arena, "%s on %s %s", wire->fault, method, wire->path).data);
    ck_journal(wire);
    end_world();
}

static const struct wire wires[] = {
    WIRE("truncate", "/ten", OK "content-length: 10\r\n\r\n01234", FIN, 200, 5),
    WIRE("{truncate: 30%}", "/ten", OK "content-length: 10\r\n\r\n012", FIN, 200, 3),
    WIRE("{truncate: 0}", "/ten", OK "content-length: 10\r\n\r\n", FIN, 200, 0),
    WIRE("{truncate: 9}", "/ten", OK "content-length: 10\r\n\r\n012345678", FIN, 200, 9),
    WIRE("{truncate: 10}", "/ten", OK "content-length: 10\r\n\r\n012345678", FIN, 200, 9),
    WIRE("{truncate: 1MiB}", "/ten", OK "content-length: 10\r\n\r\n012345678", FIN, 200, 9),
    WIRE("{truncate: {at: 100%}}", "/ten", OK "content-length: 10\r\n\r\n012345678", FIN, 200, 9),
    WIRE("{truncate: 3}", "/hello", OK LENGTH5 "hel", FIN, 200, 3),
    WIRE("{truncate: 3}", "/chunked", OK CHUNKED "3\r\nhel\r\n", FIN, 200, 3),
    WIRE("{truncate: 3}", "/by-hand", OK "Content-Length: 5\r\n\r\nhel", FIN, 200, 3),
    WIRE("{truncate: 3}", "/late", OK "content-length: 4\r\n\r\nlat", FIN, 200, 3),
    WIRE("{truncate: 5}", "/stream", OK CHUNKED "2\r\nab\r\n3\r\ncab\r\n", FIN, 200, 5),
    WIRE("{truncate: 50%}", "/stream", OK CHUNKED "1\r\na\r\n2\r\nbc\r\n1\r\na\r\n2\r\nbc\r\n", FIN,
         200, 6),
    WIRE("{truncate: 1GiB}", "/stream",
         OK CHUNKED "2\r\nab\r\n3\r\ncab\r\n3\r\ncab\r\n3\r\ncab\r\n", FIN, 200, 11),
    WIRE("{truncate: 3}", "/none", OK CHUNKED, FIN, 200, 0),
    WIRE("{truncate: 3}", "/empty", OK "content-length: 0\r\n", FIN, 200, 0),
    WIRE("{truncate: 3}", "/nothing", "HTTP/1.1 204 No Content\r\n", FIN, 204, 0),
    WIRE("{truncate: 3}", "/raw", "RAW", FIN, 0, 3),
    WIRE("{truncate: 2}", "/early", "HTTP/1.1 103 Early Hints\r\n\r\n" OK LENGTH5 "he", FIN, 200,
         2),

    WIRE("empty-response", "/hello", "", FIN, 0, 0),
    WIRE("empty-response", "/late", "", FIN, 0, 0),
    WIRE("empty-response", "/early", "", FIN, 0, 0),
    WIRE("empty-response", "/raw", "", FIN, 0, 0),
    WIRE("empty-response", "/slow", "", FIN, 0, 0),

    WIRE("bad-status-line", "/hello", "200 OK\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-status-line: no-code}", "/hello", "HTTP/1.1 OK\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-status-line: letters}", "/hello", "HTTP/1.1 abc OK\r\n" LENGTH5 "hello", STAYS, 200,
         5),
    WIRE("{bad-status-line: short-code}", "/hello", "HTTP/1.1 20 OK\r\n" LENGTH5 "hello", STAYS,
         200, 5),
    WIRE("{bad-status-line: long-code}", "/hello", "HTTP/1.1 2000 OK\r\n" LENGTH5 "hello", STAYS,
         200, 5),
    WIRE("{bad-status-line: zero-code}", "/hello", "HTTP/1.1 000 OK\r\n" LENGTH5 "hello", STAYS,
         200, 5),
    WIRE("{bad-status-line: no-blank}", "/hello", "HTTP/1.1200 OK\r\n" LENGTH5 "hello", STAYS, 200,
         5),
    WIRE("{bad-status-line: {kind: lower-case}}", "/hello", "http/1.1 200 OK\r\n" LENGTH5 "hello",
         STAYS, 200, 5),
    WIRE("{bad-status-line: reason-bytes}", "/hello", "HTTP/1.1 200 \xff\xfe\r\n" LENGTH5 "hello",
         STAYS, 200, 5),
    WIRE("{bad-status-line: missing}", "/hello", LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-status-line: alone}", "/hello", OK, FIN, 200, 0),
    WIRE("{bad-status-line: half}", "/hello", "HTTP/1.", FIN, 200, 0),
    WIRE("bad-status-line", "/reason", "299 So so\r\nx-a: b\r\ncontent-length: 0\r\n\r\n", STAYS,
         299, 0),
    WIRE("bad-status-line", "/close",
         "200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello", FIN, 200, 5),

    WIRE("bad-header", "/hello", OK "x-bad no colon\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-header: no-name}", "/hello", OK ": no name\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-header: blank-in-name}", "/hello", OK "x bad: a\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-header: blank-before-colon}", "/hello", OK "x-bad : a\r\n" LENGTH5 "hello", STAYS,
         200, 5),
    WIRE("{bad-header: blank-before-name}", "/hello", OK " x-bad: a\r\n" LENGTH5 "hello", STAYS,
         200, 5),
    WIRE("{bad-header: folded}", "/hello", OK "x-bad: a\r\n b\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-header: nul}", "/hello", OK "x-bad: a\0b\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-header: control}", "/hello", OK "x-bad: a\001b\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-header: bare-cr}", "/hello", OK "x-bad: a\rb\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-header: bare-lf}", "/hello", OK "x-bad: a\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{bad-header: bytes}", "/hello", OK "x-bad: \xff\xfe\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("bad-header", "/nothing", "HTTP/1.1 204 No Content\r\nx-bad no colon\r\n\r\n", STAYS, 204,
         0),
    WIRE("bad-header", "/late", OK "x-bad no colon\r\ncontent-length: 4\r\n\r\nlate", STAYS, 200,
         4),

    WIRE("{header-flood: {size: 64, line: 20}}", "/hello",
         OK "content-length: 5\r\nx-flood: aaaaaaaaa\r\nx-flood: aaaaaaaaa\r\nx-flood: "
            "aaaaaaaaaaaaa\r\n\r\n"
            "hello",
         STAYS, 200, 5),
    WIRE("{header-flood: 16}", "/chunked",
         OK "transfer-encoding: chunked\r\nx-flood: aaaaa\r\n\r\n5\r\nhello\r\n0\r\n\r\n", STAYS,
         200, 5),

    WIRE("no-end-of-headers", "/hello", OK "content-length: 5\r\n", SILENT, 200, 0),
    WIRE("{no-end-of-headers: fin}", "/hello", OK "content-length: 5\r\n", FIN, 200, 0),
    WIRE("{no-end-of-headers: {then: body}}", "/hello", OK "content-length: 5\r\nhello", STAYS, 200,
         5),
    WIRE("no-end-of-headers", "/slow",
         OK "content-type: text/plain; charset=utf-8\r\ntransfer-encoding: chunked\r\n", SILENT,
         200, 0),

    WIRE("bad-chunk", "/hello", OK CHUNKED "xyz\r\nhello\r\n", FIN, 200, 5),
    WIRE("{bad-chunk: no-size}", "/hello", OK CHUNKED "\r\nhello\r\n", FIN, 200, 5),
    WIRE("{bad-chunk: negative}", "/hello", OK CHUNKED "-5\r\nhello\r\n", FIN, 200, 5),
    WIRE("{bad-chunk: huge}", "/hello", OK CHUNKED "10000000000000005\r\nhello\r\n", FIN, 200, 5),
    WIRE("{bad-chunk: too-long}", "/hello", OK CHUNKED "15\r\nhello\r\n", FIN, 200, 5),
    WIRE("{bad-chunk: {kind: too-short}}", "/hello", OK CHUNKED "4\r\nhello\r\n", FIN, 200, 5),
    WIRE("{bad-chunk: no-line-end}", "/hello", OK CHUNKED "5\r\nhello0\r\n\r\n", FIN, 200, 5),
    WIRE("bad-chunk", "/empty", OK CHUNKED "xyz\r\nx\r\n", FIN, 200, 1),
    WIRE("bad-chunk", "/none", OK CHUNKED "xyz\r\nx\r\n", FIN, 200, 1),
    WIRE("bad-chunk", "/slow",
         OK "content-type: text/plain; charset=utf-8\r\n" CHUNKED "xyz\r\nabc\r\n", FIN, 200, 3),
    WIRE("bad-chunk", "/nothing", "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n", FIN,
         204, 0),
    WIRE("bad-chunk", "/by-hand", OK CHUNKED "xyz\r\nhello\r\n", FIN, 200, 5),

    WIRE("missing-last-chunk", "/hello", OK CHUNKED "5\r\nhello\r\n", FIN, 200, 5),
    WIRE("missing-last-chunk", "/trailers", OK "trailer: x-t\r\n" CHUNKED "5\r\nhello\r\n", FIN,
         200, 5),
    WIRE("missing-last-chunk", "/stream",
         OK CHUNKED "3\r\nabc\r\n3\r\nabc\r\n3\r\nabc\r\n3\r\nabc\r\n", FIN, 200, 12),
    WIRE("missing-last-chunk", "/empty", OK CHUNKED, FIN, 200, 0),

    WIRE("both-lengths", "/hello",
         OK "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", STAYS,
         200, 5),
    WIRE("{both-lengths: 4KiB}", "/hello",
         OK "content-length: 4096\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
         STAYS, 200, 5),
    WIRE("{both-lengths: {length: 0}}", "/by-hand",
         OK "content-length: 0\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", STAYS,
         200, 5),
    WIRE("both-lengths", "/trailers",
         OK "trailer: x-t\r\ncontent-length: 5\r\ntransfer-encoding: "
            "chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: u\r\n\r\n",
         STAYS, 200, 5),
    WIRE("both-lengths", "/none",
         OK "content-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", STAYS, 200, 0),

    WIRE("{wrong-length: -1}", "/hello", OK "content-length: 4\r\n\r\nhello", FIN, 200, 5),
    WIRE("{wrong-length: 3}", "/hello", OK "content-length: 8\r\n\r\nhello", FIN, 200, 5),
    WIRE("{wrong-length: -10}", "/hello", OK "content-length: -5\r\n\r\nhello", FIN, 200, 5),
    WIRE("{wrong-length: +1}", "/chunked", OK "content-length: 6\r\n\r\nhello", FIN, 200, 5),
    WIRE("{wrong-length: 2}", "/stream", OK "content-length: 2\r\n\r\nabcabcabcabc", FIN, 200, 12),
    WIRE("{wrong-length: 7}", "/by-hand", OK "content-length: 12\r\n\r\nhello", FIN, 200, 5),
    WIRE("{wrong-length: letters}", "/hello", OK "content-length: ten\r\n\r\nhello", FIN, 200, 5),
    WIRE("{wrong-length: huge}", "/hello", OK "content-length: 36893488147419103232\r\n\r\nhello",
         FIN, 200, 5),
    WIRE("{wrong-length: two}", "/hello", OK "content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
         FIN, 200, 5),

    WIRE("extra-body", "/hello", OK LENGTH5 "helloxxxxxxxxxxxxxxxx", STAYS, 200, 21),
    WIRE("{extra-body: 3}", "/chunked", OK CHUNKED "5\r\nhello\r\n0\r\n\r\nxxx", STAYS, 200, 8),
    WIRE("{extra-body: {text: \"HTTP/1.1 500 No\\r\\n\\r\\n\"}}", "/hello",
         OK LENGTH5 "helloHTTP/1.1 500 No\r\n\r\n", STAYS, 200, 24),
    WIRE("{extra-body: 2}", "/nothing", "HTTP/1.1 204 No Content\r\n\r\nxx", STAYS, 204, 2),
    WIRE("{extra-body: 2}", "/raw", "RAW-BYTESxx", STAYS, 0, 11),
    WIRE("{extra-body: 2}", "/close", OK "content-length: 5\r\nconnection: close\r\n\r\nhelloxx",
         FIN, 200, 7),

    WIRE("wrong-version", "/hello", "HTTP/9.9 200 OK\r\n" LENGTH5 "hello", STAYS, 200, 5),
    WIRE("{wrong-version: ICY}", "/reason", "ICY 299 So so\r\nx-a: b\r\ncontent-length: 0\r\n\r\n",
         STAYS, 299, 0),
    WIRE("{wrong-version: {version: HTTP/1.0}}", "/chunked",
         "HTTP/1.0 200 OK\r\n" CHUNKED "5\r\nhello\r\n0\r\n\r\n", STAYS, 200, 5),
};

START_TEST(test_the_bytes_of_each_fault)
{
    for (size_t i = 0; i < COUNT_OF(wires); i++)
        play(&wires[i], "GET", "1.1");
}
END_TEST

/* Answers to HEAD and to HTTP/1.0 */

static const struct wire heads[] = {
    WIRE("truncate", "/hello", OK "content-length: 5\r\n", FIN, 200, 0),
    WIRE("bad-chunk", "/hello", OK "transfer-encoding: chunked\r\n", FIN, 200, 0),
    WIRE("missing-last-chunk", "/hello", OK "transfer-encoding: chunked\r\n", FIN, 200, 0),
    WIRE("both-lengths", "/hello", OK "content-length: 5\r\n" CHUNKED, STAYS, 200, 0),
    WIRE("{extra-body: 5}", "/hello", OK LENGTH5 "xxxxx", STAYS, 200, 5),
    WIRE("{bad-header: folded}", "/hello", OK "x-bad: a\r\n b\r\n" LENGTH5, STAYS, 200, 0),
    WIRE("{no-end-of-headers: stall}", "/hello", OK "content-length: 5\r\n", SILENT, 200, 0),
};

START_TEST(test_answers_to_head)
{
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        play(&heads[i], "HEAD", "1.1");
}
END_TEST

static const struct wire olds[] = {
    WIRE("{truncate: 5}", "/stream", OK "connection: close\r\n\r\nabcab", FIN, 200, 5),
    WIRE("bad-chunk", "/hello",
         OK "transfer-encoding: chunked\r\nconnection: close\r\n\r\nxyz\r\nhello\r\n", FIN, 200, 5),
    WIRE("{bad-status-line: no-code}", "/close",
         "HTTP/1.1 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello", FIN, 200, 5),
};

START_TEST(test_answers_to_an_old_client)
{
    for (size_t i = 0; i < COUNT_OF(olds); i++)
        play(&olds[i], "GET", "1.0");
}
END_TEST

/* The rows */

START_TEST(test_every_row_is_walked)
{
    for (const struct member *member = fault_http1_members; member->key; member++) {
        bool walked = !strcmp(member->key, "garbage");
        for (size_t i = 0; i < COUNT_OF(wires); i++)
            walked = walked || strstr(wires[i].fault, member->key);
        ck_assert_msg(walked, "%s", member->key);
    }
    /* and every kind of those that have kinds */
    for (const struct member *member = fault_http1_members; member->key; member++) {
        const struct table *table = member->type->table;
        if (!table || strcmp(table->rows[0].key, "kind") != 0)
            continue;
        const struct choice *choices = table->rows[0].type->of->extra;
        for (const struct choice *choice = choices; choice->name; choice++) {
            bool walked = choice == choices;
            for (size_t i = 0; i < COUNT_OF(wires); i++)
                walked = walked || (strstr(wires[i].fault, member->key) &&
                                    strstr(wires[i].fault, choice->name));
            ck_assert_msg(walked, "%s: %s", member->key, choice->name);
        }
    }
}
END_TEST

static const struct {
    const char *yaml;
    const char *wrong;
} wrongs[] = {
    {"{truncate: half}", "a share of the body"},
    {"{truncate: -1}", "a share of the body"},
    {"{truncate: 101%}", "share"},
    {"{truncate: [1]}", "a share of the body"},
    {"{truncate: false}", "a fault that is false is none"},
    {"{garbage: 0}", "and not 0"},
    {"{header-flood: 15}", "16 bytes or more"},
    {"{header-flood: {line: 15}}", "16 bytes or more"},
    {"{bad-header: no-coln}", "no-colon"},
    {"{bad-chunk: nul}", "one of"},
    {"{no-end-of-headers: rst}", "one of"},
    {"{wrong-length: 0}", "not 0"},
    {"{wrong-length: 1000000001}", "at most 1000000000"},
    {"wrong-length", "wrong-length"},
    {"{wrong-length: tow}", "two"},
    {"{extra-body: 2MiB}", "from 1 to 1MiB"},
    {"{extra-body: {size: 1, text: a}}", "'text' beside 'size'"},
    {"{extra-body: {text: ''}}", "nothing extra"},
    {"{wrong-version: HTTP/1.1}", "the right version"},
    {"{wrong-version: 'HTTP/1.1 200'}", "without blanks"},
    {"{empty-response: false}", "a fault that is false is none"},
    {"{both-lengths: -1}", "size"},
    {"{bad-header: true, direction: request}", "no fault of the stream"},
};

static void wrong_values(size_t at)
{
    struct fault_config fault = {0};
    arena = arena_new();
    struct str wrong = read_value(&fault_type, wrongs[at].yaml, &fault);
    ck_assert_msg(str_find(wrong, str_of(wrongs[at].wrong)) >= 0, "%s: " STR_FMT, wrongs[at].yaml,
                  STR_ARG(wrong));
    arena_free(arena);
}

START_TEST(test_wrong_values)
{
    for (size_t i = 0; i < COUNT_OF(wrongs); i++)
        wrong_values(i);
}
END_TEST

UNIT_MAIN("fault_http1", test_the_bytes_of_each_fault, test_answers_to_head,
          test_answers_to_an_old_client, test_every_row_is_walked, test_wrong_values)
