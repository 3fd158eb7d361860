/* Faults of HTTP/1 on answers that are large or slow, several at once, and on used connections. */
#include "ctest/unit/http1_fault_rig.h"

/* What is large */

static void cuts_a_large_body_at_the_byte(size_t at)
{
    static const struct {
        const char *fault;
        const char *path;
        size_t least, most;
    } cuts[] = {
        {"{truncate: 2000001}", "/big", 2000001, 2000001},
        {"{truncate: 50%}", "/big", 3 << 19, 3 << 19},
        {"{truncate: 2000001}", "/big-chunked", 2000001, 2000001},
        /* gzip makes random bytes a little longer: half of what nobody knows before */
        {"{truncate: 50%}", "/zipped", 3 << 19, (3 << 19) + 2048},
    };
    begin_world();
    push(cuts[at].fault);
    struct str request = get_of("GET", cuts[at].path, "1.1");
    say_bytes(fd, request.data, request.size);
    rig_until(&rig, heard_more(&heard, fd));
    ck_assert(heard.fin);
    const struct entry *answer = rig_entry(&rig, ENTRY_RESPONSE);
    ck_assert_uint_ge(answer->extra, cuts[at].least);
    ck_assert_uint_le(answer->extra, cuts[at].most);
    ck_assert(answer->flags & ENTRY_CLOSED_BY_SERVER);
    ptrdiff_t end = str_find((struct str){heard.data, heard.size}, STR("\r\n\r\n"));
    ck_assert_int_gt(end, 0);
    size_t body = heard.size - (size_t)end - 4;
    if (!strcmp(cuts[at].path, "/big"))
        ck_assert_uint_eq(body, answer->extra);
    else
        ck_assert_uint_gt(body, answer->extra);
    end_world();
}

START_TEST(test_cuts_a_large_body_at_the_byte)
{
    for (size_t i = 0; i < 4; i++)
        cuts_a_large_body_at_the_byte(i);
}
END_TEST

START_TEST(test_the_cut_does_not_wait_for_the_rest)
{
    begin_world();
    /* the next byte would come in an hour */
    push("{truncate: 1}");
    ck_bytes(hear(get_of("GET", "/paced", "1.1"), FIN),
             STR(OK "content-type: text/plain; charset=utf-8\r\ncontent-length: 10\r\n\r\n0"),
             "paced");
    dial();
    ck_bytes(hear(get_of("GET", "/slow", "1.1"), FIN),
             STR(OK "content-type: text/plain; charset=utf-8\r\n" CHUNKED "1\r\na\r\n"), "slow");
    end_world();
}
END_TEST

/** Reads a flood of a size to its end, which `last` shows; a slow reader if `slow`. */
static void hear_flood(const char *last, size_t least)
{
    rig_until(&rig, heard_more(&heard, fd) ||
                        (heard.size > least &&
                         str_ends((struct str){heard.data, heard.size}, str_of(last))));
    ck_assert(heard.size > least);
}

static void a_flood_of_headers_larger_than_the_queue(size_t at)
{
    enum { SIZE = 12 << 20 };
    static const char *const bodies[] = {"hello", "\r\n\r\n", "0\r\nx-t: u\r\n\r\n"};
    static const char *const paths[] = {"/hello", "/empty", "/trailers"};
    static const size_t rests[] = {5, 0, sizeof "5\r\nhello\r\n0\r\nx-t: u\r\n\r\n" - 1};
    begin_world();
    push("{header-flood: 12MiB, times: 1}");
    struct str request = get_of("GET", paths[at], "1.1");
    say_bytes(fd, request.data, request.size);
    hear_flood(bodies[at], SIZE);
    size_t size = 0;
    size_t lines = 0;
    struct str rest = {heard.data, heard.size};
    ptrdiff_t end = str_find(rest, STR("\r\n\r\n"));
    ck_assert_int_gt(end, SIZE);
    ck_assert_uint_eq(rest.size - (size_t)end - 4, rests[at]);
    rest = str_slice(rest, 0, (size_t)end + 2);
    rest = str_from(rest, (size_t)str_find(rest, STR("x-flood: ")));
    for (ptrdiff_t line; rest.size && (line = str_find(rest, STR("\r\n"))) >= 0; lines++) {
        ck_assert(str_starts(rest, STR("x-flood: a")));
        ck_assert_int_eq(line, 1022);
        size += (size_t)line + 2;
        rest = str_from(rest, (size_t)line + 2);
    }
    ck_assert_uint_eq(size, SIZE);
    ck_assert_uint_eq(lines, SIZE / 1024);
    heard_clear(&heard);
    ck_bytes(hear(get_of("GET", "/plain", "1.1"), STAYS), STR(PLAIN), "after it");
    ck_assert_uint_eq(rig_count(&rig, ENTRY_RESPONSE), 3);
    ck_assert_uint_eq(strikes(), 1);
    end_world();
}

START_TEST(test_a_flood_of_headers_larger_than_the_queue)
{
    for (size_t i = 0; i < 3; i++)
        a_flood_of_headers_larger_than_the_queue(i);
}
END_TEST

START_TEST(test_raw_has_no_head_or_framing_that_could_be_wrong)
{
    static const char *const wrongs[] = {
        "{header-flood: 1KiB}",
        "bad-status-line",
        "{bad-status-line: alone}",
        "wrong-version",
        "bad-header",
        "no-end-of-headers",
        "bad-chunk",
        "both-lengths",
        "missing-last-chunk",
        "{wrong-length: -1}",
    };
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        begin_world();
        push(wrongs[i]);
        struct str request = get_of("GET", "/raw", "1.1");
        say_bytes(fd, request.data, request.size);
        hear_flood("RAW-BYTES", 0);
        ck_bytes(dateless(), STR("RAW-BYTES"), wrongs[i]);
        ck_assert_uint_eq(strikes(), 0);
        end_world();
    }
}
END_TEST

START_TEST(test_a_flood_before_a_large_body)
{
    begin_world();
    push("{header-flood: {size: 5MiB, line: 5MiB}, times: 1}");
    struct str request = get_of("GET", "/big", "1.1");
    say_bytes(fd, request.data, request.size);
    rig_until(&rig, heard_more(&heard, fd) || heard.size > (8 << 20));
    ptrdiff_t end = str_find((struct str){heard.data, heard.size}, STR("a\r\n\r\n"));
    ck_assert_int_gt(end, 5 << 20);
    rig_until(&rig, heard_more(&heard, fd) || heard.size == (size_t)end + 5 + (3 << 20));
    ck_assert_uint_eq(rig_entry(&rig, ENTRY_RESPONSE)->extra, 3 << 20);
    heard_clear(&heard);
    ck_bytes(hear(get_of("GET", "/plain", "1.1"), STAYS), STR(PLAIN), "after it");
    end_world();
}
END_TEST

static void who_leaves_within_a_flood_has_aborted(size_t at)
{
    begin_world();
    push(at ? "{garbage: 1GiB}" : "{header-flood: 1GiB}");
    struct str request = get_of("GET", "/hello", "1.1");
    say_bytes(fd, request.data, request.size);
    rig_until(&rig, heard_more(&heard, fd) || heard.size > 100000);
    rig_reset(fd);
    fd = -1;
    rig_until(&rig, rig_count(&rig, ENTRY_RESPONSE) == 1);
    ck_assert(rig_entry(&rig, ENTRY_RESPONSE)->flags & ENTRY_ABORTED);
    end_world();
}

START_TEST(test_who_leaves_within_a_flood_has_aborted)
{
    for (size_t i = 0; i < 2; i++)
        who_leaves_within_a_flood_has_aborted(i);
}
END_TEST

static void the_world_ends_within_a_flood(size_t at)
{
    begin_world();
    push(at ? "{garbage: 1GiB}" : "{header-flood: 1GiB}");
    struct str request = get_of("GET", "/big", "1.1");
    say_bytes(fd, request.data, request.size);
    rig_until(&rig, heard_more(&heard, fd) || heard.size > 100000);
    end_world();
}

START_TEST(test_the_world_ends_within_a_flood)
{
    for (size_t i = 0; i < 2; i++)
        the_world_ends_within_a_flood(i);
}
END_TEST

/* garbage */

static void garbage(size_t at)
{
    static const char *const paths[] = {"/hello", "/late", "/raw", "/slow", "/early"};
    struct str first = {0};
    for (size_t i = 0; i < 2; i++) {
        begin_world();
        push("garbage");
        say_bytes(fd, get_of("GET", paths[at], "1.1").data, get_of("GET", paths[at], "1.1").size);
        rig_until(&rig, heard_more(&heard, fd));
        ck_assert(heard.fin);
        ck_assert_uint_eq(heard.size, 1024);
        ck_assert_uint_ge((uint8_t)heard.data[0], 0x80);
        const struct entry *answer = rig_entry(&rig, ENTRY_RESPONSE);
        ck_assert_uint_eq(answer->status, 0);
        ck_assert_uint_eq(answer->extra, 1024);
        ck_assert(answer->flags & ENTRY_CLOSED_BY_SERVER);
        /* the same seed draws the same */
        struct str got = {heard.data, heard.size};
        if (i)
            ck_bytes(got, first, "the second time");
        else
            first = (struct str){memcpy(malloc(got.size), got.data, got.size), got.size};
        end_world();
    }
    free((void *)(uintptr_t)first.data);
}

START_TEST(test_garbage)
{
    for (size_t i = 0; i < 5; i++)
        garbage(i);
}
END_TEST

START_TEST(test_garbage_of_a_size)
{
    begin_world();
    push("{garbage: {size: 3MiB}}");
    struct str request = get_of("GET", "/hello", "1.1");
    say_bytes(fd, request.data, request.size);
    rig_until(&rig, heard_more(&heard, fd));
    ck_assert(heard.fin);
    ck_assert_uint_eq(heard.size, 3 << 20);
    end_world();
}
END_TEST

/* Several at once, and those that do not fit */

START_TEST(test_faults_that_go_together)
{
    begin_world();
    push("{wrong-version: HTTP/2.0, times: 1}");
    push("{bad-header: folded, times: 1}");
    push("{header-flood: 16, times: 1}");
    push("{both-lengths: 9, times: 1}");
    push("{extra-body: 1, times: 1}");
    ck_bytes(hear(get_of("GET", "/hello", "1.1"), STAYS),
             STR("HTTP/2.0 200 OK\r\nx-bad: a\r\n b\r\ncontent-length: 9\r\ntransfer-encoding: "
                 "chunked\r\nx-flood: aaaaa\r\n\r\n5\r\nhello\r\n0\r\n\r\nx"),
             "all");
    ck_assert_uint_eq(strikes(), 5);
    end_world();
}
END_TEST

static const struct {
    const char *first;
    const char *second;
} pairs[] = {
    {"empty-response", "bad-header"},
    {"bad-header", "empty-response"},
    {"garbage", "empty-response"},
    {"bad-status-line", "wrong-version"},
    {"bad-chunk", "both-lengths"},
    {"{wrong-length: 1}", "missing-last-chunk"},
    {"truncate", "bad-chunk"},
    {"missing-last-chunk", "extra-body"},
    {"no-end-of-headers", "truncate"},
    {"{bad-status-line: alone}", "bad-header"},
    {"bad-header", "{bad-status-line: half}"},
    {"bad-header", "{bad-header: nul}"},
};

static void of_two_that_decide_the_same_the_first_strikes(size_t at)
{
    begin_world();
    push(pairs[at].first);
    push(pairs[at].second);
    struct str request = get_of("GET", "/ten", "1.1");
    say_bytes(fd, request.data, request.size);
    rig_until(&rig, rig_count(&rig, ENTRY_RESPONSE) == 1);
    ck_assert_uint_eq(strikes(), 1);
    struct str name = {rig_entry(&rig, ENTRY_FAULT)->data, rig_entry(&rig, ENTRY_FAULT)->data_size};
    ck_assert_msg(str_find(str_of(pairs[at].first), name) >= 0, STR_FMT, STR_ARG(name));
    end_world();
}

START_TEST(test_of_two_that_decide_the_same_the_first_strikes)
{
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        of_two_that_decide_the_same_the_first_strikes(i);
}
END_TEST

/* Answers that another way of ending meets */

START_TEST(test_a_silent_answer_and_a_port_that_drains)
{
    begin_world();
    push("no-end-of-headers");
    struct str request = get_of("GET", "/hello", "1.1");
    say_bytes(fd, request.data, request.size);
    rig_until(&rig, rig_count(&rig, ENTRY_RESPONSE) == 1);
    ck_assert(!heard_more(&heard, fd));
    stream_close(port->oldest, CLOSE_DRAIN);
    rig_until(&rig, heard_more(&heard, fd));
    ck_assert(heard.fin);
    end_world();
}
END_TEST

START_TEST(test_a_pipelined_request_is_not_read_behind_a_cut)
{
    begin_world();
    push("{truncate: 3}");
    say(fd, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\nGET /plain HTTP/1.1\r\nHost: h\r\n\r\n");
    rig_until(&rig, heard_more(&heard, fd));
    ck_bytes(dateless(), STR(OK LENGTH5 "hel"), "pipelined");
    ck_assert_uint_eq(rig_count(&rig, ENTRY_REQUEST), 1);
    end_world();
}
END_TEST

START_TEST(test_pipelined_requests_behind_an_answer_that_stays)
{
    begin_world();
    push("{bad-header: folded, after: {requests: 1}}");
    say(fd, "GET /plain HTTP/1.1\r\nHost: h\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /close HTTP/1.1\r\nHost: h\r\n\r\n");
    rig_until(&rig, heard_more(&heard, fd));
    ck_bytes(dateless(),
             STR(PLAIN OK "x-bad: a\r\n b\r\n" LENGTH5 "hello" OK
                          "x-bad: a\r\n b\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"),
             "pipelined");
    ck_assert_uint_eq(strikes(), 2);
    end_world();
}
END_TEST

UNIT_MAIN("fault_http1_flow", test_cuts_a_large_body_at_the_byte,
          test_the_cut_does_not_wait_for_the_rest, test_a_flood_of_headers_larger_than_the_queue,
          test_raw_has_no_head_or_framing_that_could_be_wrong, test_a_flood_before_a_large_body,
          test_who_leaves_within_a_flood_has_aborted, test_the_world_ends_within_a_flood,
          test_garbage, test_garbage_of_a_size, test_faults_that_go_together,
          test_of_two_that_decide_the_same_the_first_strikes,
          test_a_silent_answer_and_a_port_that_drains,
          test_a_pipelined_request_is_not_read_behind_a_cut,
          test_pipelined_requests_behind_an_answer_that_stays)
