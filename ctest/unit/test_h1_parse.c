#include "ctest/unit/unit.h"
#include "server/http/h1_parse.h"

#include <string.h>

enum { MOST = 4096 };

struct outcome {
    enum h1_progress progress;
    struct h1_fault fault;
    struct h1_head head;
    struct h1_scan scan;
    struct header headers[H1_MOST_HEADERS];
};

/** Scans and reads a head that comes in pieces of `step` bytes. */
static void read_head(struct str text, size_t step, size_t most, struct outcome *outcome)
{
    struct h1_scan *scan = &outcome->scan;
    h1_scan_head(scan, most);
    outcome->progress = H1_MORE;
    outcome->fault = (struct h1_fault){0};
    for (size_t size = step < text.size ? step : text.size; outcome->progress == H1_MORE;
         size = size + step > text.size ? text.size : size + step) {
        /* a block of just that size: reading beyond it is seen */
        char *bytes = malloc(size + !size);
        memcpy(bytes, text.data, size);
        outcome->progress = h1_scan_step(scan, bytes, size);
        free(bytes);
        if (size == text.size)
            break;
    }
    outcome->fault = scan->fault;
    if (outcome->progress != H1_DONE)
        return;
    if (!h1_head_read(scan, text.data, outcome->headers, &outcome->head)) {
        outcome->progress = H1_BAD;
        outcome->fault = outcome->head.fault;
    }
}

static struct outcome *head_of(const char *text)
{
    static struct outcome whole;
    static struct outcome pieces;
    read_head(str_of(text), strlen(text), MOST, &whole);
    read_head(str_of(text), 1, MOST, &pieces);
    ck_assert_int_eq(whole.progress, pieces.progress);
    ck_assert_uint_eq(whole.fault.status, pieces.fault.status);
    ck_assert_ptr_eq(whole.fault.why, pieces.fault.why);
    return &whole;
}

static void ck_refused(const char *text, unsigned status)
{
    struct outcome *outcome = head_of(text);
    ck_assert_msg(outcome->progress == H1_BAD && outcome->fault.status == status &&
                      outcome->fault.why,
                  "status %u (progress %d, '%s') for: %s", outcome->fault.status, outcome->progress,
                  outcome->fault.why ? outcome->fault.why : "", text);
}

static struct outcome *ck_taken(const char *text)
{
    struct outcome *outcome = head_of(text);
    ck_assert_msg(outcome->progress == H1_DONE, "refused with %u '%s': %s", outcome->fault.status,
                  outcome->fault.why ? outcome->fault.why : "", text);
    return outcome;
}

START_TEST(test_reads_a_request)
{
    struct outcome *o = ck_taken(
        "GET /a%20b?x=1&y=? HTTP/1.1\r\nHost: h:80\r\nX-A:  b c\t\r\nx-empty:\r\n\r\nrest");
    ck_str_is(o->head.method, "GET");
    ck_str_is(o->head.target, "/a%20b?x=1&y=?");
    ck_str_is(o->head.path, "/a%20b");
    ck_str_is(o->head.query, "x=1&y=?");
    ck_str_is(o->head.authority, "h:80");
    ck_assert_int_eq(o->head.version, HTTP_1_1);
    ck_assert_uint_eq(o->head.count, 3);
    ck_str_is(o->headers[1].name, "X-A");
    ck_str_is(o->headers[1].value, "b c");
    ck_str_is(o->headers[2].value, "");
    ck_assert(o->head.keep_alive && !o->head.chunked && !o->head.has_length &&
              !o->head.expects_continue);
    ck_assert_uint_eq(
        o->scan.at,
        strlen("GET /a%20b?x=1&y=? HTTP/1.1\r\nHost: h:80\r\nX-A:  b c\t\r\nx-empty:\r\n\r\n"));
}
END_TEST

START_TEST(test_reads_forms_of_targets)
{
    struct outcome *o = ck_taken("GET http://Example.com:8080/p?q HTTP/1.1\r\nHost: other\r\n\r\n");
    ck_str_is(o->head.path, "/p");
    ck_str_is(o->head.query, "q");
    ck_str_is(o->head.authority, "Example.com:8080");
    o = ck_taken("GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n");
    ck_str_is(o->head.path, "/");
    ck_str_is(o->head.query, "q");
    o = ck_taken("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    ck_str_is(o->head.path, "*");
    o = ck_taken("TRACE /x HTTP/1.1\r\nHost:\r\n\r\n");
    ck_str_is(o->head.path, "/x");
    ck_assert_ptr_null(o->head.query.data);
    o = ck_taken("GET /? HTTP/1.1\r\nHost: h\r\n\r\n");
    ck_assert_ptr_nonnull(o->head.query.data);
    ck_assert_uint_eq(o->head.query.size, 0);
    o = ck_taken("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    ck_str_is(o->head.path, "example.com:443");
    ck_str_is(o->head.authority, "example.com:443");
    ck_taken("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
    ck_refused("GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    ck_refused("CONNECT /x HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    ck_refused("CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    ck_refused("GET a/b HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    ck_refused("GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    ck_refused("GET http://u@h/x HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    ck_refused("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400);
}
END_TEST

START_TEST(test_reads_versions)
{
    struct outcome *o = ck_taken("GET / HTTP/1.0\r\n\r\n");
    ck_assert_int_eq(o->head.version, HTTP_1_0);
    ck_assert(!o->head.keep_alive);
    ck_assert(ck_taken("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")->head.keep_alive);
    ck_assert(
        !ck_taken("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n")->head.keep_alive);
    ck_assert_int_eq(ck_taken("GET / HTTP/1.7\r\nHost: h\r\n\r\n")->head.version, HTTP_1_1);
    ck_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    ck_refused("GET / HTTP/3.1\r\n\r\n", 505);
    ck_refused("GET / HTTP/0.9\r\n\r\n", 505);
    ck_refused("GET / HTTP/2\r\n\r\n", 505);
    ck_refused("GET / http/1.1\r\nHost: h\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400);
    ck_refused("GET / HTTP/11\r\nHost: h\r\n\r\n", 400);
    ck_refused("GET / HTTP/1\r\nHost: h\r\n\r\n", 400);
    ck_refused("GET / FTP/1.1\r\n\r\n", 400);
}
END_TEST

START_TEST(test_refuses_bad_request_lines)
{
    ck_refused("GET /\r\n\r\n", 400);
    ck_refused("GET\r\n\r\n", 400);
    ck_refused(" GET / HTTP/1.1\r\n\r\n", 400);
    ck_refused("GET  / HTTP/1.1\r\n\r\n", 400);
    ck_refused("GET /  HTTP/1.1\r\n\r\n", 400);
    ck_refused("GET\t/ HTTP/1.1\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400);
    ck_refused("G(T / HTTP/1.1\r\n\r\n", 400);
    ck_refused("GET /a b HTTP/1.1\r\n\r\n", 400);
    ck_refused("GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.1\nHost: h\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.1\rHost: h\r\n\r\n", 400);
    ck_refused("\n GET / HTTP/1.1\r\n\r\n", 400);
    ck_refused("\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400);
    ck_refused("\rGET / HTTP/1.1\r\n\r\n", 400);
    ck_refused("\x16\x03\x01\x02", 400);
    ck_taken("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
}
END_TEST

#define WITH(lines) "POST / HTTP/1.1\r\nHost: h\r\n" lines "\r\n"

START_TEST(test_refuses_bad_header_lines)
{
    ck_refused(WITH("X : a\r\n"), 400);
    ck_refused(WITH("X\t: a\r\n"), 400);
    ck_refused(WITH("X: a\r\n folded\r\n"), 400);
    ck_refused(WITH(" X: a\r\n"), 400);
    ck_refused(WITH("X: a\rb\r\n"), 400);
    ck_refused(WITH("X: a\r\r\n"), 400);
    ck_refused(WITH("X: a\n"), 400);
    ck_refused(WITH("X: a\nY: b\r\n"), 400);
    ck_refused(WITH("X(: a\r\n"), 400);
    ck_refused(WITH(": a\r\n"), 400);
    ck_refused(WITH("nocolon\r\n"), 400);
    ck_refused(WITH("X: \x01\r\n"), 400);
    ck_refused(WITH("X: \x7f\r\n"), 400);
    ck_refused(WITH("X\xc3: a\r\n"), 400);
    ck_taken(WITH("X: \xc3\xa4\r\n"));
    ck_taken(WITH("X: a \t b\r\n"));
    struct outcome outcome;
    read_head(STR("GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"), 1, MOST, &outcome);
    ck_assert_uint_eq(outcome.fault.status, 400);
    read_head(STR("GET / HTTP/1.1\r\nHo\0st: h\r\n\r\n"), 1000, MOST, &outcome);
    ck_assert_uint_eq(outcome.fault.status, 400);
}
END_TEST

START_TEST(test_judges_hosts)
{
    ck_refused("GET / HTTP/1.1\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400);
    ck_refused("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400);
    ck_taken("GET / HTTP/1.1\r\nhOsT: a:\r\n\r\n");
    ck_taken("GET / HTTP/1.1\r\nHost: \r\n\r\n");
}
END_TEST

START_TEST(test_judges_framing)
{
    struct outcome *o = ck_taken(WITH("Content-Length: 007\r\n"));
    ck_assert(o->head.has_length);
    ck_assert_uint_eq(o->head.content_length, 7);
    ck_assert_uint_eq(
        ck_taken(WITH("content-length: 5, 5\r\ncontent-length: 5\r\n"))->head.content_length, 5);
    ck_assert_uint_eq(
        ck_taken(WITH("Content-Length: 99999999999999999999999\r\n"))->head.content_length,
        INT64_MAX);
    ck_assert(ck_taken(WITH("Transfer-Encoding: Chunked\r\n"))->head.chunked);
    ck_assert(ck_taken(WITH("Expect: 100-Continue\r\n"))->head.expects_continue);
    ck_refused(WITH("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
    ck_refused(WITH("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
    ck_refused(WITH("Content-Length: 5\r\nContent-Length: 6\r\n"), 400);
    ck_refused(WITH("Content-Length: 5, 6\r\n"), 400);
    ck_refused(WITH("Content-Length: 5,\r\n"), 400);
    ck_refused(WITH("Content-Length:\r\n"), 400);
    ck_refused(WITH("Content-Length: +5\r\n"), 400);
    ck_refused(WITH("Content-Length: -5\r\n"), 400);
    ck_refused(WITH("Content-Length: 0x5\r\n"), 400);
    ck_refused(WITH("Content-Length: 5 5\r\n"), 400);
    ck_refused(WITH("Transfer-Encoding: gzip, chunked\r\n"), 501);
    ck_refused(WITH("Transfer-Encoding: identity\r\n"), 501);
    ck_refused(WITH("Transfer-Encoding: xchunked\r\n"), 501);
    ck_refused(WITH("Transfer-Encoding: chunked, chunked\r\n"), 400);
    ck_refused(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"), 400);
    ck_refused(WITH("Transfer-Encoding:\r\n"), 400);
    ck_refused(WITH("Transfer-Encoding: ,chunked\r\n"), 400);
    ck_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
}
END_TEST

START_TEST(test_bounds_heads)
{
    static char text[200000];
    struct outcome outcome;
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    read_head((struct str){text, 101}, 101, 100, &outcome);
    ck_assert_uint_eq(outcome.fault.status, 414);
    read_head((struct str){text, 100}, 100, 100, &outcome);
    ck_assert_int_eq(outcome.progress, H1_MORE);
    memcpy(text, "GET / HTTP/1.1\r\nHost: h\r\nX: ", 28);
    read_head((struct str){text, 4000}, 7, 100, &outcome);
    ck_assert_uint_eq(outcome.fault.status, 431);
    ck_assert_uint_eq(outcome.scan.at, 100);
    /* exactly as large as it may be */
    struct str exact = STR("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
    read_head(exact, 1, exact.size - 2, &outcome);
    ck_assert_int_eq(outcome.progress, H1_DONE);
    read_head(exact, 1, exact.size - 3, &outcome);
    ck_assert_uint_eq(outcome.fault.status, 431);
}
END_TEST

START_TEST(test_bounds_the_number_of_headers)
{
    static char text[20000];
    struct outcome *outcome = malloc(sizeof *outcome);
    for (int more = 0; more < 2; more++) {
        size_t size = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\n");
        for (int i = 1; i < H1_MOST_HEADERS + more; i++)
            size += (size_t)snprintf(text + size, sizeof text - size, "a:%d\r\n", i);
        size += (size_t)snprintf(text + size, sizeof text - size, "\r\n");
        read_head((struct str){text, size}, size, sizeof text, outcome);
        ck_assert_uint_eq(outcome->fault.status, more ? 431 : 0);
        if (!more)
            ck_str_is(outcome->headers[999].value, "999");
    }
    free(outcome);
}
END_TEST

/** Decodes chunks that come in pieces; returns the progress, the data in `out`. */
static enum h1_progress decode(struct str text, size_t step, char *out, size_t *taken,
                               struct h1_fault *fault)
{
    struct h1_chunks chunks;
    enum h1_progress progress = H1_MORE;
    size_t size = 0;
    h1_chunks_start(&chunks);
    *taken = 0;
    while (progress == H1_MORE && *taken < text.size) {
        size_t piece;
        struct str data;
        progress = h1_chunks_step(&chunks, str_slice(text, *taken, step), &piece, &data);
        if (data.size)
            memcpy(out + size, data.data, data.size);
        size += data.size;
        *taken += piece;
    }
    out[size] = '\0';
    *fault = chunks.fault;
    return progress;
}

static void ck_chunks(const char *text, enum h1_progress expected, const char *body, size_t left)
{
    char out[512];
    for (size_t step = 1; step <= strlen(text); step += step == 1 ? 6 : strlen(text)) {
        size_t taken;
        struct h1_fault fault;
        enum h1_progress progress = decode(str_of(text), step, out, &taken, &fault);
        ck_assert_msg(progress == expected, "%d '%s' for %s", progress, fault.why ? fault.why : "",
                      text);
        ck_assert_uint_eq(fault.status, expected == H1_BAD ? 400 : 0);
        if (body)
            ck_assert_str_eq(out, body);
        if (expected == H1_DONE)
            ck_assert_uint_eq(strlen(text) - taken, left);
    }
}

START_TEST(test_decodes_chunks)
{
    ck_chunks("5\r\nhello\r\n6;a=b;c=\"d\"\r\n world\r\n0\r\n\r\nnext", H1_DONE, "hello world", 6);
    ck_chunks("0\r\n\r\n", H1_DONE, "", 2);
    ck_chunks("000a\r\n0123456789\r\n00\r\nx: y\r\n\r\n", H1_DONE, "0123456789", 8);
    ck_chunks("A ;x\r\n0123456789\r\n0;\r\n", H1_DONE, "0123456789", 0);
    ck_chunks("5\r\nhel", H1_MORE, "hel", 0);
    ck_chunks("fF\r\n", H1_MORE, "", 0);
}
END_TEST

START_TEST(test_refuses_bad_chunks)
{
    static const char *const bad[] = {
        "\r\n",
        "g\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5\nhello\r\n",
        "5\r\nhello\n",
        "5\r\nhelloX",
        "5\r\nhello\rX",
        "5\rX",
        "-1\r\n",
        "5 \r\nhello",
        "5 x\r\n",
        "5;\x01\r\n",
        "5;a\n",
        "11111111111111111\r\n",
        "ffffffffffffffff\r\n",
        "8000000000000000\r\n",
        "00000000000000005\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_chunks(bad[i], H1_BAD, NULL, 0);
}
END_TEST

START_TEST(test_bounds_extensions)
{
    static char text[70000];
    static char out[70000];
    size_t taken;
    size_t size = 0;
    struct h1_fault fault;
    for (int i = 0; i < 100; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "1;");
        memset(text + size, 'e', 400);
        size += 400;
        size += (size_t)snprintf(text + size, sizeof text - size, "\r\nx\r\n");
    }
    ck_assert_int_eq(decode((struct str){text, size}, size, out, &taken, &fault), H1_BAD);
    ck_assert_uint_lt(taken, H1_MOST_EXTENSIONS + 2000);
}
END_TEST

START_TEST(test_reads_trailers)
{
    struct h1_scan scan;
    struct header headers[4];
    struct str text = STR("X-Sum: 1\r\ny:2\r\n\r\nnext");
    h1_scan_fields(&scan, 100);
    ck_assert_int_eq(h1_scan_step(&scan, text.data, 5), H1_MORE);
    ck_assert_int_eq(h1_scan_step(&scan, text.data, text.size), H1_DONE);
    ck_assert_uint_eq(scan.at, text.size - 4);
    ck_assert_uint_eq(h1_fields_read(&scan, text.data, headers), 2);
    ck_str_is(headers[0].name, "X-Sum");
    ck_str_is(headers[1].value, "2");
    h1_scan_fields(&scan, 10);
    ck_assert_int_eq(h1_scan_step(&scan, text.data, text.size), H1_BAD);
    ck_assert_uint_eq(scan.fault.status, 431);
    h1_scan_fields(&scan, 10);
    ck_assert_int_eq(h1_scan_step(&scan, "\r\n", 2), H1_DONE);
    ck_assert_uint_eq(h1_fields_read(&scan, "\r\n", headers), 0);
}
END_TEST

UNIT_MAIN("h1_parse", test_reads_a_request, test_reads_forms_of_targets, test_reads_versions,
          test_refuses_bad_request_lines, test_refuses_bad_header_lines, test_judges_hosts,
          test_judges_framing, test_bounds_heads, test_bounds_the_number_of_headers,
          test_decodes_chunks, test_refuses_bad_chunks, test_bounds_extensions, test_reads_trailers)
