/* Calls over HTTP/1.1: what is sent, how answers are framed, kept connections, and every end. */
#include "ctest/unit/call_rig.h"

/* One call on a connection of its own. */

struct talk {
    struct rig rig;
    struct far far;
    struct told told;
    struct heard heard;
    int fd;
};

static void talk_begin(struct talk *talk, const struct call_request *request)
{
    memset(talk, 0, sizeof *talk);
    rig_init(&talk->rig);
    far_listen(&talk->far);
    told_call(&talk->told, &talk->rig, &talk->far, request);
    talk->fd = far_accept(&talk->rig, &talk->far);
}

/** The same, and the request has come. */
static void talk_get(struct talk *talk)
{
    struct call_request request = call_rig_get();
    talk_begin(talk, &request);
    far_hears(&talk->rig, talk->fd, &talk->heard, "\r\n\r\n");
}

static void talk_end(struct talk *talk)
{
    if (talk->fd >= 0)
        close(talk->fd);
    close(talk->far.fd);
    rig_clear(&talk->rig);
    told_clear(&talk->told);
    heard_clear(&talk->heard);
}

static void talk_close(struct talk *talk)
{
    close(talk->fd);
    talk->fd = -1;
}

/* What is sent. */

START_TEST(test_a_get_is_sent_as_it_is)
{
    struct talk talk;
    struct header items[] = {{STR("accept"), STR("*/*")}, {STR("X-Case"), STR("as Is")}};
    struct headers headers = {items, 2, 2};
    struct call_request request = call_rig_get();
    request.target = STR("/a?b=c");
    request.headers = &headers;
    talk_begin(&talk, &request);
    rig_until(&talk.rig, heard_has(&talk.heard, talk.fd, "\r\n\r\n"));
    ck_assert_str_eq(talk.heard.data, "GET /a?b=c HTTP/1.1\r\nhost: api.example\r\naccept: */*\r\n"
                                      "X-Case: as Is\r\n\r\n");
    say(talk.fd, "HTTP/1.1 200 Fine\r\ncontent-length: 5\r\nx-a: 1\r\n\r\nhello");
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.finished);
    ck_assert_uint_eq(talk.told.status, 200);
    ck_assert_str_eq(talk.told.reason, "Fine");
    ck_assert_str_eq(talk.told.headers, "x-a: 1\n");
    ck_assert_int_eq(talk.told.length, 5);
    ck_str_is(buf_str(&talk.told.body), "hello");
    ck_assert_int_gt(talk.told.end.connected_ns, 0);
    ck_assert_int_ge(talk.told.end.first_byte_ns, talk.told.end.connected_ns);
    ck_assert_uint_eq(talk.told.end.body_received, 5);
    ck_assert(!talk.told.end.reused);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_small_body_leaves_with_its_head)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    char piece[512];
    request.method = STR("POST");
    request.has_body = true;
    request.content_length = 5;
    talk_begin(&talk, &request);
    /* on a kept connection, too, it is one write: what is read first is all of it */
    call_body(talk.told.call, STR("hello"));
    call_finish(talk.told.call, NULL);
    far_hears(&talk.rig, talk.fd, &talk.heard, "hello");
    say(talk.fd, "HTTP/1.1 204 No Content\r\n\r\n");
    rig_until(&talk.rig, talk.told.finished);
    told_clear(&talk.told);
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    call_body(talk.told.call, STR("again"));
    call_finish(talk.told.call, NULL);
    ssize_t got = recv(talk.fd, piece, sizeof piece, 0);
    ck_assert_int_gt(got, 0);
    ck_str_is(((struct str){piece, (size_t)got}),
              "POST / HTTP/1.1\r\nhost: api.example\r\ncontent-length: 5\r\n\r\nagain");
    say(talk.fd, "HTTP/1.1 204 No Content\r\n\r\n");
    rig_until(&talk.rig, talk.told.finished);
    ck_assert(talk.told.end.reused);
    ck_assert_int_eq(talk.told.length, -1);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_body_of_unknown_length_is_sent_in_chunks)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    struct header item = {STR("x-sum"), STR("7")};
    struct headers trailers = {&item, 1, 1};
    request.method = STR("PUT");
    request.has_body = true;
    request.content_length = -1;
    talk_begin(&talk, &request);
    rig_until(&talk.rig, heard_has(&talk.heard, talk.fd, "\r\n\r\n"));
    call_body(talk.told.call, STR("hello"));
    call_body(talk.told.call, STR(" wonderful world"));
    call_finish(talk.told.call, &trailers);
    rig_until(&talk.rig, heard_has(&talk.heard, talk.fd, "x-sum: 7\r\n\r\n"));
    ck_assert_str_eq(talk.heard.data,
                     "PUT / HTTP/1.1\r\nhost: api.example\r\ntransfer-encoding: chunked\r\n\r\n"
                     "5\r\nhello\r\n10\r\n wonderful world\r\n0\r\nx-sum: 7\r\n\r\n");
    talk_end(&talk);
}
END_TEST

START_TEST(test_what_is_written_before_a_connection_stands_follows_it)
{
    struct rig rig;
    struct far far;
    struct told told;
    struct heard heard = {0};
    struct call_request request = call_rig_get();
    struct header item = {STR("x-sum"), STR("7")};
    struct headers trailers = {&item, 1, 1};
    rig_init(&rig);
    far_listen(&far);
    request.method = STR("POST");
    request.has_body = true;
    request.content_length = -1;
    told_call(&told, &rig, &far, &request);
    call_body(told.call, STR("one"));
    call_body(told.call, STR("two"));
    call_finish(told.call, &trailers);
    ck_assert_uint_eq(call_queued(told.call), 6);
    ck_assert_uint_eq(call_remote(told.call).size, 0);
    int fd = far_accept(&rig, &far);
    rig_until(&rig, heard_has(&heard, fd, "\r\n0\r\nx-sum: 7\r\n\r\n"));
    ck_assert_ptr_nonnull(strstr(heard.data, "\r\n\r\n6\r\nonetwo\r\n0\r\n"));
    ck_assert_str_eq(call_remote(told.call).data, far.text);
    close(fd);
    close(far.fd);
    rig_clear(&rig);
    ck_assert(told.failed);
    told_clear(&told);
    heard_clear(&heard);
}
END_TEST

START_TEST(test_methods_that_have_bodies_say_that_there_is_none)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};
    struct talk talk;
    struct call_request request = call_rig_get();
    request.method = str_of(methods[_i]);
    request.fresh = true;
    talk_begin(&talk, &request);
    rig_until(&talk.rig, heard_has(&talk.heard, talk.fd, "\r\n\r\n"));
    ck_assert_int_eq(strstr(talk.heard.data, "content-length: 0\r\n") != NULL, _i < 3);
    ck_assert_ptr_nonnull(strstr(talk.heard.data, "connection: close\r\n"));
    talk_end(&talk);
}
END_TEST

/* How answers are framed: what is on the wire, and what is heard of it, whole or byte by byte. */

struct framing {
    const char *method;
    const char *wire;
    bool closes; /**< the far side closes behind it */
    unsigned status;
    int64_t length;
    const char *headers;
    const char *body;
    const char *trailers;
    const char *interim;
    bool kept; /**< the connection is used again */
};

static const struct framing framings[] = {
    {"GET", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", false, 200, 5, "", "hello", "", "",
     true},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, 200, 0, "", "", "", "", true},
    {"GET", "HTTP/1.1 200\r\ncontent-length: 2, 2\r\ncontent-length: 2\r\n\r\nab", false, 200, 2,
     "", "ab", "", "", true},
    {"GET",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx: y\r\n\r\n5\r\nhello\r\n6;e=1\r\n "
     "world\r\n0\r\n\r\n",
     false, 200, -1, "x: y\n", "hello world", "", "", true},
    {"GET",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\ntrailer: x-sum\r\n\r\n2\r\nab\r\n0\r\n"
     "x-sum: 1\r\nx-more: 2\r\n\r\n",
     false, 200, -1, "trailer: x-sum\n", "ab", "x-sum: 1\nx-more: 2\n", "", true},
    {"GET", "HTTP/1.1 200 OK\r\nx: y\r\n\r\nuntil the end", true, 200, -1, "x: y\n",
     "until the end", "", "", false},
    {"GET", "HTTP/1.0 200 OK\r\n\r\nold", true, 200, -1, "", "old", "", "", false},
    {"GET", "HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold", false, 200, 3, "", "old", "", "",
     false},
    {"GET", "HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: Keep-Alive\r\n\r\nold", false, 200,
     3, "", "old", "", "", true},
    {"GET", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nend", false, 200, 3,
     "", "end", "", "", false},
    {"HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n", false, 200, 500, "", "", "", "",
     true},
    {"HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false, 200, -1, "", "", "",
     "", true},
    {"GET", "HTTP/1.1 204 No Content\r\n\r\n", false, 204, -1, "", "", "", "", true},
    {"GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\netag: \"a\"\r\n\r\n", false, 304, 9,
     "etag: \"a\"\n", "", "", "", true},
    {"GET",
     "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
     "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
     false, 200, 1, "", "x", "", "103 link: </a>\n102 ", true},
    {"GET",
     "HTTP/1.1 200 OK\r\nconnection: x-hop, keep-alive\r\nx-hop: 1\r\nX-Hop: 2\r\nkeep-alive: "
     "timeout=30\r\nproxy-connection: a\r\nte: b\r\nupgrade: c\r\nx-end: d\r\ncontent-length: "
     "1\r\n\r\nx",
     false, 200, 1, "x-end: d\n", "x", "", "", true},
    {"GET", "HTTP/1.1 404 \r\ncontent-length: 0\r\nempty:\r\n\r\n", false, 404, 0, "empty: \n", "",
     "", "", true},
};

/** Gives the answer in two pieces, or byte by byte where `at` is SIZE_MAX. */
static void say_split(struct talk *talk, const char *wire, size_t at)
{
    size_t size = strlen(wire);
    for (size_t from = 0; from < size;) {
        size_t step = at == SIZE_MAX ? 1 : from == 0 && at > 0 && at < size ? at : size - from;
        say_bytes(talk->fd, wire + from, step);
        from += step;
        /* each piece is read before the next one is sent */
        for (int i = 0; i < 3 && from < size; i++)
            loop_turn(talk->rig.loop);
    }
}

static void check_framing(const struct framing *framing, size_t at)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    request.method = str_of(framing->method);
    talk_begin(&talk, &request);
    far_hears(&talk.rig, talk.fd, &talk.heard, "\r\n\r\n");
    say_split(&talk, framing->wire, at);
    if (framing->closes) {
        rig_until(&talk.rig, talk.told.body.size == strlen(framing->body));
        ck_assert(!talk.told.finished);
        talk_close(&talk);
    }
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    ck_assert_uint_eq(talk.told.status, framing->status);
    ck_assert_uint_eq(talk.told.heads, 1);
    ck_assert_int_eq(talk.told.length, framing->length);
    ck_assert_str_eq(talk.told.headers, framing->headers);
    ck_str_is(buf_str(&talk.told.body), framing->body);
    ck_assert_str_eq(talk.told.trailers, framing->trailers);
    ck_assert_str_eq(talk.told.interim, framing->interim);
    if (!framing->closes) {
        told_clear(&talk.told);
        told_call(&talk.told, &talk.rig, &talk.far, &request);
        int other = -1;
        if (framing->kept)
            far_hears(&talk.rig, talk.fd, &talk.heard, "\r\n\r\n");
        else
            rig_until(&talk.rig, far_accepts(&talk.far, &other));
        if (other >= 0)
            close(other);
    }
    talk_end(&talk);
}

START_TEST(test_framings_whole)
{
    check_framing(&framings[_i], 0);
}
END_TEST

START_TEST(test_framings_byte_by_byte)
{
    check_framing(&framings[_i], SIZE_MAX);
}
END_TEST

START_TEST(test_framings_split_anywhere)
{
    for (size_t at = 1; at < strlen(framings[_i].wire); at++)
        check_framing(&framings[_i], at);
}
END_TEST

/* What is no answer. */

static const struct {
    const char *wire;
    const char *why;
} broken[] = {
    {"HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n", "a bare LF ends a line"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 0\n\r\n", "a bare LF ends a line"},
    {"HTTP/1.1 200 OK\r\ncontent-length 0\r\n\r\n", "a blank before the colon of a header"},
    {"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", "a header line that starts with a blank"},
    {"HTTP/1.1 200 OK\r\na: b\x01\r\n\r\n", "a control character in a header value"},
    {"HTTP/1.1 099 Low\r\n\r\n", "a status that is no number from 100 to 999"},
    {"HTTP/1.1 20 OK\r\n\r\n", "a status that is no number from 100 to 999"},
    {"HTTP/1.1 2000 OK\r\n\r\n", "a status that is no number from 100 to 999"},
    {"HTTP/1.2 200 OK\r\n\r\n", "a version of HTTP other than 1.0 and 1.1"},
    {"HTTP/2.0 200 OK\r\n\r\n", "a version of HTTP other than 1.0 and 1.1"},
    {"ICY 200 OK\r\n\r\n", "the answer does not start with \"HTTP/1.1 \""},
    {"http/1.1 200 OK\r\n\r\n", "the answer does not start with \"HTTP/1.1 \""},
    {"\x15\x03\x01", "the far side speaks TLS, and is spoken to in clear"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
     "both Content-Length and Transfer-Encoding"},
    {"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
     "Content-Length values that differ"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n", "Content-Length values that differ"},
    {"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "a Content-Length that is no number"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 0x1\r\n\r\n", "a Content-Length that is no number"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
     "a transfer coding other than chunked"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n",
     "a transfer coding behind chunked"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
     "a chunk size that is no hexadecimal number"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
     "a chunk that is not followed by CRLF"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n",
     "a blank before the colon of a header"},
    {"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
     "switches protocols, which was not asked for"},
};

static void check_broken(const char *wire, const char *why, size_t at)
{
    struct talk talk;
    talk_get(&talk);
    say_split(&talk, wire, at);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.failed);
    ck_assert_int_eq(talk.told.end.failure, CALL_PROTOCOL);
    ck_assert_msg(strstr(talk.told.why, why), "'%s' lacks '%s'", talk.told.why, why);
    ck_assert_msg(strncmp(talk.told.why, talk.far.text, strlen(talk.far.text)) == 0, "%s",
                  talk.told.why);
    rig_until(&talk.rig, heard_more(&talk.heard, talk.fd));
    talk_end(&talk);
}

START_TEST(test_what_is_no_answer_is_refused)
{
    check_broken(broken[_i].wire, broken[_i].why, 0);
    check_broken(broken[_i].wire, broken[_i].why, 20);
}
END_TEST

START_TEST(test_heads_and_trailers_are_bounded)
{
    static const char *const starts[] = {
        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"};
    struct talk talk;
    char line[1100];
    memset(line, 'x', sizeof line);
    memcpy(line, "x: ", 3);
    memcpy(line + sizeof line - 3, "\r\n", 3);
    talk_get(&talk);
    say(talk.fd, starts[_i]);
    for (size_t i = 0; i < 400 && !told_ended(&talk.told); i++) {
        (void)send(talk.fd, line, strlen(line), MSG_NOSIGNAL);
        loop_turn(talk.rig.loop);
    }
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_int_eq(talk.told.end.failure, CALL_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(talk.told.why, "larger than"));
    talk_end(&talk);
}
END_TEST

START_TEST(test_interim_answers_are_bounded)
{
    struct talk talk;
    talk_get(&talk);
    for (size_t i = 0; i < 200; i++)
        (void)send(talk.fd, "HTTP/1.1 102 P\r\n\r\n", 18, MSG_NOSIGNAL);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_int_eq(talk.told.end.failure, CALL_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(talk.told.why, "more than 100 answers of 1xx"));
    talk_end(&talk);
}
END_TEST

/* How it ends otherwise. */

START_TEST(test_a_far_side_that_refuses)
{
    struct rig rig;
    struct far far;
    struct told told;
    struct call_request request = call_rig_get();
    rig_init(&rig);
    far_listen(&far);
    close(far.fd);
    told_call(&told, &rig, &far, &request);
    rig_until(&rig, told_ended(&told));
    ck_assert(told.failed);
    ck_assert_int_eq(told.end.failure, CALL_CONNECT);
    ck_assert_ptr_nonnull(strstr(told.why, "refused the connection"));
    ck_assert_int_eq(told.end.connected_ns, 0);
    rig_clear(&rig);
    told_clear(&told);
}
END_TEST

static const struct {
    const char *wire;
    const char *why;
} cut[] = {
    {"", "closed the connection without an answer"},
    {"HTTP/1.1 200 O", "closed the connection within the head of its answer"},
    {"HTTP/1.1 103 Early Hints\r\n\r\n", "closed the connection within the head of its answer"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
     "closed the connection after 5 of 9 bytes of its answer"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
     "closed the connection within its answer, after 2 bytes"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx: y\r\n",
     "closed the connection within its answer, after 2 bytes"},
};

START_TEST(test_a_far_side_that_closes_too_early)
{
    struct talk talk;
    talk_get(&talk);
    say(talk.fd, cut[_i].wire);
    talk_close(&talk);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.failed);
    ck_assert_int_eq(talk.told.end.failure, CALL_CLOSED);
    ck_assert_msg(strstr(talk.told.why, cut[_i].why), "%s", talk.told.why);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_far_side_that_resets)
{
    struct talk talk;
    talk_get(&talk);
    say(talk.fd, "HTTP/1.1 200 OK\r\n\r\nsome");
    rig_until(&talk.rig, talk.told.body.size == 4);
    rig_reset(talk.fd);
    talk.fd = -1;
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.failed);
    ck_assert_int_eq(talk.told.end.failure, CALL_RESET);
    ck_assert_ptr_nonnull(strstr(talk.told.why, "reset the connection"));
    ck_assert_uint_eq(talk.told.end.body_received, 4);
    talk_end(&talk);
}
END_TEST

static const struct {
    const char *wire;
    const char *why;
} silent[] = {
    {"", "did not answer within 300ms"},
    {"HTTP/1.1 20", "stopped within its answer within 300ms"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", "stopped within its answer within 300ms"},
};

START_TEST(test_a_far_side_that_is_silent)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    request.timeout_ns = 300 * CLOCK_MS;
    int64_t began = clock_now();
    talk_begin(&talk, &request);
    say(talk.fd, silent[_i].wire);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_int_ge(clock_now() - began, request.timeout_ns);
    ck_assert(talk.told.failed);
    ck_assert_int_eq(talk.told.end.failure, CALL_TIMEOUT);
    ck_assert_msg(strstr(talk.told.why, silent[_i].why), "%s", talk.told.why);
    rig_until(&talk.rig, heard_more(&talk.heard, talk.fd));
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_far_side_that_takes_no_connection)
{
    struct rig rig;
    struct far far;
    struct told told;
    struct call_request request = call_rig_get();
    int fillers[8];
    rig_init(&rig);
    far_listen(&far);
    /* a full backlog that is never accepted */
    ck_assert_int_eq(listen(far.fd, 0), 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(far.number)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < COUNT_OF(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    request.timeout_ns = 30 * CLOCK_MS;
    told_call(&told, &rig, &far, &request);
    rig_until(&rig, told_ended(&told));
    ck_assert_int_eq(told.end.failure, CALL_TIMEOUT);
    ck_assert_msg(strstr(told.why, "did not take a connection within 30ms"), "%s", told.why);
    for (size_t i = 0; i < COUNT_OF(fillers); i++)
        close(fillers[i]);
    close(far.fd);
    rig_clear(&rig);
    told_clear(&told);
}
END_TEST

START_TEST(test_an_owner_that_is_slow_is_no_silent_far_side)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    request.method = STR("POST");
    request.has_body = true;
    request.content_length = 2;
    request.timeout_ns = 200 * CLOCK_MS;
    talk_begin(&talk, &request);
    call_body(talk.told.call, STR("a"));
    rig_pass(&talk.rig, 450 * CLOCK_MS);
    ck_assert(!told_ended(&talk.told));
    call_body(talk.told.call, STR("b"));
    call_finish(talk.told.call, NULL);
    talk.told.pause_in_head = true;
    say(talk.fd, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
    rig_until(&talk.rig, talk.told.heads);
    rig_pass(&talk.rig, 450 * CLOCK_MS);
    ck_assert(!told_ended(&talk.told));
    call_resume(talk.told.call);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_int_eq(talk.told.end.failure, CALL_TIMEOUT);
    talk_end(&talk);
}
END_TEST

START_TEST(test_an_answer_that_we_are_late_to_read_is_no_silence)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    request.timeout_ns = 100 * CLOCK_MS;
    talk_begin(&talk, &request);
    far_hears(&talk.rig, talk.fd, &talk.heard, "\r\n\r\n");
    /* our process is held up: the loop learns first that time is over, and then of the answer */
    for (int64_t end = clock_now() + 2 * request.timeout_ns; clock_now() < end;)
        continue;
    say(talk.fd, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_body_that_ends_before_its_length_fails)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    request.method = STR("POST");
    request.has_body = true;
    request.content_length = 5;
    talk_begin(&talk, &request);
    call_body(talk.told.call, STR("abc"));
    call_finish(talk.told.call, NULL);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_int_eq(talk.told.end.failure, CALL_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(talk.told.why, "ended after 3 of 5 bytes"));
    rig_until(&talk.rig, heard_more(&talk.heard, talk.fd));
    talk_end(&talk);
}
END_TEST

/* Kept connections. */

START_TEST(test_garbage_behind_an_answer_ends_the_connection)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    int other;
    talk_get(&talk);
    say(talk.fd, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"
                 "content-length: 4\r\n\r\nevil");
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.finished);
    ck_str_is(buf_str(&talk.told.body), "ok");
    told_clear(&talk.told);
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    rig_until(&talk.rig, far_accepts(&talk.far, &other));
    rig_until(&talk.rig, heard_more(&talk.heard, talk.fd));
    ck_assert_uint_eq(talk.told.heads, 0);
    close(other);
    talk_end(&talk);
}
END_TEST

/** A connection that has had one answer. */
static void talk_kept(struct talk *talk)
{
    talk_get(talk);
    say(talk->fd, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    rig_until(&talk->rig, talk->told.finished);
    told_clear(&talk->told);
}

START_TEST(test_garbage_on_an_idle_connection_ends_it)
{
    struct talk talk;
    talk_kept(&talk);
    told_init(&talk.told);
    say(talk.fd, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    rig_until(&talk.rig, heard_more(&talk.heard, talk.fd));
    rig_until(&talk.rig, talk.rig.server.streams == 0);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_get_on_a_connection_that_was_closed_is_made_again)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    talk_kept(&talk);
    /* the request is on its way before the close is seen: with an RST, or with a FIN */
    if (_i == 0)
        close(talk.fd);
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    if (_i == 1)
        rig_reset(talk.fd);
    talk.fd = far_accept(&talk.rig, &talk.far);
    far_hears(&talk.rig, talk.fd, &talk.heard, "\r\n\r\n");
    say(talk.fd, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nagain");
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    ck_str_is(buf_str(&talk.told.body), "again");
    ck_assert(!talk.told.end.reused);
    talk_end(&talk);
}
END_TEST

START_TEST(test_it_is_made_again_only_once)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    talk_kept(&talk);
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    close(talk.fd);
    talk.fd = far_accept(&talk.rig, &talk.far);
    talk_close(&talk);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.failed);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_post_is_not_made_again)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    request.method = STR("POST");
    talk_kept(&talk);
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    far_hears(&talk.rig, talk.fd, &talk.heard, "\r\n\r\n");
    talk_close(&talk);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.failed && talk.told.end.reused);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_put_whose_body_has_begun_is_not_made_again)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    request.method = STR("PUT");
    request.has_body = true;
    request.content_length = 10;
    talk_kept(&talk);
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    call_body(talk.told.call, STR("a"));
    far_hears(&talk.rig, talk.fd, &talk.heard, "\r\n\r\na");
    talk_close(&talk);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.failed);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_post_looks_first_whether_its_connection_stands)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    request.method = STR("POST");
    talk_kept(&talk);
    /* closed, and no turn of the loop has told it */
    talk_close(&talk);
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    talk.fd = far_accept(&talk.rig, &talk.far);
    far_hears(&talk.rig, talk.fd, &talk.heard, "POST / HTTP/1.1");
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_fresh_call_uses_no_kept_connection)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    talk_kept(&talk);
    request.fresh = true;
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    int other = far_accept(&talk.rig, &talk.far);
    far_hears(&talk.rig, other, &talk.heard, "connection: close\r\n\r\n");
    say(other, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    rig_until(&talk.rig, talk.told.finished);
    heard_clear(&talk.heard);
    rig_until(&talk.rig, heard_more(&talk.heard, other));
    close(other);
    talk_end(&talk);
}
END_TEST

START_TEST(test_an_idle_connection_ends_when_the_far_side_says_so)
{
    struct talk talk;
    talk_get(&talk);
    /* one second before what it tells: at once */
    say(talk.fd, "HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n");
    rig_until(&talk.rig, talk.told.finished);
    rig_until(&talk.rig, heard_more(&talk.heard, talk.fd));
    talk_end(&talk);
}
END_TEST

START_TEST(test_an_answer_before_the_request_is_whole_ends_the_connection)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    request.method = STR("POST");
    request.has_body = true;
    request.content_length = 10;
    talk_begin(&talk, &request);
    call_body(talk.told.call, STR("a"));
    far_hears(&talk.rig, talk.fd, &talk.heard, "\r\n\r\na");
    say(talk.fd, "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno");
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.finished);
    ck_assert_uint_eq(talk.told.status, 413);
    rig_until(&talk.rig, heard_more(&talk.heard, talk.fd));
    talk_end(&talk);
}
END_TEST

/* Back-pressure. */

START_TEST(test_a_paused_call_stops_the_far_side)
{
    struct talk talk;
    static char block[65536];
    size_t sent = 0;
    enum { WHOLE = 24 * 1024 * 1024 };
    talk_get(&talk);
    talk.told.pause_in_body = true;
    say(talk.fd, "HTTP/1.1 200 OK\r\ncontent-length: 25165824\r\n\r\n");
    /* until nothing more goes: twice in a row no byte was taken, with the loop's turns between */
    for (int stuck = 0; stuck < 50;) {
        ssize_t got = send(talk.fd, block, sizeof block, MSG_NOSIGNAL);
        stuck = got > 0 ? 0 : stuck + 1;
        sent += got > 0 ? (size_t)got : 0;
        loop_turn(talk.rig.loop);
        ck_assert_uint_lt(sent, WHOLE);
    }
    ck_assert_uint_eq(talk.told.pieces, 1);
    ck_assert_uint_le(talk.told.body.size, 65536);
    talk.told.pause_in_body = false;
    call_resume(talk.told.call);
    while (sent < WHOLE) {
        size_t room = WHOLE - sent < sizeof block ? WHOLE - sent : sizeof block;
        ssize_t got = send(talk.fd, block, room, MSG_NOSIGNAL);
        sent += got > 0 ? (size_t)got : 0;
        loop_turn(talk.rig.loop);
    }
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.finished);
    ck_assert_uint_eq(talk.told.body.size, WHOLE);
    talk_end(&talk);
}
END_TEST

START_TEST(test_an_end_behind_a_pause_comes_after_the_rest)
{
    struct talk talk;
    talk_get(&talk);
    talk.told.pause_in_head = true;
    say(talk.fd, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
    talk_close(&talk);
    rig_until(&talk.rig, talk.told.heads);
    rig_pass(&talk.rig, 5 * CLOCK_MS);
    ck_assert(!told_ended(&talk.told));
    ck_assert_uint_eq(talk.told.body.size, 0);
    call_resume(talk.told.call);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.finished);
    ck_str_is(buf_str(&talk.told.body), "until the end");
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_far_side_that_reads_slowly_is_told_to_the_writer)
{
    struct talk talk;
    static char block[65536];
    struct call_request request = call_rig_get();
    enum { WHOLE = 16 * 1024 * 1024 };
    size_t given = 0;
    request.method = STR("POST");
    request.has_body = true;
    request.content_length = WHOLE;
    memset(&talk, 0, sizeof talk);
    rig_init(&talk.rig);
    far_listen(&talk.far);
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    /* before the connection stands, too */
    for (; call_queued(talk.told.call) < STREAM_HIGH_MARK; given += sizeof block)
        call_body(talk.told.call, (struct str){block, sizeof block});
    talk.fd = far_accept(&talk.rig, &talk.far);
    rig_until(&talk.rig, talk.told.writable == 1);
    for (; call_queued(talk.told.call) < STREAM_HIGH_MARK; given += sizeof block)
        call_body(talk.told.call, (struct str){block, sizeof block});
    ck_assert_uint_lt(given, WHOLE);
    while (!talk.heard.size || talk.heard.size < WHOLE) {
        size_t told = talk.told.writable;
        heard_more(&talk.heard, talk.fd);
        loop_turn(talk.rig.loop);
        if (talk.told.writable == told)
            continue;
        for (; given < WHOLE && call_queued(talk.told.call) < STREAM_HIGH_MARK;
             given += sizeof block)
            call_body(talk.told.call, (struct str){block, sizeof block});
        if (given == WHOLE)
            call_finish(talk.told.call, NULL);
    }
    say(talk.fd, "HTTP/1.1 204 No Content\r\n\r\n");
    rig_until(&talk.rig, talk.told.finished);
    talk_end(&talk);
}
END_TEST

/* Given up. */

START_TEST(test_a_call_can_be_given_up_in_any_callback)
{
    struct talk talk;
    talk_get(&talk);
    talk.told.cancel_after = (size_t)_i;
    say(talk.fd, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: "
                 "chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n");
    rig_until(&talk.rig, talk.told.callbacks == (size_t)_i);
    ck_assert_ptr_null(talk.told.call);
    rig_until(&talk.rig, heard_more(&talk.heard, talk.fd));
    rig_until(&talk.rig, talk.rig.server.streams == 0);
    ck_assert(!told_ended(&talk.told));
    ck_assert_uint_eq(talk.told.callbacks, (size_t)_i);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_call_can_be_given_up_before_it_stands)
{
    struct rig rig;
    struct far far;
    struct told told;
    struct call_request request = call_rig_get();
    rig_init(&rig);
    far_listen(&far);
    told_call(&told, &rig, &far, &request);
    for (int i = 0; i < _i; i++)
        loop_turn(rig.loop);
    call_cancel(told.call);
    rig_until(&rig, rig.server.streams == 0);
    ck_assert(!told_ended(&told));
    close(far.fd);
    rig_clear(&rig);
    told_clear(&told);
}
END_TEST

START_TEST(test_the_end_of_the_run_ends_calls)
{
    struct rig rig;
    struct far far;
    struct told told[3];
    struct told late;
    struct call_request request = call_rig_get();
    rig_init(&rig);
    far_listen(&far);
    told_call(&told[0], &rig, &far, &request);
    int fd = far_accept(&rig, &far);
    say(fd, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    rig_until(&rig, told[0].finished);
    told_call(&told[1], &rig, &far, &request);
    told_call(&told[2], &rig, &far, &request);
    server_close_all(&rig.server);
    ck_assert(told[1].failed && told[2].failed);
    ck_assert_str_eq(told[1].why, "the run has ended");
    told_call(&late, &rig, &far, &request);
    rig_until(&rig, late.failed);
    told_clear(&late);
    told_call(&late, &rig, &far, &request);
    rig_clear(&rig);
    for (size_t i = 0; i < COUNT_OF(told); i++)
        told_clear(&told[i]);
    told_clear(&late);
    close(fd);
    close(far.fd);
}
END_TEST

/* Tunnels. */

static void talk_tunnel(struct talk *talk, bool connect)
{
    struct call_request request = call_rig_get();
    request.connect = connect;
    request.upgrade = !connect;
    request.upgrade_to = STR("websocket");
    if (connect) {
        request.method = STR("CONNECT");
        request.target = STR("db.example:5432");
        request.authority = STR("db.example:5432");
    }
    talk_begin(talk, &request);
    far_hears(&talk->rig, talk->fd, &talk->heard,
              connect ? "CONNECT db.example:5432 HTTP/1.1\r\nhost: db.example:5432\r\n\r\n"
                      : "connection: upgrade\r\nupgrade: websocket\r\n\r\n");
    say(talk->fd, connect ? "HTTP/1.1 200 Established\r\n\r\nfirst"
                          : "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: "
                            "websocket\r\nsec-websocket-accept: x\r\n\r\nfirst");
    rig_until(&talk->rig, talk->told.body.size == 5);
    ck_assert(talk->told.tunnel);
    ck_assert_uint_eq(talk->told.status, connect ? 200 : 101);
    ck_assert_str_eq(talk->told.headers,
                     connect ? "" : "upgrade: websocket\nsec-websocket-accept: x\n");
}

START_TEST(test_a_tunnel_carries_bytes_both_ways)
{
    struct talk talk;
    talk_tunnel(&talk, _i);
    call_tunnel_write(talk.told.call, STR("ping"));
    far_hears(&talk.rig, talk.fd, &talk.heard, "ping");
    say(talk.fd, "pong");
    rig_until(&talk.rig, talk.told.body.size == 9);
    ck_str_is(buf_str(&talk.told.body), "firstpong");
    /* the far side ends first: ours may go on */
    ck_assert_int_eq(shutdown(talk.fd, SHUT_WR), 0);
    rig_until(&talk.rig, talk.told.half_closed);
    call_tunnel_write(talk.told.call, STR("last"));
    far_hears(&talk.rig, talk.fd, &talk.heard, "last");
    call_tunnel_end(talk.told.call);
    rig_until(&talk.rig, talk.told.finished);
    rig_until(&talk.rig, heard_more(&talk.heard, talk.fd));
    ck_assert(talk.heard.fin);
    talk_end(&talk);
}
END_TEST

START_TEST(test_our_side_of_a_tunnel_may_end_first)
{
    struct talk talk;
    talk_tunnel(&talk, true);
    call_tunnel_end(talk.told.call);
    rig_until(&talk.rig, heard_more(&talk.heard, talk.fd));
    ck_assert(talk.heard.fin);
    say(talk.fd, "still");
    rig_until(&talk.rig, talk.told.body.size == 10);
    ck_assert(!told_ended(&talk.told));
    talk_close(&talk);
    rig_until(&talk.rig, talk.told.finished);
    ck_assert(!talk.told.half_closed);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_tunnel_may_end_within_a_callback)
{
    struct talk talk;
    talk_tunnel(&talk, true);
    talk.told.end_tunnel = true;
    talk_close(&talk);
    rig_until(&talk.rig, talk.told.finished);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_tunnel_that_breaks)
{
    struct talk talk;
    talk_tunnel(&talk, _i);
    rig_reset(talk.fd);
    talk.fd = -1;
    rig_until(&talk.rig, talk.told.failed);
    ck_assert_int_eq(talk.told.end.failure, CALL_RESET);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_connect_may_be_answered_otherwise)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    request.connect = true;
    request.method = STR("CONNECT");
    request.target = STR("db.example:5432");
    talk_begin(&talk, &request);
    say(talk.fd, "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.finished && !talk.told.tunnel);
    ck_str_is(buf_str(&talk.told.body), "no");
    talk_end(&talk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("call_h1");
    TCase *tcase = tcase_create("call_h1");
    tcase_set_timeout(tcase, 60);
    const TTest *const tests[] = {
        test_a_get_is_sent_as_it_is,
        test_a_small_body_leaves_with_its_head,
        test_a_body_of_unknown_length_is_sent_in_chunks,
        test_what_is_written_before_a_connection_stands_follows_it,
        test_heads_and_trailers_are_bounded,
        test_interim_answers_are_bounded,
        test_a_far_side_that_refuses,
        test_a_far_side_that_resets,
        test_a_far_side_that_takes_no_connection,
        test_an_owner_that_is_slow_is_no_silent_far_side,
        test_an_answer_that_we_are_late_to_read_is_no_silence,
        test_a_body_that_ends_before_its_length_fails,
        test_garbage_behind_an_answer_ends_the_connection,
        test_garbage_on_an_idle_connection_ends_it,
        test_it_is_made_again_only_once,
        test_a_post_is_not_made_again,
        test_a_put_whose_body_has_begun_is_not_made_again,
        test_a_post_looks_first_whether_its_connection_stands,
        test_a_fresh_call_uses_no_kept_connection,
        test_an_idle_connection_ends_when_the_far_side_says_so,
        test_an_answer_before_the_request_is_whole_ends_the_connection,
        test_a_paused_call_stops_the_far_side,
        test_an_end_behind_a_pause_comes_after_the_rest,
        test_a_far_side_that_reads_slowly_is_told_to_the_writer,
        test_the_end_of_the_run_ends_calls,
        test_our_side_of_a_tunnel_may_end_first,
        test_a_tunnel_may_end_within_a_callback,
        test_a_connect_may_be_answered_otherwise,
    };
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_test(tcase, tests[i]);
    tcase_add_loop_test(tcase, test_methods_that_have_bodies_say_that_there_is_none, 0, 4);
    tcase_add_loop_test(tcase, test_framings_whole, 0, COUNT_OF(framings));
    tcase_add_loop_test(tcase, test_framings_byte_by_byte, 0, COUNT_OF(framings));
    tcase_add_loop_test(tcase, test_framings_split_anywhere, 0, COUNT_OF(framings));
    tcase_add_loop_test(tcase, test_what_is_no_answer_is_refused, 0, COUNT_OF(broken));
    tcase_add_loop_test(tcase, test_a_far_side_that_closes_too_early, 0, COUNT_OF(cut));
    tcase_add_loop_test(tcase, test_a_far_side_that_is_silent, 0, COUNT_OF(silent));
    tcase_add_loop_test(tcase, test_a_get_on_a_connection_that_was_closed_is_made_again, 0, 2);
    tcase_add_loop_test(tcase, test_a_call_can_be_given_up_in_any_callback, 1, 5);
    tcase_add_loop_test(tcase, test_a_call_can_be_given_up_before_it_stands, 0, 5);
    tcase_add_loop_test(tcase, test_a_tunnel_carries_bytes_both_ways, 0, 2);
    tcase_add_loop_test(tcase, test_a_tunnel_that_breaks, 0, 2);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
