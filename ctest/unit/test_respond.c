#include "ctest/unit/fake_exchange.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

/** An upstream whose only answer is the block. */
static struct fake *fake_block(const char *block)
{
    char yaml[4096];
    int size = snprintf(yaml, sizeof yaml, "protocol: http\ndefault:\n  %s\n", block);
    ck_assert(size > 0 && (size_t)size < sizeof yaml);
    return fake_new(yaml);
}

/** Asks for / and checks what was told to the codec and the body. */
static void check_answer(const char *block, const char *log, const char *body)
{
    struct fake *fake = fake_block(block);
    ck_str_is(fake_wrong(fake), "");
    struct fake_exchange *x = fake_ask(fake, "GET", "/");
    ck_str_is(fake_log(x), log);
    ck_str_is(fake_sent(x), body);
    fake_exchange_free(x);
    fake_free(fake);
}

static void check_wrong(const char *block, const char *expected)
{
    struct fake *fake = fake_block(block);
    ck_assert_ptr_null(fake->upstream);
    ck_str_is(fake_wrong(fake), expected);
    fake_free(fake);
}

START_TEST(test_answers_constant_blocks_in_one_call)
{
    check_answer("{body: hello}",
                 "static HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n"
                 "content-length: 5\r\n\r\n",
                 "hello");
    check_answer(
        "{json: {a: 1.10}}",
        "static HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n",
        "{\"a\":1.10}");
    check_answer("{status: 204}", "static HTTP/1.1 204 No Content\r\n\r\n", "");
    check_answer("{}", "static HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "");
    check_answer("{status: 599, reason: Odd one, close: true}",
                 "static HTTP/1.1 599 Odd one\r\ncontent-length: 0\r\n\r\nclose\n", "");
    check_answer(
        "{json: null}",
        "static HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n",
        "null");
}
END_TEST

START_TEST(test_headers_repeat_and_drop)
{
    check_answer("{body: x, headers: {Content-Type: a/b, x-a: [one, two]}}",
                 "static HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nx-a: one\r\nx-a: two\r\n"
                 "content-length: 1\r\n\r\n",
                 "x");
    check_answer("{body: x, headers: {content-type: null}}",
                 "static HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n", "x");
    check_answer("{body: x, headers: {content-type: null, date: null}}",
                 "head 200 1 no-date\nfinish\n", "x");
    check_answer("{body: x, headers: {content-type: null, content-length: null}}",
                 "head 200 1 no-framing\nfinish\n", "x");
    check_answer("{body: x, chunked: true, headers: {content-type: null, transfer-encoding: null}}",
                 "head 200 1 chunked no-framing\nfinish\n", "x");
}
END_TEST

START_TEST(test_templates_are_resolved_for_each_request)
{
    struct fake *fake =
        fake_block("{json: {n: '{{ request.number }}', q: '{{ request.query.q }}'}, "
                   "headers: {x-m: 'm={{ request.method }}'}}");
    struct fake_exchange *x = fake_ask(fake, "GET", "/?q=a");
    ck_str_is(fake_sent(x), "{\"n\":1,\"q\":\"a\"}");
    ck_str_is(fake_log(x), "head 200 15 content-type=application/json x-m=m=GET\nfinish\n");
    fake_exchange_free(x);
    x = fake_ask(fake, "POST", "/?q=b");
    ck_str_is(fake_sent(x), "{\"n\":2,\"q\":\"b\"}");
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_a_header_stays_one_line)
{
    struct fake *fake = fake_block("{headers: {x-q: '{{ request.query.q }}'}}");
    struct fake_exchange *x = fake_ask(fake, "GET", "/?q=a%0d%0aset-cookie:%20b%00");
    ck_str_is(fake_log(x), "head 200 0 x-q=a  set-cookie: b \nfinish\n");
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_lies_about_the_length)
{
    check_answer("{body: hello, content-length: 10, headers: {content-type: null}}",
                 "head 200 5 content-length=10\nfinish\n", "hello");
}
END_TEST

START_TEST(test_trailers_need_chunks)
{
    check_answer("{body: hello, trailers: {x-sum: '{{ request.method }}', x-b: b}, headers: "
                 "{content-type: null}}",
                 "head 200 5 chunked trailer=x-sum, x-b\nfinish x-sum=GET x-b=b\n", "hello");
}
END_TEST

START_TEST(test_raw_is_the_whole_answer)
{
    struct fake *fake =
        fake_block("{raw: \"HTTP/1.1 418 {{ request.method }}\\r\\n\\r\\n\", close: true}");
    struct fake_exchange *x = fake_ask(fake, "GET", "/");
    ck_str_is(fake_log(x), "raw\nclose\n");
    ck_str_is(fake_sent(x), "HTTP/1.1 418 GET\r\n\r\n");
    ck_assert_uint_eq(fake_status(x), 418);
    fake_exchange_free(x);
    fake_free(fake);
    check_answer("{raw: garbage}", "raw\n", "garbage");
}
END_TEST

START_TEST(test_informational_comes_first)
{
    check_answer("{status: 204, delay: 1ms, informational: [{status: 103, headers: {link: [a, "
                 "b]}}, {status: 102}]}",
                 "1xx 103 link=a link=b\n1xx 102\nstatic HTTP/1.1 204 No Content\r\n\r\n", "");
}
END_TEST

START_TEST(test_no_informational_for_http_1_0)
{
    struct fake *fake = fake_block("{status: 204, informational: [{status: 103}]}");
    struct fake_exchange *x = fake_request(fake, "GET", "/");
    x->exchange.request.version = HTTP_1_0;
    upstream_answer(fake->upstream, &x->exchange);
    ck_str_is(fake_log(x), "static HTTP/1.1 204 No Content\r\n\r\n");
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_head_and_bodiless_answers_send_no_body)
{
    struct fake *fake =
        fake_block("{random: 100000, pace: {chunk: 1, every: 1h}, headers: {content-type: null}}");
    struct fake_exchange *x = fake_ask(fake, "HEAD", "/");
    ck_str_is(fake_log(x), "head 200 100000\nfinish\n");
    ck_assert_uint_eq(x->pieces, 0);
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_random_bytes_depend_on_the_seed_only)
{
    struct fake *fake = fake_block("{random: 200000-300000}");
    struct fake_exchange *first = fake_ask(fake, "GET", "/");
    struct fake_exchange *second = fake_ask(fake, "GET", "/");
    fake->requests = 0;
    struct fake_exchange *again = fake_ask(fake, "GET", "/");
    ck_assert(fake_sent(first).size >= 200000 && fake_sent(first).size <= 300000);
    ck_assert(str_equal(fake_sent(first), fake_sent(again)));
    ck_assert(!str_equal(fake_sent(first), fake_sent(second)));
    fake_exchange_free(first);
    fake_exchange_free(second);
    fake_exchange_free(again);
    fake_free(fake);
}
END_TEST

START_TEST(test_a_large_random_body_lets_others_have_a_turn)
{
    struct fake *fake = fake_block("{random: 5MiB}");
    struct fake_exchange *x = fake_request(fake, "GET", "/");
    upstream_answer(fake->upstream, &x->exchange);
    ck_assert(!x->ended);
    ck_assert_uint_eq(fake_sent(x).size, 1024 * 1024);
    fake_wait(fake, x);
    ck_assert_uint_eq(fake_sent(x).size, 5 * 1024 * 1024);
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_a_delay_is_waited_for)
{
    struct fake *fake = fake_block("{body: late, delay: 30ms}");
    struct fake_exchange *x = fake_request(fake, "GET", "/");
    upstream_answer(fake->upstream, &x->exchange);
    ck_assert_uint_eq(fake_log(x).size, 0);
    fake_wait(fake, x);
    ck_assert_int_ge(x->first_ns - x->exchange.whole_ns, 30 * CLOCK_MS);
    ck_str_is(fake_sent(x), "late");
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_an_exchange_may_go_at_any_time)
{
    static const char *const blocks[] = {
        "{body: late, delay: 1h}",
        "{body: late, pace: {chunk: 1, every: 1h}}",
        "{events: {count: 5, every: 1h, json: 1}, compress: gzip}",
        "{random: 100MiB}",
        "{random: 100MiB, compress: deflate}",
    };
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        struct fake *fake = fake_block(blocks[i]);
        struct fake_exchange *x = fake_request(fake, "GET", "/");
        upstream_answer(fake->upstream, &x->exchange);
        ck_assert(!x->ended);
        exchange_gone(&x->exchange, true);
        ck_assert_ptr_null(x->exchange.responder_gone);
        x->ended = true;
        fake_exchange_free(x);
        loop_turn(fake->loop);
        fake_free(fake);
    }
}
END_TEST

START_TEST(test_pace_dribbles)
{
    struct fake *fake =
        fake_block("{body: abcdefg, pace: {chunk: 3, every: 5ms}, headers: {content-type: null}}");
    struct fake_exchange *x = fake_request(fake, "GET", "/");
    upstream_answer(fake->upstream, &x->exchange);
    ck_str_is(fake_sent(x), "abc");
    fake_wait(fake, x);
    ck_str_is(fake_sent(x), "abcdefg");
    ck_assert_uint_eq(x->pieces, 3);
    ck_assert_int_ge(clock_now() - x->first_ns, 10 * CLOCK_MS);
    ck_str_is(fake_log(x), "head 200 7\nfinish\n");
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_a_paced_chunk_may_be_large)
{
    struct fake *fake = fake_block("{random: 300000, pace: {chunk: 100000, every: 1us}}");
    struct fake_exchange *x = fake_ask(fake, "GET", "/");
    ck_assert_uint_eq(fake_sent(x).size, 300000);
    ck_assert_uint_eq(x->pieces, 6);
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_stream_sends_a_piece_for_each_item)
{
    struct fake *fake =
        fake_block("{stream: {count: 3, every: 1ms, json: {r: '{{ random 1 1000000 }}'}}}");
    struct fake_exchange *x = fake_ask(fake, "GET", "/");
    ck_assert_uint_eq(x->pieces, 3);
    ck_str_is(fake_log(x), "head 200 -1 content-type=application/x-ndjson\nfinish\n");
    struct str sent = fake_sent(x);
    ptrdiff_t first = str_find_byte(sent, '\n');
    ck_assert_int_gt(first, 0);
    struct str line = str_slice(sent, 0, (size_t)first + 1);
    ck_assert_msg(!str_starts(str_from(sent, line.size), line), "each item draws anew");
    fake_exchange_free(x);
    fake_free(fake);
    check_answer("{stream: {count: 2, body: ab}}",
                 "head 200 -1 content-type=text/plain; charset=utf-8\nfinish\n", "abab");
}
END_TEST

START_TEST(test_events_are_server_sent_events)
{
    check_answer("{events: {count: 2, json: {a: [1]}}}",
                 "head 200 -1 content-type=text/event-stream cache-control=no-cache\nfinish\n",
                 "data: {\"a\":[1]}\n\ndata: {\"a\":[1]}\n\n");
    check_answer("{events: {count: 1, event: tick, body: \"one\\ntwo\\r\\n\\rthree\\n\"}, "
                 "headers: {content-type: null, cache-control: null}}",
                 "head 200 -1\nfinish\n",
                 "event: tick\ndata: one\ndata: two\ndata: \ndata: three\ndata: \n\n");
    check_answer(
        "{events: {count: 1, body: ''}, headers: {content-type: null, cache-control: null}}",
        "head 200 -1\nfinish\n", "data: \n\n");
}
END_TEST

/** Unpacks gzip or zlib. */
static struct str unpack(struct arena *arena, struct str packed)
{
    enum { ROOM = 1 << 20 };
    z_stream stream = {0};
    char *room = arena_alloc(arena, ROOM);
    ck_assert_int_eq(inflateInit2(&stream, MAX_WBITS + 32), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)packed.data;
    stream.avail_in = (unsigned)packed.size;
    stream.next_out = (unsigned char *)room;
    stream.avail_out = ROOM;
    ck_assert_int_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
    struct str text = {room, stream.total_out};
    inflateEnd(&stream);
    return text;
}

static void check_packed(const char *block, const char *head, const char *expected)
{
    struct fake *fake = fake_block(block);
    ck_str_is(fake_wrong(fake), "");
    struct fake_exchange *x = fake_ask(fake, "GET", "/");
    ck_assert_msg(str_starts(fake_log(x), str_of(head)), STR_FMT, STR_ARG(fake_log(x)));
    struct str text = unpack(fake->arena, fake_sent(x));
    if (expected)
        ck_str_is(text, expected);
    fake_exchange_free(x);
    fake_free(fake);
}

START_TEST(test_compresses)
{
    check_packed("{body: hello hello, compress: gzip}",
                 "static HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n"
                 "content-encoding: gzip\r\nvary: accept-encoding\r\ncontent-length: ",
                 "hello hello");
    check_packed(
        "{body: 'hello {{ request.method }}', compress: deflate, headers: {content-type: null}}",
        "head 200 17 content-encoding=deflate vary=accept-encoding\nfinish\n", "hello GET");
    check_packed("{events: {count: 2, json: 1}, compress: gzip}", "head 200 -1 ",
                 "data: 1\n\ndata: 1\n\n");
    check_packed("{random: 200000, compress: gzip}", "head 200 -1 ", NULL);
    check_packed("{random: 0, compress: gzip}", "head 200 -1 ", "");
}
END_TEST

START_TEST(test_an_event_of_a_compressed_stream_can_be_read_at_once)
{
    struct fake *fake = fake_block("{stream: {count: 2, every: 1h, body: hello}, compress: gzip}");
    struct fake_exchange *x = fake_request(fake, "GET", "/");
    upstream_answer(fake->upstream, &x->exchange);
    z_stream stream = {0};
    char room[100];
    ck_assert_int_eq(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)fake_sent(x).data;
    stream.avail_in = (unsigned)fake_sent(x).size;
    stream.next_out = (unsigned char *)room;
    stream.avail_out = sizeof room;
    ck_assert_int_eq(inflate(&stream, Z_SYNC_FLUSH), Z_OK);
    ck_str_is(((struct str){room, stream.total_out}), "hello");
    inflateEnd(&stream);
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(test_files_are_relative_to_the_spec)
{
    char path[] = "/tmp/goto-respond-XXXXXX.json";
    char block[100];
    int fd = mkstemps(path, 5);
    ck_assert_int_ge(fd, 0);
    close(fd);
    file_write(path, "{\"not\": \"{{ a template }}\"}");
    const char *log =
        "static HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n";
    snprintf(block, sizeof block, "{file: %s}", path + strlen("/tmp/"));
    check_answer(block, log, "{\"not\": \"{{ a template }}\"}");
    snprintf(block, sizeof block, "{file: %s}", path);
    check_answer(block, log, "{\"not\": \"{{ a template }}\"}");
    unlink(path);
}
END_TEST

START_TEST(test_a_large_body_is_sent_in_pieces)
{
    char path[] = "/tmp/goto-respond-XXXXXX";
    char block[100];
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, STREAM_HIGH_MARK + 1), 0);
    close(fd);
    snprintf(block, sizeof block, "{file: %s}", path);
    struct fake *fake = fake_block(block);
    struct fake_exchange *x = fake_ask(fake, "GET", "/");
    ck_assert_msg(str_starts(fake_log(x), STR("head 200 262145 ")), STR_FMT, STR_ARG(fake_log(x)));
    ck_assert_uint_eq(fake_sent(x).size, STREAM_HIGH_MARK + 1);
    fake_exchange_free(x);
    fake_free(fake);
    unlink(path);
}
END_TEST

START_TEST(test_files_that_cannot_be_read_are_told)
{
    check_wrong("{file: does-not-exist}",
                "3:10 cannot read file '/tmp/does-not-exist': No such file or directory\n");
    check_wrong("{file: /tmp}", "3:10 cannot read file '/tmp': it is no regular file\n");
    check_wrong("{file: /dev/zero}", "3:10 cannot read file '/dev/zero': it is no regular file\n");
}
END_TEST

START_TEST(test_wrong_blocks_are_told)
{
    check_wrong("{body: a, json: 1}", "3:13 an answer has one body, here are 'body' and 'json'\n");
    check_wrong("{raw: a, status: 200}",
                "3:12 'raw' is the whole answer: 'status' has no effect\n");
    check_wrong("{status: 103}", "3:12 status 103 is no final answer: use 'informational'\n");
    check_wrong("{status: 204, body: a}", "3:17 an answer with status 204 has no body\n");
    check_wrong("{chunked: true, content-length: 3}",
                "3:19 'content-length' and 'chunked' cannot stand together\n");
    check_wrong("{trailers: {a: b}, content-length: 3}",
                "3:4 'trailers' are sent with chunks, 'content-length' is sent without\n");
    check_wrong("{headers: {'a b': c}}", "3:14 'a b' cannot be the name of a header\n");
    check_wrong("{headers: {a: \"b\\nc\"}}", "3:14 the value of a header is one line: use 'raw'\n");
    check_wrong("{reason: \"b\\nc\"}", "3:4 the reason is one line: use 'raw'\n");
    check_wrong("{pace: {chunk: 0, every: 1ms}}", "3:18 'chunk' is at least 1 byte\n");
    check_wrong("{stream: {count: 1}}", "3:12 what is an item? Expected 'json' or 'body'\n");
    check_wrong("{events: {count: 1, json: 1, body: a}}",
                "3:12 an item is either 'json' or 'body', not both\n");
    check_wrong("{stream: {count: 1, body: a}, pace: {chunk: 1, every: 1s}}",
                "3:33 'pace' has no effect here: the items are sent each 'every'\n");
    check_wrong("{informational: [{status: 200}]}",
                "3:29 an informational status is one of 100 to 199, and not 101\n");
    check_wrong("{body: a, compress: br}",
                "3:23 'compress: br' is part of the language but not of this version\n");
}
END_TEST

START_TEST(test_an_answer_that_does_not_begin_in_time_becomes_503)
{
    struct fake *fake =
        fake_new("{protocol: http, limits: {respond: 10ms}, default: {body: a, delay: 1h}}");
    struct fake_exchange *x = fake_ask(fake, "GET", "/");
    ck_assert_uint_eq(fake_status(x), 503);
    ck_assert_int_ge(x->first_ns - x->exchange.whole_ns, 10 * CLOCK_MS);
    ck_str_is(fake_sent(x), "{\"error\":\"no answer was begun within limits.respond\"}");
    fake_exchange_free(x);
    x = fake_request(fake, "GET", "/");
    x->exchange.whole_ns -= CLOCK_SECOND;
    upstream_answer(fake->upstream, &x->exchange);
    ck_assert_msg(x->ended, "the time was over before the request was released");
    ck_assert_uint_eq(fake_status(x), 503);
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

static void check_cut(const char *body, bool old, const char *log)
{
    char yaml[200];
    snprintf(yaml, sizeof yaml, "{protocol: http, limits: {respond: 5ms}, default: {%s}}", body);
    struct fake *fake = fake_new(yaml);
    struct fake_exchange *x = fake_request(fake, "GET", "/");
    x->exchange.request.version = old ? HTTP_1_0 : HTTP_1_1;
    upstream_answer(fake->upstream, &x->exchange);
    fake_wait(fake, x);
    ck_str_is(fake_log(x), log);
    fake_exchange_free(x);
    fake_free(fake);
}

START_TEST(test_an_answer_that_is_not_finished_in_time_is_cut)
{
    check_cut("body: abc, pace: {chunk: 1, every: 1h}", false,
              "head 200 3 content-type=text/plain; charset=utf-8\ncut fin\n");
    check_cut("stream: {count: 2, body: abc, every: 1h}", false,
              "head 200 -1 content-type=text/plain; charset=utf-8\ncut fin\n");
    check_cut("stream: {count: 2, body: abc, every: 1h}", true,
              "head 200 -1 content-type=text/plain; charset=utf-8\ncut rst\n");
    check_cut("body: abc, headers: {content-length: null}, pace: {chunk: 1, every: 1h}", false,
              "head 200 3 no-framing content-type=text/plain; charset=utf-8\ncut rst\n");
}
END_TEST

UNIT_MAIN("respond", test_answers_constant_blocks_in_one_call, test_headers_repeat_and_drop,
          test_templates_are_resolved_for_each_request, test_a_header_stays_one_line,
          test_lies_about_the_length, test_trailers_need_chunks, test_raw_is_the_whole_answer,
          test_informational_comes_first, test_no_informational_for_http_1_0,
          test_head_and_bodiless_answers_send_no_body, test_random_bytes_depend_on_the_seed_only,
          test_a_large_random_body_lets_others_have_a_turn, test_a_delay_is_waited_for,
          test_an_exchange_may_go_at_any_time, test_pace_dribbles, test_a_paced_chunk_may_be_large,
          test_stream_sends_a_piece_for_each_item, test_events_are_server_sent_events,
          test_compresses, test_an_event_of_a_compressed_stream_can_be_read_at_once,
          test_files_are_relative_to_the_spec, test_a_large_body_is_sent_in_pieces,
          test_files_that_cannot_be_read_are_told, test_wrong_blocks_are_told,
          test_an_answer_that_does_not_begin_in_time_becomes_503,
          test_an_answer_that_is_not_finished_in_time_is_cut)
