/* Calls over TLS, to upstreams of the same server: what ALPN chooses, and how it fails. */
#include "ctest/unit/call_rig.h"
#include "ctest/unit/tcp_rig.h"

#include "server/proxy/call_private.h"

/** One call to an upstream. */
struct talk {
    struct tcp_rig tcp;
    struct endpoint endpoint;
    struct told told;
};

static void talk_call(struct talk *talk, const struct call_request *request)
{
    told_clear(&talk->told);
    told_init(&talk->told);
    talk->told.call = call_new(call_pool_of(&talk->tcp.rig.server), &talk->endpoint, request,
                               &told_user, &talk->told);
    rig_until(&talk->tcp.rig, told_ended(&talk->told));
}

static void talk_begin(struct talk *talk, const char *yaml)
{
    struct str why;
    memset(talk, 0, sizeof *talk);
    tcp_rig_init(&talk->tcp, yaml);
    ck_assert(endpoint_resolve(&talk->tcp.rig.server, STR("api"), talk->tcp.arena, &talk->endpoint,
                               &why));
}

static void talk_end(struct talk *talk)
{
    told_clear(&talk->told);
    tcp_rig_clear(&talk->tcp);
}

static struct call_request talk_request(void)
{
    struct call_request request = call_rig_get();
    request.target = STR("/a");
    request.timeout_ns = 10 * (int64_t)CLOCK_SECOND;
    /* of one without a name nothing is journalled */
    request.name_id = 1;
    return request;
}

#define ROUTE                                                                                      \
    "routes: [{match: GET /a, respond: {body: hello}}, {match: POST /a, respond: {body: posted}}]"

/** What an upstream speaks, and over which version a call reaches it. */
static const struct {
    const char *yaml;
    enum endpoint_speech speech;
    bool upgrade;
    const char *version; /**< of the request, as the upstream saw it */
} agreements[] = {
    {"{protocol: https, " ROUTE "}", ENDPOINT_HTTP1, false, "HTTP/1.1"},
    {"{protocol: h2, " ROUTE "}", ENDPOINT_HTTP2, false, "HTTP/2"},
    {"{protocol: h2, tls: {alpn: [h2, http/1.1]}, " ROUTE "}", ENDPOINT_EITHER, false, "HTTP/2"},
    {"{protocol: h2, tls: {alpn: [h2, http/1.1]}, " ROUTE "}", ENDPOINT_EITHER, true, "HTTP/1.1"},
    {"{protocol: h2, tls: {alpn: [http/1.1, h2]}, " ROUTE "}", ENDPOINT_EITHER, false, NULL},
    {"{protocol: https, " ROUTE "}", ENDPOINT_EITHER, false, "HTTP/1.1"},
    {"{protocol: h2c, " ROUTE "}", ENDPOINT_HTTP2, false, "HTTP/2"},
    {"{protocol: http, " ROUTE "}", ENDPOINT_HTTP1, false, "HTTP/1.1"},
};

static const char *version_seen(const struct talk *talk)
{
    static struct arena *arena;
    struct request request;
    const struct entry *entry = rig_entry(&talk->tcp.rig, ENTRY_REQUEST);
    arena_free(arena);
    arena = arena_new();
    ck_assert(request_unpack((struct str){entry->data, entry->data_size}, arena, &request));
    return http_version_name(request.version);
}

START_TEST(test_agreements)
{
    struct talk talk;
    struct call_request request = talk_request();
    talk_begin(&talk, agreements[_i].yaml);
    talk.endpoint.speech = agreements[_i].speech;
    request.upgrade = agreements[_i].upgrade;
    request.upgrade_to = STR("websocket");
    talk_call(&talk, &request);
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    ck_str_is(buf_str(&talk.told.body), "hello");
    if (agreements[_i].version)
        ck_assert_str_eq(version_seen(&talk), agreements[_i].version);
    ck_assert(!talk.told.end.reused);
    request.method = STR("POST");
    request.has_body = false;
    talk_call(&talk, &request);
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    ck_str_is(buf_str(&talk.told.body), "posted");
    ck_assert(talk.told.end.reused);
    ck_assert_uint_eq(rig_count(&talk.tcp.rig, ENTRY_DIAL), 1);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_connection_that_stays_idle_ends)
{
    struct talk talk;
    struct call_request request = talk_request();
    talk_begin(&talk, _i ? "{protocol: h2c, " ROUTE "}" : "{protocol: http, " ROUTE "}");
    call_pool_of(&talk.tcp.rig.server)->idle_ns = 50 * CLOCK_MS;
    talk_call(&talk, &request);
    ck_assert(talk.told.finished);
    rig_until(&talk.tcp.rig, talk.tcp.rig.server.streams == 0);
    ck_assert(!(rig_entry(&talk.tcp.rig, ENTRY_DIAL_END)->flags & ENTRY_CLOSED_BY_SERVER));
    talk_end(&talk);
}
END_TEST

START_TEST(test_calls_at_once_agree_together)
{
    struct talk talk;
    struct told told[6];
    struct call_request request = talk_request();
    talk_begin(&talk, _i ? "{protocol: h2, tls: {alpn: [h2, http/1.1]}, " ROUTE "}"
                         : "{protocol: https, " ROUTE "}");
    talk.endpoint.speech = ENDPOINT_EITHER;
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        told_init(&told[i]);
        told[i].call = call_new(call_pool_of(&talk.tcp.rig.server), &talk.endpoint, &request,
                                &told_user, &told[i]);
    }
    /* the one whose turn it would be may go away while all wait */
    call_cancel(told[0].call);
    for (size_t i = 1; i < COUNT_OF(told); i++) {
        rig_until(&talk.tcp.rig, told_ended(&told[i]));
        ck_assert_msg(told[i].finished, "%s", told[i].why);
        ck_str_is(buf_str(&told[i].body), "hello");
    }
    /* one connection of HTTP/2, or one of HTTP/1.1 for each */
    ck_assert_uint_eq(rig_count(&talk.tcp.rig, ENTRY_DIAL), _i ? 1 : 5);
    for (size_t i = 0; i < COUNT_OF(told); i++)
        told_clear(&told[i]);
    talk_end(&talk);
}
END_TEST

/** How TLS fails. */
static const struct {
    const char *yaml;
    enum endpoint_speech speech;
    bool own;
    const char *why;
} failures[] = {
    {"{protocol: https, tls: expired, " ROUTE "}", ENDPOINT_HTTP1, true, "(tls-expired)"},
    {"{protocol: https, tls: self-signed, " ROUTE "}", ENDPOINT_HTTP1, false, "(tls-self-signed)"},
    {"{protocol: https, tls: handshake-reset, " ROUTE "}", ENDPOINT_HTTP1, true,
     "(connection-reset)"},
    {"{protocol: https, tls: handshake-close, " ROUTE "}", ENDPOINT_HTTP1, true, "handshake"},
    {"{protocol: https, " ROUTE "}", ENDPOINT_HTTP2, true, "(tls-alpn)"},
};

START_TEST(test_failures)
{
    struct talk talk;
    struct call_request request = talk_request();
    talk_begin(&talk, failures[_i].yaml);
    talk.endpoint.speech = failures[_i].speech;
    talk.endpoint.own = failures[_i].own;
    talk_call(&talk, &request);
    ck_assert(talk.told.failed);
    ck_assert_msg(strstr(talk.told.why, failures[_i].why), "'%s' lacks '%s'", talk.told.why,
                  failures[_i].why);
    ck_assert_int_eq(talk.told.end.failure, CALL_TLS);
    ck_assert_uint_eq(talk.told.end.connected_ns, 0);
    rig_until(&talk.tcp.rig, talk.tcp.rig.server.streams == 0);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_handshake_that_stalls)
{
    struct talk talk;
    struct call_request request = talk_request();
    talk_begin(&talk, "{protocol: https, tls: handshake-stall, " ROUTE "}");
    request.timeout_ns = 400 * CLOCK_MS;
    talk_call(&talk, &request);
    ck_assert_int_eq(talk.told.end.failure, CALL_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(talk.told.why, "did not finish the TLS handshake within 400ms"));
    talk_end(&talk);
}
END_TEST

START_TEST(test_the_run_may_end_within_a_handshake)
{
    struct talk talk;
    struct call_request request = talk_request();
    talk_begin(&talk, "{protocol: https, tls: handshake-stall, " ROUTE "}");
    told_init(&talk.told);
    talk.told.call = call_new(call_pool_of(&talk.tcp.rig.server), &talk.endpoint, &request,
                              &told_user, &talk.told);
    rig_until(&talk.tcp.rig, rig_count(&talk.tcp.rig, ENTRY_DIAL) == 1);
    if (_i)
        call_cancel(talk.told.call);
    talk_end(&talk);
    ck_assert_int_eq(talk.told.failed, !_i);
}
END_TEST

START_TEST(test_an_end_without_close_notify_is_no_end_of_an_answer)
{
    struct talk talk;
    struct call_request request = talk_request();
    talk_begin(&talk,
               _i ? "{protocol: https, tls: no-close-notify, routes: [{match: GET /a, respond: "
                    "{body: hello, headers: {content-length: null, transfer-encoding: "
                    "null}}}]}"
                  : "{protocol: https, routes: [{match: GET /a, respond: {body: hello, "
                    "headers: {content-length: null, transfer-encoding: null}}}]}");
    talk_call(&talk, &request);
    ck_str_is(buf_str(&talk.told.body), "hello");
    ck_assert_int_eq(talk.told.finished, !_i);
    if (_i)
        ck_assert_ptr_nonnull(strstr(talk.told.why, "without a close_notify"));
    talk_end(&talk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("call_tls");
    TCase *tcase = tcase_create("call_tls");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_agreements, 0, COUNT_OF(agreements));
    tcase_add_loop_test(tcase, test_a_connection_that_stays_idle_ends, 0, 2);
    tcase_add_loop_test(tcase, test_calls_at_once_agree_together, 0, 2);
    tcase_add_loop_test(tcase, test_failures, 0, COUNT_OF(failures));
    tcase_add_test(tcase, test_a_handshake_that_stalls);
    tcase_add_loop_test(tcase, test_the_run_may_end_within_a_handshake, 0, 2);
    tcase_add_loop_test(tcase, test_an_end_without_close_notify_is_no_end_of_an_answer, 0, 2);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
