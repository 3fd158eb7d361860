/* The http verb: what is sent and what comes back, on sockets. */
#include "http_rig.h"

/* What is sent. */

START_TEST(test_sends_nothing_hidden)
{
    struct step_rig step;
    ck_play(&step, ok_script,
            "http: GET http://127.0.0.1:PORT/a/../b?x=%20\nexpect: {status: 200, body: ok}");
    struct str wanted = with_port(
        step.arena,
        "GET /a/../b?x=%20 HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nuser-agent: goto-run/" GOTO_VERSION
        "\r\naccept: */*\r\n\r\n");
    ck_assert_msg(str_equal(requests(), wanted), STR_FMT, STR_ARG(requests()));
    ck_assert(str_starts(step.attempt.outcome, STR("200 in ")));
    step_end(&step);
}
END_TEST

START_TEST(test_headers_are_sent_as_written)
{
    struct step_rig step;
    ck_play(&step, ok_script,
            "http:\n  url: http://127.0.0.1:PORT/\n  headers:\n    X-One: a  b\n    x-two: [a, "
            "b]\n    x-empty: ''\n"
            "    user-agent: null\n    Accept: text/plain\n    host: other\n    x-number: 1.10\n");
    ck_sent("\r\nX-One: a  b\r\n");
    ck_sent("\r\nx-two: a\r\nx-two: b\r\n");
    ck_sent("\r\nx-empty:\r\n");
    ck_sent("\r\nAccept: text/plain\r\n");
    ck_sent("ost: other\r\n");
    ck_sent("\r\nx-number: 1.10\r\n");
    ck_not_sent("user-agent");
    ck_not_sent("*/*");
    ck_not_sent("127.0.0.1");
    step_end(&step);
    ck_play(&step, ok_script, "http: {url: 'http://127.0.0.1:PORT/', headers: {accept: null}}");
    ck_not_sent("ccept");
    step_end(&step);
}
END_TEST

START_TEST(test_query_is_encoded_and_appended)
{
    struct step_rig step;
    ck_play(&step, ok_script,
            "http:\n  url: 127.0.0.1:PORT/p?a=1#part\n  query: {'b c': 'x&y=é', l: [1, 2], flag: "
            "null, e: ''}");
    ck_sent("GET /p?a=1&b%20c=x%26y%3D%C3%A9&l=1&l=2&flag&e= HTTP/1.1\r\n");
    step_end(&step);
}
END_TEST

START_TEST(test_bodies)
{
    struct step_rig step;
    ck_play(&step, ok_script, "http: {method: PUT, url: 'http://127.0.0.1:PORT/', body: 'a\"b'}");
    ck_sent("PUT / HTTP/1.1\r\n");
    ck_sent("\r\nContent-Length: 3\r\n");
    ck_sent("\r\n\r\na\"b");
    ck_not_sent("ontent-type");
    ck_not_sent("ontent-Type");
    ck_not_sent("xpect");
    step_end(&step);
    ck_play(&step, ok_script, "http: {url: 'http://127.0.0.1:PORT/', json: {a: [1.10, null, é]}}");
    ck_sent("POST / HTTP/1.1\r\n");
    ck_sent("\r\ncontent-type: application/json\r\n");
    ck_sent("\r\n\r\n{\"a\":[1.10,null,\"é\"]}");
    step_end(&step);
    ck_play(
        &step, ok_script,
        "http: {method: PATCH, url: 'http://127.0.0.1:PORT/', form: {'a b': 'c+d', l: [1, 2]}}");
    ck_sent("PATCH / HTTP/1.1\r\n");
    ck_sent("\r\ncontent-type: application/x-www-form-urlencoded\r\n");
    ck_sent("\r\n\r\na+b=c%2Bd&l=1&l=2");
    step_end(&step);
    ck_play(&step, ok_script, "http: POST http://127.0.0.1:PORT/");
    ck_sent("\r\nContent-Length: 0\r\n");
    ck_not_sent("ontent-Type");
    step_end(&step);
    ck_play(&step, ok_script, "http: DELETE http://127.0.0.1:PORT/x");
    ck_sent("DELETE /x HTTP/1.1\r\n");
    ck_not_sent("ontent-Length");
    step_end(&step);
    ck_play(&step, ok_script, "http: {method: GET, url: 'http://127.0.0.1:PORT/', body: ''}");
    ck_sent("GET / HTTP/1.1\r\n");
    ck_sent("\r\nContent-Length: 0\r\n");
    step_end(&step);
}
END_TEST

START_TEST(test_a_written_content_type_replaces_the_default)
{
    struct step_rig step;
    ck_play(&step, ok_script,
            "http: {url: 'http://127.0.0.1:PORT/', json: 1, headers: {Content-Type: "
            "application/x+json}}");
    ck_sent("\r\nContent-Type: application/x+json\r\n");
    ck_not_sent("application/json");
    step_end(&step);
    ck_play(
        &step, ok_script,
        "http: {url: 'http://127.0.0.1:PORT/', body: abc, headers: {transfer-encoding: chunked}}");
    ck_sent("\r\ntransfer-encoding: chunked\r\n");
    ck_sent("\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    step_end(&step);
}
END_TEST

START_TEST(test_multipart_and_files)
{
    struct step_rig step;
    ck_play(&step, ok_script,
            "http:\n  url: http://127.0.0.1:PORT/\n  multipart:\n    a: 'x; y'\n    b: {file: "
            "unit.h, content-type: text/x-c}\n"
            "    c: {value: v, filename: c.json}\n");
    ck_sent("\r\nContent-Type: multipart/form-data; boundary=");
    ck_sent("form-data; name=\"a\"\r\n\r\nx; y\r\n");
    ck_sent("form-data; name=\"b\"; filename=\"unit.h\"\r\nContent-Type: text/x-c\r\n");
    ck_sent("What unit tests share");
    ck_sent("name=\"c\"; filename=\"c.json\"\r\n");
    ck_not_sent("100-continue");
    step_end(&step);
    ck_play(&step, ok_script,
            "http: {url: 'http://127.0.0.1:PORT/', multipart: [{name: a, value: 1}, {name: a, "
            "value: 2}]}");
    ck_sent("name=\"a\"\r\n\r\n1\r\n");
    ck_sent("name=\"a\"\r\n\r\n2\r\n");
    step_end(&step);
    ck_play(&step, ok_script, "http: {url: 'http://127.0.0.1:PORT/', file: unit.h}");
    ck_sent("POST / HTTP/1.1\r\n");
    ck_sent("#ifndef GOTO_CTEST_UNIT_H");
    ck_not_sent("ontent-type");
    step_end(&step);
}
END_TEST

START_TEST(test_auth_and_cookies)
{
    struct step_rig step;
    ck_play(&step, ok_script,
            "http: {url: 'http://127.0.0.1:PORT/', auth: {basic: 'user:pa:ss'}, cookies: {a: 1, b: "
            "x y}}");
    ck_sent("\r\nAuthorization: Basic dXNlcjpwYTpzcw==\r\n");
    ck_sent("\r\nCookie: a=1; b=x y\r\n");
    step_end(&step);
    ck_play(&step, ok_script, "http: {url: 'http://127.0.0.1:PORT/', auth: {bearer: t0k}}");
    ck_sent("\r\nAuthorization: Bearer t0k\r\n");
    step_end(&step);
    const struct script digest = {.answers = {"HTTP/1.1 401 No\r\nwww-authenticate: Digest "
                                              "realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n"
                                              "content-length: 2\r\n\r\nno",
                                              OK_ANSWER},
                                  .ending = STALL};
    ck_play(&step, digest,
            "http: {url: 'http://127.0.0.1:PORT/x', body: abc, auth: {digest: 'u:p'}}\nexpect: "
            "{status: 200, body: ok}");
    ck_sent("Authorization: Digest username=\"u\"");
    ck_assert_uint_eq(the_server.connections, 1);
    step_end(&step);
}
END_TEST

START_TEST(test_version_head_and_connect_to)
{
    struct step_rig step;
    const struct script old = {.answers = {"HTTP/1.0 200 OK\r\n\r\nold"}, .ending = FIN};
    ck_play(
        &step, old,
        "http: {url: 'http://127.0.0.1:PORT/', version: 1.0}\nexpect: {version: '1.0', body: old}");
    ck_sent("GET / HTTP/1.0\r\n");
    step_end(&step);
    const struct script head = {.answers = {"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"},
                                .ending = STALL};
    ck_play(&step, head,
            "http: HEAD http://127.0.0.1:PORT/\nexpect: {headers: {content-length: 99}, body: "
            "{empty: true}}");
    step_end(&step);
    ck_play(&step, ok_script,
            "http: {url: 'http://some.example:81/x', connect-to: '127.0.0.1:PORT'}\n"
            "expect: {remote: '127.0.0.1:PORT', url: 'http://some.example:81/x'}");
    ck_sent("Host: some.example:81\r\n");
    step_end(&step);
    ck_play(&step, ok_script,
            "http: {url: 'http://some.example:PORT/x', resolve: {some.example: 127.0.0.1}}");
    step_end(&step);
    ck_play(&step, ok_script,
            "http: {url: 'http://x.example/y', connect-to: 'some.example:PORT', resolve: "
            "{some.example: 127.0.0.1}}");
    step_end(&step);
    ck_play(&step, ok_script, "http: {url: 'http://127.0.0.1:PORT/', interface: 127.0.0.1}");
    step_end(&step);
}
END_TEST

START_TEST(test_the_environment_has_no_say)
{
    struct step_rig step;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    ck_play(&step, ok_script, "http: GET http://127.0.0.1:PORT/");
    step_end(&step);
    setenv("no_proxy", "*", 1);
    ck_play(&step, ok_script,
            "http: {url: 'http://no.such.example/x', proxy: 'http://127.0.0.1:PORT'}");
    ck_sent("GET http://no.such.example/x HTTP/1.1\r\n");
    step_end(&step);
}
END_TEST

START_TEST(test_unix_socket)
{
    struct step_rig step;
    char path[] = "/tmp/goto-unit-XXXXXX";
    ck_assert(mkdtemp(path));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", path);
    client_up();
    server_listen();
    close(the_server.fd);
    the_server.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert(bind(the_server.fd, (struct sockaddr *)&address, sizeof address) == 0);
    ck_assert(listen(the_server.fd, 1) == 0);
    server_script(ok_script);
    server_start();
    char yaml[512];
    snprintf(yaml, sizeof yaml,
             "http: {url: 'http://localhost/x', unix-socket: %s}\nexpect: {remote: 'unix:%s'}",
             address.sun_path, address.sun_path);
    ck_assert(step_read(&step, yaml));
    step_start(&step, NULL);
    step_finish(&step);
    ck_assert_msg(step.attempt.failures.count == 0, "%s", step.message);
    server_stop();
    unlink(address.sun_path);
    step_end(&step);
    snprintf(
        yaml, sizeof yaml,
        "http: {url: 'http://localhost/x', unix-socket: %s}\nexpect: {error: connection-refused}",
        address.sun_path);
    ck_assert(step_read(&step, yaml));
    step_start(&step, NULL);
    step_finish(&step);
    ck_assert_msg(step.attempt.failures.count == 0, "%s", step.message);
    step_free(&step);
    client_down();
    rmdir(path);
}
END_TEST

/* What comes back. */

START_TEST(test_heads_that_make_little_sense)
{
    struct arena *arena = arena_new();
    struct http_head head = {.arena = arena};
    static const char *const lines[] = {"HTTP/",
                                        "HTTP/1.1\n",
                                        "HTTP/1.1 \r\n",
                                        "HTTP/1.1 2\n",
                                        "\r\r\n",
                                        "HTTP/1.1 200\n",
                                        " folded into nothing\n",
                                        ": no name\n",
                                        "a:\n",
                                        "\t b \n",
                                        "\n",
                                        "\n",
                                        "HTTP/1.1: 7\n",
                                        "HTTP/1.1 300\n",
                                        " more\n"};
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        ck_assert(http_head_line(&head, str_of(lines[i])));
    ck_assert(head.done);
    ck_assert_uint_eq(head.status, 200);
    ck_str_is(headers_get(&head.headers, STR("a")), "b");
    ck_str_is(headers_get(&head.trailers, STR("http/1.1")), "7 more");
    arena_free(arena);
}
END_TEST

START_TEST(test_status_lines_that_are_none)
{
    static const struct {
        const char *line;
        bool h2;
        const char *broken;
    } lines[] = {
        {"http/1.1 200 OK\r\n", false, "'http/1.1 200 OK' is no status line"},
        {"HTTP/2 200\r\n", false, "HTTP/2 on a connection of HTTP/1"},
        {"HTTP/2.0 200 OK\r\n", false, "HTTP/2.0 on a connection of HTTP/1"},
        {"HTTP/2 200\r\n", true, ""},
        {"HTTP/1.0 200 OK\r\n", false, ""},
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct http_head head = {.arena = arena_new(), .is_h2 = lines[i].h2};
        bool good =
            http_head_line(&head, str_of(lines[i].line)) && http_head_line(&head, STR("\r\n"));
        ck_assert_msg(good == !*lines[i].broken, "%s", lines[i].line);
        ck_str_is(head.broken.data ? head.broken : STR(""), lines[i].broken);
        arena_free(head.arena);
    }
}
END_TEST

START_TEST(test_content_lengths)
{
    static const struct {
        const char *value;
        bool good;
    } lengths[] = {{"5", true},
                   {"5, 5", true},
                   {"5,5 ,\t5", true},
                   {"", false},
                   {"5,", false},
                   {"5, 6", false},
                   {"+5", false},
                   {"5 5", false},
                   {"0x5", false},
                   {"9223372036854775807", true},
                   {"9223372036854775808", false}};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct arena *arena = arena_new();
        struct http_head head = {.arena = arena};
        char line[128];
        snprintf(line, sizeof line, "Content-Length: %s\r\n", lengths[i].value);
        ck_assert(http_head_line(&head, STR("HTTP/1.1 200 OK\r\n")));
        ck_assert(http_head_line(&head, str_of(line)));
        ck_assert_msg(http_head_line(&head, STR("\r\n")) == lengths[i].good, "%s",
                      lengths[i].value);
        arena_free(arena);
    }
}
END_TEST

START_TEST(test_the_answer_is_recorded)
{
    struct step_rig step;
    const struct script script = {
        .answers = {"HTTP/1.1 100 Continue\r\nx-interim: 1\r\n\r\nHTTP/1.1 103 Early "
                    "Hints\r\nlink: x\r\n\r\n"
                    "HTTP/1.1 201 Made  it\r\nX-A: 1\r\nx-a: 2\r\nfolded: a\r\n  b\r\nSet-Cookie: "
                    "s=abc; Path=/\r\n"
                    "set-cookie: t=\r\ntransfer-encoding: "
                    "chunked\r\n\r\n3\r\na\0b\r\n2\r\ncd\r\n0\r\nx-sum: 5\r\n\r\n"},
        .sizes = {sizeof "HTTP/1.1 100 Continue\r\nx-interim: 1\r\n\r\nHTTP/1.1 103 Early "
                         "Hints\r\nlink: x\r\n\r\n"
                         "HTTP/1.1 201 Made  it\r\nX-A: 1\r\nx-a: 2\r\nfolded: a\r\n  "
                         "b\r\nSet-Cookie: s=abc; Path=/\r\n"
                         "set-cookie: t=\r\ntransfer-encoding: "
                         "chunked\r\n\r\n3\r\na\0b\r\n2\r\ncd\r\n0\r\nx-sum: 5\r\n\r\n" -
                  1},
        .ending = STALL};
    ck_play(&step, script,
            "http: GET http://127.0.0.1:PORT/\n"
            "expect:\n  status: [2xx, 404]\n  version: HTTP/1.1\n  size: 5\n  body: \"a\\0bcd\"\n"
            "  headers: {x-a: ['1', '2'], folded: a b, x-interim: {exists: false}, link: {exists: "
            "false}}\n"
            "  cookies: {s: abc, t: '', u: {exists: false}}\n  trailers: {x-sum: '5'}\n  "
            "redirects: 0\n  retries: 0\n"
            "  duration: {above: 0ms}\n  connect-time: {above: 0ms}\n  first-byte: {between: [0ms, "
            "30s]}\n"
            "  url: http://127.0.0.1:PORT/\n  remote: 127.0.0.1:PORT\n");
    step_end(&step);
}
END_TEST

static struct str zipped(struct arena *arena, int window, struct str text)
{
    z_stream stream = {0};
    char *out = arena_alloc(arena, 4096);
    ck_assert(deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)text.data;
    stream.avail_in = (uInt)text.size;
    stream.next_out = (Bytef *)out;
    stream.avail_out = 4096;
    ck_assert(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    struct str result = {out, 4096 - stream.avail_out};
    deflateEnd(&stream);
    return result;
}

/** An answer with that body, as a script. */
static struct script coded_script(struct arena *arena, const char *coding, struct str body)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    buf_printf(&text, "HTTP/1.1 200 OK\r\ncontent-encoding: %s\r\ncontent-length: %zu\r\n\r\n",
               coding, body.size);
    buf_append(&text, body);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return (struct script){.answers = {copy.data}, .sizes = {copy.size}, .ending = STALL};
}

START_TEST(test_compressed)
{
    struct step_rig step;
    struct arena *arena = arena_new();
    struct str text = STR("text text text text text text text text text text");
    struct str gzip = zipped(arena, 31, text);
    const char *yaml = "http: {url: 'http://127.0.0.1:PORT/', compressed: true}\n"
                       "expect: {body: {starts-with: text}, size: 49}";
    ck_play(&step, coded_script(arena, "gzip", gzip), yaml);
    ck_sent("\r\naccept-encoding: gzip, deflate\r\n");
    step_end(&step);
    ck_play(&step, coded_script(arena, "deflate", zipped(arena, 15, text)), yaml);
    step_end(&step);
    ck_play(&step, coded_script(arena, "deflate", zipped(arena, -15, text)), yaml);
    step_end(&step);
    ck_play(&step, coded_script(arena, "deflate, gzip", zipped(arena, 31, zipped(arena, 15, text))),
            yaml);
    step_end(&step);
    ck_play(&step, coded_script(arena, "identity", text), yaml);
    step_end(&step);
    ck_play(&step, coded_script(arena, "gzip", str_slice(gzip, 0, gzip.size - 9)),
            "http: {url: 'http://127.0.0.1:PORT/', compressed: true}\nexpect: {error: truncated, "
            "status: 200}");
    step_end(&step);
    ck_play(&step, coded_script(arena, "gzip", text),
            "http: {url: 'http://127.0.0.1:PORT/', compressed: true}\nexpect: {error: protocol}");
    step_end(&step);
    ck_play(&step, coded_script(arena, "br", text),
            "http: {url: 'http://127.0.0.1:PORT/', compressed: true}\nexpect: {error: protocol}");
    step_end(&step);
    ck_play(&step, coded_script(arena, "gzip", gzip),
            "http: {url: 'http://127.0.0.1:PORT/', compressed: true, max-body: 48}\nexpect: "
            "{error: body-too-large}");
    step_end(&step);
    ck_play(&step, coded_script(arena, "gzip", gzip),
            "http: {url: 'http://127.0.0.1:PORT/', compressed: true, max-body: 49}\nexpect: {size: "
            "49}");
    step_end(&step);
    ck_play(&step, coded_script(arena, "gzip", gzip),
            "http: {url: 'http://127.0.0.1:PORT/'}\nexpect: {body: {starts-with: \"\\x1f\"}}");
    step_end(&step);
    arena_free(arena);
}
END_TEST

START_TEST(test_redirects)
{
    struct step_rig step;
    const struct script one = {
        .answers = {"HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 4\r\n\r\ngone",
                    OK_ANSWER},
        .ending = STALL};
    ck_play(&step, one,
            "http: GET http://127.0.0.1:PORT/a\nexpect: {status: 302, body: gone, redirects: 0}");
    step_end(&step);
    ck_play(&step, one,
            "http: {url: 'http://127.0.0.1:PORT/a', follow: 1}\n"
            "expect: {status: 200, body: ok, redirects: 1, url: 'http://127.0.0.1:PORT/b', "
            "headers: {location: {exists: false}}}");
    ck_assert_uint_eq(the_server.connections, 1);
    step_end(&step);
    const struct script loop = {
        .answers = {"HTTP/1.1 302 Found\r\nlocation: /a\r\ncontent-length: 0\r\n\r\n",
                    "HTTP/1.1 302 Found\r\nlocation: /a\r\ncontent-length: 0\r\n\r\n"},
        .ending = STALL};
    ck_play(&step, loop,
            "http: {url: 'http://127.0.0.1:PORT/a', follow: 1}\nexpect: {error: redirect-loop, "
            "status: 302}");
    step_end(&step);
    const struct script far = {
        .answers = {"HTTP/1.1 302 Found\r\nlocation: ftp://127.0.0.1:1/\r\n\r\n"}, .ending = FIN};
    ck_assert(!play(&step, far,
                    "http: {url: 'http://127.0.0.1:PORT/a', follow: 1}\nexpect: {error: any}"));
    ck_assert_msg(strstr(step.message, "could not be made"), "%s", step.message);
    step_end(&step);
}
END_TEST

/** The method after a redirect of that status. */
static void redirected(const char *status, const char *yaml, const char *expected, bool body)
{
    struct step_rig step;
    char answer[256];
    snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n",
             status);
    const struct script script = {.answers = {answer, OK_ANSWER}, .ending = STALL};
    ck_play(&step, script, yaml);
    ptrdiff_t second = str_find(requests(), str_of(expected));
    ck_assert_msg(second > 0, "%s: no %s in " STR_FMT, status, expected, STR_ARG(requests()));
    struct str rest = str_from(requests(), (size_t)second);
    ck_assert_int_eq(str_find(rest, STR("abc")) >= 0, body);
    ck_assert_int_eq(str_find(rest, STR("content-type")) >= 0, body);
    step_end(&step);
}

START_TEST(test_methods_after_redirects)
{
    const char *post = "http: {url: 'http://127.0.0.1:PORT/a', follow: 3, json: abc}";
    const char *put = "http: {method: PUT, url: 'http://127.0.0.1:PORT/a', follow: 3, json: abc}";
    redirected("301 x", post, "GET /b ", false);
    redirected("302 x", post, "GET /b ", false);
    redirected("303 x", post, "GET /b ", false);
    redirected("307 x", post, "POST /b ", true);
    redirected("308 x", post, "POST /b ", true);
    redirected("301 x", put, "PUT /b ", true);
    redirected("302 x", put, "PUT /b ", true);
    redirected("303 x", put, "GET /b ", false);
    redirected("307 x", put, "PUT /b ", true);
    redirected("303 x", "http: {method: DELETE, url: 'http://127.0.0.1:PORT/a', follow: 3}",
               "GET /b ", false);
    redirected("303 x", "http: {method: HEAD, url: 'http://127.0.0.1:PORT/a', follow: 3}",
               "HEAD /b ", false);
}
END_TEST

/* Sessions. */

/** Runs `count` requests, of the sessions named or of none. */
static void run_steps(const char *const *sessions, size_t count)
{
    struct step_rig step;
    server_start();
    for (size_t i = 0; i < count; i++) {
        ck_assert(step_read(&step, "http: GET http://127.0.0.1:PORT/\nexpect: {status: 200}"));
        step_start(&step, sessions[i]);
        step_finish(&step);
        ck_assert_msg(step.attempt.failures.count == 0, "%zu: %s", i, step.message);
        step_free(&step);
    }
    client_down();
    server_stop();
}

#define COOKIE_ANSWER "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\ncontent-length: 0\r\n\r\n"

START_TEST(test_a_session_keeps_connection_and_cookies)
{
    static const char *const sessions[] = {"s", "s", "s"};
    client_up();
    server_listen();
    server_script(
        (struct script){.answers = {COOKIE_ANSWER, OK_ANSWER, OK_ANSWER}, .ending = STALL});
    run_steps(sessions, 3);
    ck_assert_uint_eq(the_server.connections, 1);
    ck_sent("\r\nCookie: a=1\r\n");
    server_forget();
}
END_TEST

START_TEST(test_a_session_connects_again)
{
    static const char *const sessions[] = {"s", "s"};
    client_up();
    server_listen();
    server_script((struct script){.answers = {COOKIE_ANSWER}, .ending = FIN});
    server_script(ok_script);
    run_steps(sessions, 2);
    ck_assert_uint_eq(the_server.connections, 2);
    ck_sent("\r\nCookie: a=1\r\n");
    server_forget();
}
END_TEST

START_TEST(test_steps_without_a_session_share_nothing)
{
    struct step_rig step;
    const struct script keep = {
        .answers = {"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\ncontent-length: 0\r\n\r\n", OK_ANSWER},
        .ending = STALL};
    client_up();
    server_listen();
    for (int i = 0; i < 3; i++)
        server_script(keep);
    server_start();
    for (int i = 0; i < 3; i++) {
        ck_assert(step_read(&step, i == 1 ? "http: {url: 'http://127.0.0.1:PORT/', follow: 2}"
                                          : "http: GET http://127.0.0.1:PORT/"));
        step_start(&step, NULL);
        step_finish(&step);
        ck_assert_msg(step.attempt.failures.count == 0, "%s", step.message);
        step_free(&step);
    }
    server_stop();
    client_down();
    ck_assert_uint_eq(the_server.connections, 3);
    ck_not_sent("Cookie");
    server_forget();
}
END_TEST

/* Captures. */

static struct str captured(struct step_rig *step, const char *source)
{
    struct str why = {0};
    struct source *text = arena_alloc(step->arena, sizeof *text);
    *text = (struct source){STR("capture"), str_of(source)};
    struct documents documents;
    ck_assert(tree_read_yaml(step->arena, text, &documents, &step->diagnostics) == 0);
    const struct json *value = http_verb.capture(&step->attempt, documents.items[0], &why);
    if (!value)
        return arena_printf(step->arena, "nothing: " STR_FMT, STR_ARG(why));
    struct buf out;
    buf_init(&out, BUF_OWN);
    json_write(value, &out);
    struct str result = arena_copy(step->arena, buf_str(&out));
    buf_clear(&out);
    return result;
}

START_TEST(test_a_first_header_that_begins_with_a_blank)
{
    static const char *const steps[] = {
        "http: GET http://127.0.0.1:PORT/\nexpect: {status: 200}",
        "http: GET http://127.0.0.1:PORT/\nexpect: {error: protocol}"};
    struct step_rig step;
    client_up();
    server_listen();
    /* libcurl puts such a line to the header before, which must not be one of an older answer */
    server_script((struct script){
        .answers = {OK_ANSWER, "HTTP/1.1 200 OK\r\n x-a: b\r\ncontent-length: 2\r\n\r\nok"},
        .ending = STALL});
    server_start();
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        ck_assert(step_read(&step, steps[i]));
        step_start(&step, "s");
        step_finish(&step);
        ck_assert_msg(step.attempt.failures.count == 0, "%s", step.message);
        step_free(&step);
    }
    client_down();
    server_stop();
    server_forget();
}
END_TEST

START_TEST(test_captures)
{
    struct step_rig step;
    const struct script script = {
        .answers = {"HTTP/1.1 200 OK\r\nx-id: 7\r\nx-l: a\r\nx-l: b\r\nset-cookie: c=d; "
                    "x\r\ncontent-length: 22\r\n\r\n"
                    "{\"a\":[1,2],\"id\":\"x=9\"}"},
        .ending = STALL};
    ck_play(&step, script, "http: GET http://127.0.0.1:PORT/p");
    ck_str_is(captured(&step, "jsonpath: $.a"), "[1,2]");
    ck_str_is(captured(&step, "jsonpath: '$.a[*]'"), "[1,2]");
    ck_assert(str_starts(captured(&step, "jsonpath: $.b"), STR("nothing")));
    ck_str_is(captured(&step, "header: X-Id"), "\"7\"");
    ck_str_is(captured(&step, "header: x-l"), "[\"a\",\"b\"]");
    ck_str_is(captured(&step, "header: y"), "nothing: the answer has no header 'y'");
    ck_str_is(captured(&step, "cookie: c"), "\"d\"");
    ck_str_is(captured(&step, "cookie: C"), "nothing: the answer sets no cookie 'C'");
    ck_str_is(captured(&step, "body: {matches: 'x=(\\d+)'}"), "\"9\"");
    ck_str_is(captured(&step, "status: true"), "200");
    ck_str_is(captured(&step, "heder: x"),
              "nothing: unknown source 'heder', did you mean 'header'?");
    ck_str_is(captured(&step, "{header: x, body: y}"), "nothing: a capture has exactly one source");
    ck_assert(str_ends(captured(&step, "url: true"), STR("/p\"")));
    step_end(&step);
}
END_TEST

UNIT_MAIN("http_client", test_sends_nothing_hidden, test_headers_are_sent_as_written,
          test_query_is_encoded_and_appended, test_bodies,
          test_a_written_content_type_replaces_the_default, test_multipart_and_files,
          test_auth_and_cookies, test_version_head_and_connect_to, test_the_environment_has_no_say,
          test_unix_socket, test_heads_that_make_little_sense, test_status_lines_that_are_none,
          test_a_first_header_that_begins_with_a_blank, test_content_lengths,
          test_the_answer_is_recorded, test_compressed, test_redirects,
          test_methods_after_redirects, test_a_session_keeps_connection_and_cookies,
          test_a_session_connects_again, test_steps_without_a_session_share_nothing, test_captures)
