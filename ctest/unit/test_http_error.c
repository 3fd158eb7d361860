/* The http verb when things go wrong: each error by its name, limits, judging. */
#include "http_rig.h"

/* How it fails. */

/** One row of the error table as a server brings it about. */
struct broken {
    const char *error;
    struct script script;
};

#define CHUNKED "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

static const struct broken broken[] = {
    {"empty-response", {.answers = {""}, .ending = FIN}},
    {"connection-reset", {.answers = {""}, .ending = RST}},
    {"connection-closed", {.answers = {"H"}, .ending = FIN}},
    {"connection-closed", {.answers = {"HTTP/1.1 20"}, .ending = FIN}},
    {"connection-reset", {.answers = {"HTTP/1.1 20"}, .ending = RST}},
    {"connection-closed", {.answers = {"HTTP/1.1 200 OK\r\n"}, .ending = FIN}},
    {"connection-reset", {.answers = {"HTTP/1.1 200 OK\r\n"}, .ending = RST}},
    {"connection-closed", {.answers = {"HTTP/1.1 200 OK\r\nx: 1\r\n"}, .ending = FIN}},
    {"connection-closed", {.answers = {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n"}, .ending = FIN}},
    {"connection-closed", {.answers = {"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"}, .ending = FIN}},
    {"connection-closed",
     {.answers = {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx"}, .ending = FIN}},
    {"connection-closed", {.answers = {"HTTP/1.1 204 No\r\nx: 1\r\n"}, .ending = FIN}},
    {"connection-closed", {.answers = {"HTTP/1.1 100 Continue\r\n\r\n"}, .ending = FIN}},
    {"truncated", {.answers = {HEAD_OF("10") "abc"}, .ending = FIN}},
    {"truncated", {.answers = {HEAD_OF("10")}, .ending = FIN}},
    {"connection-reset", {.answers = {HEAD_OF("10") "abc"}, .ending = RST}},
    {"truncated", {.answers = {CHUNKED "5\r\nab"}, .ending = FIN}},
    {"truncated", {.answers = {CHUNKED "2\r\nab\r\n"}, .ending = FIN}},
    {"truncated", {.answers = {CHUNKED "2\r\nab\r\n0\r\n"}, .ending = FIN}},
    {"connection-reset", {.answers = {CHUNKED "5\r\nab"}, .ending = RST}},
    {"connection-reset", {.answers = {"HTTP/1.1 200 OK\r\n\r\nuntil close"}, .ending = RST}},
    {"protocol", {.answers = {CHUNKED "zz\r\nab\r\n"}, .ending = STALL}},
    {"protocol", {.answers = {CHUNKED "2\r\nabXX"}, .ending = STALL}},
    {"protocol", {.answers = {CHUNKED "11112222333344445\r\nab"}, .ending = STALL}},
    {"protocol", {.answers = {"hello, world\r\n\r\n"}, .ending = STALL}},
    {"protocol", {.answers = {"HTTP/9.9 200 OK\r\n\r\n"}, .ending = STALL}},
    {"protocol", {.answers = {"HTTP/1.1 99 OK\r\n\r\n"}, .ending = STALL}},
    {"protocol", {.answers = {"\x15\x03\x03\x00\x02\x02\x28"}, .sizes = {7}, .ending = FIN}},
    {"protocol", {.answers = {"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"}, .ending = STALL}},
    {"protocol",
     {.answers = {"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n"}, .sizes = {26}, .ending = STALL}},
    {"protocol", {.answers = {HEAD_OF("-1")}, .ending = STALL}},
    {"protocol", {.answers = {HEAD_OF("5x") "abcde"}, .ending = STALL}},
    {"protocol", {.answers = {HEAD_OF("36893488147419103232") "abcde"}, .ending = FIN}},
    {"protocol",
     {.answers = {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nab"},
      .ending = STALL}},
    {"protocol",
     {.answers = {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: "
                  "chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"},
      .ending = STALL}},
    {"protocol",
     {.answers = {"HTTP/1.1 200 OK\r\ntransfer-encoding: rot13\r\n\r\nab"}, .ending = STALL}},
    {"protocol",
     {.answers = {"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nhello"}, .ending = STALL}},
    {"body-too-large", {.answers = {HEAD_OF("2000") "abc"}, .ending = STALL}},
};

START_TEST(test_each_broken_answer_has_its_name)
{
    struct step_rig step;
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        char yaml[256];
        struct script script = broken[i].script;
        char large[3000];
        if (str_is(STR("body-too-large"), broken[i].error)) {
            memset(large, 'x', sizeof large);
            memcpy(large, script.answers[0], strlen(script.answers[0]));
            script.answers[0] = large;
            script.sizes[0] = sizeof large;
        }
        snprintf(yaml, sizeof yaml,
                 "http: {url: 'http://127.0.0.1:PORT/', max-body: 1000, timeout: 20s}\nexpect: "
                 "{error: %s}",
                 broken[i].error);
        ck_assert_msg(play(&step, script, yaml), "%zu: %s", i, step.message);
        ck_assert(str_starts(step.attempt.outcome, str_of(broken[i].error)));
        step_end(&step);
    }
}
END_TEST

START_TEST(test_header_too_large)
{
    struct step_rig step;
    struct buf text;
    const char *yaml = "http: GET http://127.0.0.1:PORT/\nexpect: {error: header-too-large}";
    buf_init(&text, BUF_OWN);
    buf_append_string(&text, "HTTP/1.1 200 OK\r\nx: ");
    for (size_t i = 0; i < 400 * 1024; i++)
        buf_append_byte(&text, 'x');
    ck_play(&step, ((struct script){.answers = {text.data}, .sizes = {text.size}, .ending = STALL}),
            yaml);
    step_end(&step);
    buf_reset(&text);
    buf_append_string(&text, "HTTP/1.1 200 OK\r\n");
    for (size_t i = 0; i < 10 * 1024; i++)
        buf_append_string(&text, "x-header-with-a-name: and a value of some size\r\n");
    ck_play(&step, ((struct script){.answers = {text.data}, .sizes = {text.size}, .ending = STALL}),
            yaml);
    step_end(&step);
    buf_reset(&text);
    for (size_t i = 0; i < 20 * 1024; i++)
        buf_append_string(&text, "HTTP/1.1 100 Continue\r\n\r\n");
    ck_play(&step, ((struct script){.answers = {text.data}, .sizes = {text.size}, .ending = STALL}),
            yaml);
    step_end(&step);
    buf_clear(&text);
}
END_TEST

START_TEST(test_connection_refused_and_dns)
{
    struct step_rig step;
    client_up();
    server_listen();
    close(the_server.fd);
    ck_assert(step_read(
        &step,
        "http: GET http://127.0.0.1:PORT/\nexpect: {error: connection-refused, status: {exists: "
        "false}, "
        "connect-time: {exists: false}, first-byte: {exists: false}, remote: {exists: false}, "
        "duration: {below: 20s}}"));
    step_start(&step, NULL);
    step_finish(&step);
    ck_assert_msg(step.attempt.failures.count == 0, "%s", step.message);
    ck_assert(str_starts(step.attempt.outcome, STR("connection-refused in ")));
    step_end(&step);
    ck_assert(
        step_read(&step, "http: GET http://no-such-name.invalid:PORT/\nexpect: {error: dns}"));
    step_start(&step, NULL);
    step_finish(&step);
    ck_assert_msg(step.attempt.failures.count == 0, "%s", step.message);
    step_end(&step);
    ck_assert(step_read(&step, "http: GET http://127.0.0.1:PORT/\nexpect: {status: 200}"));
    step_start(&step, NULL);
    step_finish(&step);
    ck_assert_uint_eq(step.attempt.failures.count, 1);
    ck_assert_msg(strstr(step.message, "http: the request failed: connection-refused ("), "%s",
                  step.message);
    ck_assert_uint_eq(step.attempt.failures.items[0].place.column, 7);
    step_end(&step);
    client_down();
}
END_TEST

START_TEST(test_a_reset_at_once)
{
    struct step_rig step;
    const struct script deaf = {.deaf = true, .ending = RST};
    ck_play(&step, deaf, "http: GET http://127.0.0.1:PORT/\nexpect: {error: connection-reset}");
    step_end(&step);
}
END_TEST

START_TEST(test_timeouts)
{
    struct step_rig step;
    const struct script silent = {.answers = {""}, .ending = STALL};
    ck_play(&step, silent,
            "http: {url: 'http://127.0.0.1:PORT/', timeout: 20ms}\nexpect: {error: timeout, "
            "duration: {at-least: 20ms}}");
    step_end(&step);
    const struct script half = {.answers = {HEAD_OF("10") "abc"}, .ending = STALL};
    ck_play(&step, half,
            "http: {url: 'http://127.0.0.1:PORT/', timeout: 50ms, connect-timeout: 1ms}\nexpect: "
            "{error: timeout}");
    ck_assert(str_starts(step.attempt.outcome, STR("timeout in ")));
    step_end(&step);
}
END_TEST

/** A port that answers no SYN: its backlog is full. Fills `fds`, the first one listens. */
static void blackhole(int fds[3])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert(bind(fds[0], (struct sockaddr *)&address, sizeof address) == 0);
    ck_assert(listen(fds[0], 0) == 0);
    ck_assert(getsockname(fds[0], (struct sockaddr *)&address, &size) == 0);
    the_server.port = ntohs(address.sin_port);
    for (int i = 1; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int result = connect(fds[i], (struct sockaddr *)&address, sizeof address);
        ck_assert(result == 0 || errno == EINPROGRESS);
    }
}

START_TEST(test_connect_timeouts)
{
    struct step_rig step;
    int fds[3];
    static const char *const steps[] = {
        "http: {url: 'http://127.0.0.1:PORT/', timeout: 30ms}\nexpect: {error: connect-timeout}",
        "http: {url: 'http://127.0.0.1:PORT/', connect-timeout: 30ms}\nexpect: {error: "
        "connect-timeout, connect-time: {exists: false}}",
        "http: {url: 'http://127.0.0.1:PORT/', connect-timeout: 30ms, timeout: 20s}\nexpect: "
        "{error: {in: [dns, any]}}",
    };
    client_up();
    blackhole(fds);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        ck_assert(step_read(&step, steps[i]));
        step_start(&step, NULL);
        step_finish(&step);
        ck_assert_msg(step.attempt.failures.count == 0, "%s", step.message);
        step_free(&step);
    }
    ck_assert(
        step_read(&step, "http: GET http://127.0.0.1:PORT/\nexpect: {error: connect-timeout}"));
    step_start(&step, NULL);
    struct str waiting = http_verb.waiting(&step.attempt, step.arena);
    ck_assert(str_starts(waiting, STR("the connection for GET http://127.0.0.1:")));
    http_verb.expire(&step.attempt);
    ck_assert(step.done);
    step_finish(&step);
    ck_assert_msg(step.attempt.failures.count == 0, "%s", step.message);
    step_free(&step);
    client_down();
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}
END_TEST

/** Ends a step `turns` turns of the loop after its start, by the step's timeout or by cancelling
 * it. */
static void end_early(struct script script, const char *yaml, unsigned turns, bool expire)
{
    struct step_rig step;
    client_up();
    server_listen();
    server_script(script);
    server_start();
    ck_assert_msg(step_read(&step, yaml), "%s", step.message);
    step_start(&step, NULL);
    for (unsigned i = 0; i < turns && !step.done; i++)
        loop_turn(the_loop);
    bool was_done = step.done;
    if (expire)
        http_verb.expire(&step.attempt);
    else
        http_verb.cancel(&step.attempt);
    ck_assert(step.done == (was_done || expire));
    client_down();
    server_stop();
    step_end(&step);
}

START_TEST(test_it_can_be_ended_at_any_time)
{
    const struct script redirect = {
        .answers =
            {"HTTP/1.1 302 Found\r\nlocation: http://localhost:PORT/b\r\ncontent-length: 0\r\n\r\n",
             OK_ANSWER},
        .ending = STALL};
    const struct script half = {.answers = {HEAD_OF("10") "abc"}, .ending = STALL};
    for (unsigned turns = 0; turns < 12; turns++) {
        for (int expire = 0; expire < 2; expire++) {
            end_early(half, "http: GET http://127.0.0.1:PORT/", turns, expire);
            end_early(half, "http: GET http://localhost:PORT/", turns, expire);
            end_early(half, "http: GET http://no-such-name.invalid:PORT/", turns, expire);
            end_early(half,
                      "http: {url: 'http://127.0.0.1:PORT/', multipart: {a: {file: unit.h}}, "
                      "timeout: 20s}",
                      turns, expire);
            end_early(redirect,
                      "http: {url: 'http://127.0.0.1:PORT/', follow: 3, connect-timeout: 20s}",
                      turns, expire);
        }
    }
}
END_TEST

/* Judging. */

/** The first failure of an expect against an answer of 200 "ok". */
static void fails(const char *expect, const char *message)
{
    struct step_rig step;
    char yaml[512];
    snprintf(yaml, sizeof yaml, "http: GET http://127.0.0.1:PORT/\nexpect: %s", expect);
    bool passed = play(&step, ok_script, yaml);
    ck_assert_msg(!passed, "%s passed", expect);
    ck_assert_msg(strstr(step.message, message), "%s is not '%s'", step.message, message);
    ck_assert(step.attempt.failures.items[0].place.line == 2);
    step_end(&step);
}

START_TEST(test_failures_are_told)
{
    fails("{status: 503}", "status: expected 503, got 200");
    fails("{status: {not: 2xx}}", "status: expected not 2xx, got 200");
    fails("{body: no, status: 404}", "status: expected 404");
    fails("{headers: {x-a: 1}}", "header x-a: expected \"1\", got nothing");
    fails("{error: connection-refused}", "error: expected connection-refused, got a response: 200");
    fails("{error: any}", "error: expected any, got a response: 200");
    fails("{error: {in: [dns, timeout]}, status: 404}", "got a response: 200");
    fails("{version: '1.0'}", "version");
    fails("{version: HTTP/1.0}", "version");
    fails("{json: {a: 1}}", "json");
    fails("{cookies: {a: b}}", "cookie a");
    fails("{trailers: {a: b}}", "trailer a");
    fails("{url: x}", "url");
    fails("{retries: 1}", "retries");
}
END_TEST

START_TEST(test_error_with_other_keys)
{
    struct step_rig step;
    const struct script cut = {.answers = {HEAD_OF("10") "abc"}, .ending = FIN};
    ck_play(&step, cut,
            "http: GET http://127.0.0.1:PORT/\nexpect: {error: truncated, status: 200, body: abc, "
            "headers: {content-length: 10}}");
    step_end(&step);
    ck_play(&step, cut, "http: GET http://127.0.0.1:PORT/\nexpect: {error: any}");
    step_end(&step);
    ck_play(&step, cut, "http: GET http://127.0.0.1:PORT/\nexpect: {error: [dns, truncated]}");
    step_end(&step);
    ck_play(&step, cut, "http: GET http://127.0.0.1:PORT/\nexpect: {error: {not: timeout}}");
    step_end(&step);
    ck_assert(!play(&step, cut, "http: GET http://127.0.0.1:PORT/\nexpect: {error: {not: any}}"));
    step_end(&step);
    ck_assert(!play(&step, cut, "http: GET http://127.0.0.1:PORT/\nexpect: {error: tls}"));
    ck_assert_msg(strstr(step.message, "error: expected tls, got truncated ("), "%s", step.message);
    step_end(&step);
    ck_assert(!play(&step, cut,
                    "http: GET http://127.0.0.1:PORT/\nexpect: {error: truncated, status: 404}"));
    step_end(&step);
    ck_assert(
        !play(&step, cut, "http: GET http://127.0.0.1:PORT/\nexpect: {status: 200, body: abc}"));
    ck_assert_uint_eq(step.attempt.failures.count, 1);
    step_end(&step);
}
END_TEST

START_TEST(test_a_missed_bound_tells_our_lateness)
{
    struct step_rig step;
    ck_assert(!play(&step, ok_script,
                    "http: GET http://127.0.0.1:PORT/\nexpect: {duration: {below: 1us}}"));
    ck_assert(str_find(step.attempt.failures.items[0].note, STR("our own loop was at most ")) >= 0);
    step_end(&step);
    ck_assert(!play(&step, ok_script,
                    "http: GET http://127.0.0.1:PORT/\nexpect: {duration: {above: 1h}}"));
    ck_assert(str_find(step.attempt.failures.items[0].note, STR("our own loop")) < 0);
    step_end(&step);
}
END_TEST

START_TEST(test_faults_of_the_harness_match_nothing)
{
    struct step_rig step;
    ck_assert(!play(
        &step, ok_script,
        "http: {url: 'http://127.0.0.1:PORT/', interface: no-such-if0}\nexpect: {error: any}"));
    ck_assert_msg(strstr(step.message, "http: the request could not be made: "), "%s",
                  step.message);
    step_end(&step);
}
END_TEST

START_TEST(test_error_names_have_a_doc)
{
    size_t count = 0;
    for (; error_names[count]; count++)
        ck_assert(http_error_doc(str_of(error_names[count])));
    ck_assert_uint_eq(count, 30);
    ck_assert(!http_error_doc(STR("no-such-error")));
}
END_TEST

UNIT_MAIN("http_error", test_each_broken_answer_has_its_name, test_header_too_large,
          test_connection_refused_and_dns, test_a_reset_at_once, test_timeouts,
          test_connect_timeouts, test_it_can_be_ended_at_any_time, test_failures_are_told,
          test_error_with_other_keys, test_a_missed_bound_tells_our_lateness,
          test_faults_of_the_harness_match_nothing, test_error_names_have_a_doc)
