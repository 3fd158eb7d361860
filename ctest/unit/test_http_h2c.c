/* The http verb over h2c: what is sent, what comes back, and the name of every error. */
#include "http_rig.h"

#include "h2_peer.h"
#include "runner/client/http_h2c.h"

/* Scripts first, then steps. */

static void begin(void)
{
    client_up();
    peer_listen();
    the_server.port = the_peer.port;
}

static void finish(void)
{
    client_down();
    peer_stop();
}

/** A script that greets and answers its first request by the stage returned. */
static struct buf *answer(enum peer_ending ending)
{
    struct peer_script *script = peer_script(ending);
    frame_settings(stage_add(script, 0, NULL));
    return stage_add(script, 1, NULL);
}

/** The same with 200 and "ok". */
static void answer_ok(void)
{
    frame_answer(answer(PEER_STALL), 1, "ok");
}

/** One step of a session (NULL = none), to its end; true if it passed. */
static bool run(struct step_rig *step, const char *session, const char *yaml)
{
    ck_assert_msg(step_read(step, yaml), "%s", step->message);
    step_start(step, session);
    step_finish(step);
    return step->attempt.failures.count == 0;
}

#define ck_step(session, yaml)                                                                     \
    do {                                                                                           \
        struct step_rig ck_step_rig;                                                               \
        ck_assert_msg(run(&ck_step_rig, session, yaml), "%s", ck_step_rig.message);                \
        step_free(&ck_step_rig);                                                                   \
    } while (0)

/** One step against the scripts made since begin(), and that is all. */
#define ck_only(yaml)                                                                              \
    do {                                                                                           \
        peer_start();                                                                              \
        ck_step(NULL, yaml);                                                                       \
        finish();                                                                                  \
    } while (0)

#define GET_H2C "http: {url: 'http://127.0.0.1:PORT/', version: h2c}\n"

/* What is sent. */

START_TEST(test_what_is_sent)
{
    begin();
    answer_ok();
    ck_only("http:\n  url: http://127.0.0.1:PORT/a/../b?x=%20\n  version: h2c\n"
            "expect: {status: 200, body: ok, version: '2', redirects: 0,\n"
            "  remote: '127.0.0.1:PORT', url: 'http://127.0.0.1:PORT/a/../b?x=%20'}");
    ck_heard(":method: GET\n:scheme: http\n");
    ck_heard(":path: /a/../b?x=%20\nuser-agent: goto-run/" GOTO_VERSION "\naccept: */*\n");
    ck_not_heard("DATA");
    ck_not_heard("content-length");
    ck_not_heard("\nhost:");
    peer_forget();
    begin();
    answer_ok();
    ck_only("http:\n  url: http://user:p%40ss@127.0.0.1:PORT/\n  version: h2c\n  headers:\n"
            "    X-One: a  b\n    x-two: [a, b]\n    x-empty: ''\n    user-agent: null\n"
            "    accept: text/plain\n    host: other:81\n    te: trailers\n"
            "  query: {q: 'a b'}\n  cookies: {a: '1', b: '2'}\n  compressed: true");
    ck_heard(":authority: other:81\n:path: /?q=a%20b\n");
    ck_heard("x-one: a  b\nx-two: a\nx-two: b\nx-empty: \naccept: text/plain\nte: trailers\n");
    ck_heard("authorization: Basic dXNlcjpwQHNz\n");
    ck_heard("cookie: a=1; b=2\n");
    ck_heard("accept-encoding: gzip, deflate\n");
    ck_not_heard("user-agent");
    peer_forget();
}
END_TEST

static void ck_body(const char *keys, const char *const *parts)
{
    char yaml[1024];
    begin();
    answer_ok();
    snprintf(yaml, sizeof yaml, "http: {url: 'http://127.0.0.1:PORT/', version: h2c, %s}", keys);
    ck_only(yaml);
    for (; *parts; parts++)
        ck_heard(*parts);
    peer_forget();
}

START_TEST(test_bodies)
{
    ck_body("json: {a: 1}",
            (const char *const[]){":method: POST\n", "content-type: application/json\n",
                                  "content-length: 7\n", "DATA 1 7 END\n<{\"a\":1}>\n", NULL});
    ck_body("form: {a: 'x y', b: [1, 2]}",
            (const char *const[]){"content-type: application/x-www-form-urlencoded\n",
                                  "<a=x+y&b=1&b=2>\n", NULL});
    ck_body("method: PUT, body: text",
            (const char *const[]){":method: PUT\n", "content-length: 4\n", "<text>\n", NULL});
    ck_body("method: PUT, body: ''",
            (const char *const[]){"content-length: 0\n", "DATA 1 0 END\n", NULL});
    ck_body("method: POST", (const char *const[]){"HEADERS 1 END\n", "content-length: 0\n", NULL});
    ck_body("body: text, auth: {bearer: t0k}, headers: {content-type: a/b}",
            (const char *const[]){"authorization: Bearer t0k\n", "content-type: a/b\n", NULL});
    ck_body("body: text, auth: {basic: 'a:b'}",
            (const char *const[]){"authorization: Basic YTpi\n", NULL});
}
END_TEST

START_TEST(test_files_and_parts)
{
    char path[] = "/tmp/goto-h2c-XXXXXX.txt";
    char keys[512];
    int fd = mkstemps(path, 4);
    ck_assert(fd >= 0 && write(fd, "from a file", 11) == 11);
    close(fd);
    snprintf(keys, sizeof keys, "file: %s", path);
    ck_body(keys, (const char *const[]){"content-length: 11\n", "<from a file>\n", NULL});
    snprintf(keys, sizeof keys, "multipart: {a: text, 'q\"': {file: %s, content-type: x/y}}", path);
    ck_body(keys,
            (const char *const[]){
                "content-type: multipart/form-data; boundary=----goto-run-",
                "\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\ntext\r\n------goto-run-",
                "name=\"q%22\"; filename=\"goto-h2c-",
                "\r\ncontent-type: x/y\r\n\r\nfrom a file\r\n------goto-run-", "--\r\n>\n", NULL});
    snprintf(keys, sizeof keys, "multipart: [{name: f, file: %s}]", path);
    ck_body(keys, (const char *const[]){"\r\ncontent-type: text/plain\r\n\r\nfrom a file", NULL});
    begin();
    struct step_rig step;
    snprintf(keys, sizeof keys,
             "http: {url: 'http://127.0.0.1:PORT/', version: h2c, file: %s}\nexpect: {error: any}",
             path);
    ck_assert(step_read(&step, keys));
    unlink(path);
    peer_start();
    step_start(&step, NULL);
    step_finish(&step);
    ck_assert_uint_eq(step.attempt.failures.count, 1);
    ck_assert_msg(strstr(step.message, "cannot read file"), "%s", step.message);
    step_free(&step);
    finish();
    peer_forget();
}
END_TEST

/* What comes back. */

START_TEST(test_the_answer)
{
    begin();
    struct buf *bytes = answer(PEER_STALL);
    frame_headers(bytes, 1, false, ":status: 103\nlink: x");
    frame_headers(bytes, 1, false,
                  ":status: 404\nx-a: 1\nx-a: 2\nset-cookie: k=v; Path=/\ncontent-length: 4");
    frame_data(bytes, 1, false, STR("body"));
    frame_headers(bytes, 1, true, "x-sum: 9");
    ck_only(GET_H2C "expect:\n  status: 404\n  headers: {x-a: [1, 2]}\n  body: body\n"
                    "  trailers: {x-sum: '9'}\n  cookies: {k: v}\n  version: '2'\n"
                    "  connect-time: {below: 5s}\n  first-byte: {below: 5s}\n"
                    "  duration: {below: 5s}\n");
    peer_forget();
}
END_TEST

/** A body in gzip, cut to its first `size` bytes. */
static void frame_gzip(struct buf *into, size_t size)
{
    char room[256];
    z_stream stream = {.next_in = (Bytef *)(uintptr_t) "hello hello hello hello",
                       .avail_in = 23,
                       .next_out = (Bytef *)room,
                       .avail_out = sizeof room};
    ck_assert(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    ck_assert(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    deflateEnd(&stream);
    frame_headers(into, 1, false, ":status: 200\ncontent-encoding: gzip");
    frame_data(into, 1, true,
               str_slice((struct str){room, sizeof room - stream.avail_out}, 0, size));
}

START_TEST(test_compressed)
{
    begin();
    frame_gzip(answer(PEER_STALL), 256);
    ck_only("http: {url: 'http://127.0.0.1:PORT/', version: h2c, compressed: true}\n"
            "expect: {body: hello hello hello hello}");
    peer_forget();
    begin();
    frame_gzip(answer(PEER_STALL), 20);
    ck_only("http: {url: 'http://127.0.0.1:PORT/', version: h2c, compressed: true}\n"
            "expect: {error: truncated}");
    peer_forget();
}
END_TEST

START_TEST(test_a_large_body)
{
    static char zeros[16384];
    begin();
    struct buf *bytes = answer(PEER_STALL);
    frame(bytes, NGHTTP2_SETTINGS, ACK, 0, STR(""));
    frame_headers(bytes, 1, false, ":status: 200");
    for (int i = 0; i < 60; i++)
        frame_data(bytes, 1, i == 59, (struct str){zeros, sizeof zeros});
    ck_only(GET_H2C "expect: {size: 983040}");
    peer_forget();
}
END_TEST

/* Redirects. */

static void redirect(uint32_t id, struct peer_script *script, unsigned number, const char *status,
                     const char *location)
{
    char lines[200];
    snprintf(lines, sizeof lines, ":status: %s\nlocation: %s\nset-cookie: seen=%u", status,
             location, number);
    struct buf *bytes = stage_add(script, number, NULL);
    if (number == 1)
        frame_settings(bytes);
    frame_headers(bytes, id, false, lines);
    frame_data(bytes, id, true, STR("not this"));
}

START_TEST(test_redirects_are_followed)
{
    begin();
    struct peer_script *script = peer_script(PEER_STALL);
    redirect(1, script, 1, "307", "../b?x=1");
    redirect(3, script, 2, "303", "/c d");
    frame_answer(stage_add(script, 3, NULL), 5, "there");
    ck_only("http: {url: 'http://127.0.0.1:PORT/a/a', version: h2c, follow: 2, body: text,\n"
            "  headers: {content-language: de, x-mine: '1', host: me}}\n"
            "expect: {body: there, redirects: 2, url: 'http://127.0.0.1:PORT/c%20d'}");
    ck_heard("HEADERS 3\n:method: POST\n:scheme: http\n:authority: me\n:path: /b?x=1\n");
    ck_heard("DATA 3 4 END\n");
    ck_heard("HEADERS 5 END\n:method: GET\n:scheme: http\n:authority: me\n:path: /c%20d\n"
             "user-agent: goto-run/" GOTO_VERSION "\naccept: */*\nx-mine: 1\n");
    ck_not_heard("cookie:");
    peer_forget();
    begin();
    script = peer_script(PEER_STALL);
    redirect(1, script, 1, "302", "/a");
    redirect(3, script, 2, "302", "/a");
    ck_only("http: {url: 'http://127.0.0.1:PORT/a', version: h2c, follow: 1}\n"
            "expect: {error: redirect-loop, status: 302, redirects: 1}");
    peer_forget();
    begin();
    script = peer_script(PEER_STALL);
    redirect(1, script, 1, "302", "/a");
    ck_only(GET_H2C "expect: {status: 302, body: not this}");
    peer_forget();
    begin();
    script = peer_script(PEER_STALL);
    redirect(1, script, 1, "302", "https://127.0.0.1:1/");
    ck_only("http: {url: 'http://127.0.0.1:PORT/a', version: h2c, follow: 1}\n"
            "expect: {error: protocol, status: 302}");
    peer_forget();
}
END_TEST

START_TEST(test_secrets_stay_with_their_host)
{
    char location[64];
    begin();
    snprintf(location, sizeof location, "http://localhost:%d/b", the_peer.port);
    redirect(1, peer_script(PEER_FIN), 1, "302", location);
    answer_ok();
    ck_only("http: {url: 'http://127.0.0.1:PORT/a', version: h2c, follow: 1, cookies: {a: b},\n"
            "  auth: {basic: 'a:b'}, headers: {host: me}, resolve: {localhost: 127.0.0.1}}\n"
            "expect: {body: ok}");
    struct str heard = buf_str(&the_peer.heard);
    ptrdiff_t second = str_find(heard, STR(":path: /b\n"));
    ck_assert(second > 0);
    ck_heard("authorization: Basic YTpi\n");
    ck_assert(str_find(str_from(heard, (size_t)second), STR("authorization")) < 0);
    ck_assert(str_find(str_from(heard, (size_t)second), STR("cookie")) < 0);
    ck_heard(":authority: localhost:");
    peer_forget();
}
END_TEST

/* Sessions. */

START_TEST(test_a_session_keeps_connection_and_cookies)
{
    begin();
    struct peer_script *script = peer_script(PEER_STALL);
    struct buf *bytes = stage_add(script, 1, NULL);
    frame_settings(bytes);
    frame_headers(bytes, 1, true,
                  ":status: 200\nset-cookie: a=1; Path=/; HttpOnly\nset-cookie: b=2; Path=/deep\n"
                  "set-cookie: c=3; Domain=other.example\nset-cookie: d=4; Max-Age=0\n"
                  "set-cookie: e=5; Expires=Wed, 21 Oct 2015 07:28:00 GMT\n"
                  "set-cookie: f=6; Max-Age=100; Secure\nset-cookie: no-pair\n"
                  "set-cookie: g=7; Domain=127.0.0.1; Expires=Wed, 21 Oct 2115 07:28:00 GMT");
    frame_answer(stage_add(script, 2, NULL), 3, "two");
    bytes = stage_add(script, 3, NULL);
    frame_headers(bytes, 5, true, ":status: 200\nset-cookie: a=; Max-Age=-1; Path=/");
    frame_answer(stage_add(script, 4, NULL), 7, "four");
    peer_start();
    ck_step("s", "http: {url: 'http://127.0.0.1:PORT/x/y', version: h2c}");
    ck_step("s", "http: {url: 'http://127.0.0.1:PORT/deep/er', version: h2c, cookies: {z: '0'}}\n"
                 "expect: {body: two, connect-time: 0ms}");
    ck_step("s", "http: {url: 'http://127.0.0.1:PORT/x', version: h2c}");
    ck_step("s", "http: {url: 'http://127.0.0.1:PORT/deeper', version: h2c}\nexpect: {body: four}");
    finish();
    ck_assert_uint_eq(the_peer.connections, 1);
    struct str heard = buf_str(&the_peer.heard);
    ptrdiff_t third = str_find(heard, STR("HEADERS 5 "));
    ptrdiff_t fourth = str_find(heard, STR("HEADERS 7 "));
    ck_assert(third > 0 && fourth > third);
    ck_heard("cookie: b=2; ");
    struct str deep = str_slice(heard, 0, (size_t)third);
    ck_assert(str_find(deep, STR("a=1")) > 0 && str_find(deep, STR("; z=0\n")) > 0);
    ck_not_heard("c=3");
    ck_not_heard("d=4");
    ck_not_heard("e=5");
    ck_assert(str_find(str_from(heard, (size_t)fourth), STR("a=1")) < 0);
    ck_assert(str_find(str_from(heard, (size_t)fourth), STR("b=2")) < 0);
    peer_forget();
}
END_TEST

START_TEST(test_cookies_are_shared_with_http_1)
{
    begin();
    struct buf *bytes = answer(PEER_FIN);
    frame_headers(bytes, 1, true, ":status: 200\nset-cookie: a=1; Path=/");
    struct peer_script *script = peer_script(PEER_FIN);
    script->raw = true;
    buf_append_string(stage_add(script, 0, NULL),
                      "HTTP/1.1 200 OK\r\nset-cookie: b=2; path=/\r\nconnection: close"
                      "\r\ncontent-length: 0\r\n\r\n");
    answer_ok();
    peer_start();
    ck_step("s", GET_H2C);
    ck_step("s", "http: {url: 'http://127.0.0.1:PORT/'}");
    ck_step("s", GET_H2C "expect: {body: ok}");
    finish();
    ck_assert(peer_heard("cookie: a=1; b=2\n") || peer_heard("cookie: b=2; a=1\n"));
    peer_forget();
}
END_TEST

START_TEST(test_a_session_replaces_what_has_ended)
{
    begin();
    struct buf *bytes = answer(PEER_FIN);
    frame_answer(bytes, 1, "one");
    bytes = answer(PEER_STALL);
    frame_answer(bytes, 1, "two");
    frame_goaway(bytes, 1, NGHTTP2_NO_ERROR, "");
    answer_ok();
    peer_start();
    ck_step("s", GET_H2C "expect: {body: one}");
    peer_await_end(1);
    ck_step("s", GET_H2C "expect: {body: two}");
    ck_step("s", GET_H2C "expect: {body: ok}");
    finish();
    ck_assert_uint_eq(the_peer.connections, 3);
    peer_forget();
}
END_TEST

/* Where connections go. */

START_TEST(test_where_connections_go)
{
    begin();
    answer_ok();
    ck_only("http: {url: 'http://a.example/x', version: h2c, connect-to: '127.0.0.1:PORT'}\n"
            "expect: {body: ok, remote: '127.0.0.1:PORT'}");
    ck_heard(":authority: a.example\n");
    peer_forget();
    begin();
    answer_ok();
    ck_only("http: {url: 'http://a.example:PORT/x', version: h2c,\n"
            "  resolve: {A.example: 127.0.0.1}, interface: 127.0.0.9}\nexpect: {body: ok}");
    ck_heard(":authority: a.example:");
    peer_forget();
    begin();
    struct step_rig step;
    peer_start();
    ck_assert(!run(&step, NULL,
                   "http: {url: 'http://127.0.0.1:PORT/', version: h2c, interface: nope}\n"
                   "expect: {error: any}"));
    ck_assert_msg(strstr(step.message, "nope"), "%s", step.message);
    step_free(&step);
    finish();
    peer_forget();
}
END_TEST

START_TEST(test_unix_socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/goto-h2c-XXXXXX";
    char yaml[400];
    ck_assert(mkdtemp(folder));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    client_up();
    peer_new();
    ck_assert(peer_listen_on((struct sockaddr *)&address, sizeof address));
    answer_ok();
    snprintf(yaml, sizeof yaml,
             "http: {url: 'http://h/', version: h2c, unix-socket: %s}\n"
             "expect: {body: ok, remote: 'unix:%s'}",
             address.sun_path, address.sun_path);
    ck_only(yaml);
    unlink(address.sun_path);
    rmdir(folder);
    peer_forget();
}
END_TEST

/* Errors by name. */

#define ck_error(expected)                                                                         \
    do {                                                                                           \
        ck_only(GET_H2C "expect: {" expected "}");                                                 \
        peer_forget();                                                                             \
    } while (0)

START_TEST(test_errors_of_connecting)
{
    begin();
    peer_start();
    finish();
    peer_forget();
    client_up();
    ck_step(NULL, GET_H2C "expect: {error: connection-refused, duration: {below: 5s}}");
    ck_step(NULL, "http: {url: 'http://no.such.host.invalid/', version: h2c}\n"
                  "expect: {error: dns}");
    client_down();
}
END_TEST

START_TEST(test_connect_timeout)
{
    int fillers[3];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    begin();
    ck_assert(listen(the_peer.fd, 0) == 0);
    address.sin_port = htons((uint16_t)the_peer.port);
    for (size_t i = 0; i < COUNT_OF(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        ck_assert(connect(fillers[i], (struct sockaddr *)&address, sizeof address) != 0);
    }
    ck_step(NULL, "http: {url: 'http://127.0.0.1:PORT/', version: h2c, connect-timeout: 30ms}\n"
                  "expect: {error: connect-timeout, duration: {at-least: 30ms}}");
    ck_step(NULL, "http: {url: 'http://127.0.0.1:PORT/', version: h2c, timeout: 20ms}\n"
                  "expect: {error: connect-timeout}");
    for (size_t i = 0; i < COUNT_OF(fillers); i++)
        close(fillers[i]);
    client_down();
    close(the_peer.fd);
}
END_TEST

START_TEST(test_errors_of_the_connection)
{
    begin();
    answer(PEER_STALL);
    ck_only("http: {url: 'http://127.0.0.1:PORT/', version: h2c, timeout: 50ms}\n"
            "expect: {error: timeout, duration: {at-least: 50ms}}");
    ck_heard("RST_STREAM 1 8\nGOAWAY 0 0\n");
    peer_forget();
    begin();
    answer(PEER_FIN);
    ck_error("error: empty-response");
    begin();
    frame_headers(answer(PEER_FIN), 1, false, ":status: 103");
    ck_error("error: connection-closed");
    begin();
    answer(PEER_RST);
    ck_error("error: connection-reset");
    begin();
    struct buf *bytes = answer(PEER_FIN);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_data(bytes, 1, false, STR("half"));
    ck_error("error: truncated, status: 200, body: half");
}
END_TEST

START_TEST(test_errors_of_the_protocol)
{
    begin();
    buf_append_string(stage_add(peer_script(PEER_FIN), 0, "PREFACE"), "HTTP/1.1 400 Bad\r\n\r\n");
    ck_error("error: protocol");
    begin();
    frame_headers(answer(PEER_STALL), 1, true, ":status: 200\nX-Upper: 1");
    ck_error("error: protocol");
    begin();
    struct buf *bytes = answer(PEER_STALL);
    frame_headers(bytes, 1, false, ":status: 200\ncontent-length: 1");
    frame_data(bytes, 1, true, STR("two"));
    ck_error("error: protocol");
    begin();
    frame_headers(answer(PEER_STALL), 1, true, ":status: 200\ncontent-length: 1");
    ck_error("error: truncated, status: 200");
    begin();
    bytes = answer(PEER_STALL);
    struct buf lines;
    buf_init(&lines, BUF_OWN);
    buf_append_string(&lines, ":status: 103\nx-long: ");
    for (int i = 0; i < 15000; i++)
        buf_append_byte(&lines, 'v');
    for (int i = 0; i < 22; i++)
        frame_headers(bytes, 1, false, lines.data);
    buf_clear(&lines);
    ck_error("error: header-too-large");
    begin();
    bytes = answer(PEER_STALL);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_data(bytes, 1, false, STR("eleven byte"));
    ck_only("http: {url: 'http://127.0.0.1:PORT/', version: h2c, max-body: 10}\n"
            "expect: {error: body-too-large, status: 200}");
    ck_heard("RST_STREAM 1 8\n");
    peer_forget();
}
END_TEST

START_TEST(test_errors_of_http2)
{
    begin();
    frame_goaway(answer(PEER_STALL), 0, NGHTTP2_NO_ERROR, "");
    ck_error("error: http2-goaway");
    begin();
    frame_reset(answer(PEER_STALL), 1, NGHTTP2_REFUSED_STREAM);
    ck_error("error: http2-reset(REFUSED_STREAM)");
    ck_assert_uint_eq(the_peer.connections, 1);
    begin();
    frame_reset(answer(PEER_STALL), 1, NGHTTP2_CANCEL);
    ck_error("error: http2-reset");
    begin();
    frame_reset(answer(PEER_STALL), 1, NGHTTP2_INTERNAL_ERROR);
    ck_error("error: any");
}
END_TEST

/* Ended by us. */

/** Starts a step, lets `bytes` of it happen, and cancels it. */
static void cancel_at(const char *yaml, const char *heard)
{
    struct step_rig step;
    struct timespec moment = {.tv_nsec = 1000000};
    peer_start();
    ck_assert_msg(step_read(&step, yaml), "%s", step.message);
    step_start(&step, "s");
    for (int i = 0; i < 5000 && heard && !peer_heard(heard); i++) {
        loop_turn(the_loop);
        nanosleep(&moment, NULL);
    }
    struct str waiting = http_verb.waiting(&step.attempt, step.arena);
    ck_assert_msg(heard ? str_starts(waiting, STR("an answer to"))
                        : str_starts(waiting, STR("the connection for")),
                  STR_FMT, STR_ARG(waiting));
    http_verb.cancel(&step.attempt);
    ck_assert(!step.done);
    step_free(&step);
    finish();
    if (heard)
        ck_heard("RST_STREAM 1 8\n");
    peer_forget();
}

START_TEST(test_cancelled)
{
    begin();
    answer(PEER_STALL);
    cancel_at(GET_H2C, NULL);
    begin();
    answer(PEER_STALL);
    cancel_at(GET_H2C, "HEADERS 1 END\n");
    begin();
    peer_start();
    struct step_rig step;
    ck_assert(step_read(&step, "http: {url: 'http://no.such.host.invalid/', version: h2c}"));
    step_start(&step, NULL);
    loop_turn(the_loop);
    http_verb.cancel(&step.attempt);
    step_free(&step);
    finish();
    peer_forget();
}
END_TEST

START_TEST(test_the_steps_timeout)
{
    struct step_rig step;
    struct timespec moment = {.tv_nsec = 1000000};
    begin();
    answer(PEER_STALL);
    peer_start();
    ck_assert(step_read(&step, GET_H2C "expect: {error: timeout}"));
    step_start(&step, NULL);
    while (!peer_heard("HEADERS 1 END\n")) {
        loop_turn(the_loop);
        nanosleep(&moment, NULL);
    }
    http_verb.expire(&step.attempt);
    step_finish(&step);
    ck_assert_msg(step.attempt.failures.count == 0, "%s", step.message);
    ck_str_is(str_slice(step.attempt.outcome, 0, 11), "timeout in ");
    step_free(&step);
    finish();
    peer_forget();
}
END_TEST

START_TEST(test_what_does_not_go)
{
    const char *key = NULL;
    struct map_entry header = {.name = STR("Connection"),
                               .value = &(struct http_values){
                                   .texts = {.items = (struct str[]){STR("close")}, .count = 1}}};
    struct http_request request = {.proxy = STR("http://p")};
    ck_assert(http_h2c_wrong(&request, &key));
    ck_assert_str_eq(key, "proxy");
    request = (struct http_request){.auth = &(struct http_auth){.digest = STR("a:b")}};
    ck_assert(http_h2c_wrong(&request, &key));
    ck_assert_str_eq(key, "auth");
    request = (struct http_request){.headers = {.items = &header, .count = 1}};
    ck_assert(http_h2c_wrong(&request, &key));
    ck_assert_str_eq(key, "headers");
    header.name = STR("te");
    ck_assert(http_h2c_wrong(&request, NULL));
    header.name = STR("x-te");
    ck_assert(!http_h2c_wrong(&request, &key));
    ck_assert(!key);
}
END_TEST

UNIT_MAIN("http_h2c", test_what_is_sent, test_bodies, test_files_and_parts, test_the_answer,
          test_compressed, test_a_large_body, test_redirects_are_followed,
          test_secrets_stay_with_their_host, test_a_session_keeps_connection_and_cookies,
          test_cookies_are_shared_with_http_1, test_a_session_replaces_what_has_ended,
          test_where_connections_go, test_unix_socket, test_errors_of_connecting,
          test_connect_timeout, test_errors_of_the_connection, test_errors_of_the_protocol,
          test_errors_of_http2, test_cancelled, test_the_steps_timeout, test_what_does_not_go)
