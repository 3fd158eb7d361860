/* Calls over HTTP/1.1: kept connections, back-pressure, calls that are given up, tunnels. */
#include "ctest/unit/call_h1_rig.h"

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
    Suite *suite = suite_create("call_h1_kept");
    TCase *tcase = tcase_create("call_h1_kept");
    tcase_set_timeout(tcase, 60);
    const TTest *const tests[] = {
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
