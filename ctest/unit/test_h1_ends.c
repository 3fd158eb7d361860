/* The server of HTTP/1: limits in time, ends, and what observers do while a request arrives. */
#include "ctest/unit/h1_rig.h"

/* Limits in time. */

START_TEST(test_ends_an_idle_connection)
{
    struct world w;
    world_init(&w);
    limits.idle_ns = 30 * CLOCK_MS;
    int64_t start = clock_now();
    world_ask_to_end(&w, "");
    ck_assert(w.heard.fin && w.heard.size == 0);
    ck_assert_int_ge(clock_now() - start, 30 * CLOCK_MS);
    world_dial(&w);
    world_ask(&w, GET("/"), "hello");
    start = w.port->newest->active_ns;
    world_ask_to_end(&w, "");
    ck_assert_int_ge(clock_now() - start, 30 * CLOCK_MS);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 0);
    /* one that waits for its answer is not idle */
    world_dial(&w);
    say(w.fd, GET("/wait"));
    rig_until(&w.rig, waiting_count == 1);
    rig_pass(&w.rig, 60 * CLOCK_MS);
    answer_text(waiting[0], 200, "patience");
    rig_until(&w.rig, heard_has(&w.heard, w.fd, "patience"));
    world_clear(&w);
}
END_TEST

START_TEST(test_answers_408)
{
    static const char *const parts[] = {
        "GET / HTTP", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"};
    struct world w;
    world_init(&w);
    limits.read_ns = 30 * CLOCK_MS;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        int64_t start = clock_now();
        ck_refused(&w, parts[i], 408);
        ck_assert_int_ge(clock_now() - start, 30 * CLOCK_MS);
    }
    world_clear(&w);
}
END_TEST

START_TEST(test_bounds_a_life)
{
    struct world w;
    world_init(&w);
    limits.life_ns = 40 * CLOCK_MS;
    world_dial(&w);
    world_ask(&w, GET("/"), "hello");
    say(w.fd, GET("/wait"));
    rig_until(&w.rig, waiting_count == 1);
    rig_pass(&w.rig, 80 * CLOCK_MS);
    answer_text(waiting[0], 200, "the last one");
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_has(w.heard.data, "connection: close\r\n\r\nthe last one");
    world_clear(&w);
}
END_TEST

/* Ends. */

START_TEST(test_a_reset_aborts)
{
    struct world w;
    world_init(&w);
    say(w.fd, GET("/wait") GET("/"));
    rig_until(&w.rig, waiting_count == 1);
    rig_reset(w.fd);
    w.fd = -1;
    rig_until(&w.rig, w.rig.server.streams == 0);
    ck_assert_uint_eq(gone_count, 1);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 1);
    const struct entry *entry = rig_entry(&w.rig, ENTRY_RESPONSE);
    ck_assert_uint_eq(entry->flags, ENTRY_ABORTED);
    ck_assert_uint_eq(entry->status, 0);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_half_close_aborts_and_is_answered)
{
    struct world w;
    world_init(&w);
    say(w.fd, GET("/wait") GET("/"));
    rig_until(&w.rig, waiting_count == 1);
    shutdown(w.fd, SHUT_WR);
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_RESPONSE) == 1);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    ck_assert(waiting[0]->aborted);
    ck_assert_uint_eq(gone_count, 0);
    answer_text(waiting[0], 200, "all the same");
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_has(w.heard.data, "all the same");
    /* also what it sent ahead, which is whole at once */
    ck_has(w.heard.data, "\r\n\r\nhello");
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 2);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, 0);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_CONNECTION_END)->flags, ENTRY_CLOSED_BY_CLIENT);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_fin_behind_many_bytes_aborts)
{
    struct world w;
    static char ahead[130000];
    world_init(&w);
    say(w.fd, GET("/wait"));
    rig_until(&w.rig, waiting_count == 1);
    /* more than is read ahead: the FIN stands behind what nobody reads */
    size_t size = 0;
    while (size + sizeof GET("/") < sizeof ahead) {
        memcpy(ahead + size, GET("/"), sizeof GET("/") - 1);
        size += sizeof GET("/") - 1;
    }
    say_bytes(w.fd, ahead, size);
    shutdown(w.fd, SHUT_WR);
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_RESPONSE) == 1);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    answer_text(waiting[0], 200, "first");
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_assert_uint_eq(count_of(w.heard.data, "\r\n\r\nhello"), size / (sizeof GET("/") - 1));
    ck_assert(w.heard.fin);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_client_that_goes_while_it_is_answered)
{
    for (int reset = 0; reset < 2; reset++) {
        struct world w;
        world_init(&w);
        say(w.fd, GET("/big"));
        rig_until(&w.rig, w.port->oldest && stream_queued(w.port->oldest) > STREAM_HIGH_MARK);
        if (reset)
            rig_reset(w.fd);
        else
            close(w.fd);
        w.fd = -1;
        rig_until(&w.rig, w.rig.server.streams == 0);
        const struct entry *entry = rig_entry(&w.rig, ENTRY_RESPONSE);
        ck_assert_uint_eq(entry->flags, ENTRY_ABORTED);
        ck_assert_uint_eq(entry->status, 200);
        ck_assert_uint_lt(entry->extra, BIG);
        ck_assert_uint_eq(gone_count, 1);
        world_clear(&w);
    }
}
END_TEST

START_TEST(test_sends_large_bodies_under_back_pressure)
{
    struct world w;
    world_init(&w);
    say(w.fd, GET("/big") GET("/"));
    rig_until(&w.rig, w.port->oldest && stream_queued(w.port->oldest) > STREAM_HIGH_MARK);
    ck_assert_uint_lt(stream_queued(w.port->oldest), 2 * STREAM_HIGH_MARK);
    rig_until(&w.rig,
              (heard_more(&w.heard, w.fd),
               w.heard.size > BIG && !strncmp(w.heard.data + w.heard.size - 5, "hello", 5)));
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 2);
    world_clear(&w);
}
END_TEST

START_TEST(test_cuts)
{
    static const char *const paths[] = {GET("/cut-fin"), GET("/cut-rst"), GET("/cut-kill")};
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        world_dial(&w);
        world_ask_to_end(&w, paths[i]);
        ck_has(w.heard.data, "content-length: 100\r\n\r\npart");
        ck_assert(i == 1 ? w.heard.reset : w.heard.fin);
        ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
        ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->extra, 4);
    }
    /* left silent until the client goes */
    world_dial(&w);
    world_ask(&w, GET("/cut-keep"), "part");
    say(w.fd, GET("/"));
    rig_pass(&w.rig, 10 * CLOCK_MS);
    ck_assert(!heard_more(&w.heard, w.fd));
    shutdown(w.fd, SHUT_WR);
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_assert(w.heard.fin);
    ck_has_not(w.heard.data, "hello");
    world_clear(&w);
}
END_TEST

START_TEST(test_closing_the_port_cuts_what_is_under_way)
{
    static const enum close_how hows[] = {CLOSE_FIN, CLOSE_RST, CLOSE_KILL};
    for (size_t i = 0; i < COUNT_OF(hows); i++) {
        struct world w;
        world_init(&w);
        say(w.fd, GET("/wait"));
        rig_until(&w.rig, waiting_count == 1);
        port_close(w.port, hows[i], 0);
        ck_assert_uint_eq(gone_count, 1);
        ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
        rig_until(&w.rig, heard_more(&w.heard, w.fd));
        ck_assert(hows[i] == CLOSE_RST ? w.heard.reset : w.heard.fin);
        ck_assert_uint_eq(w.heard.size, 0);
        world_clear(&w);
    }
}
END_TEST

START_TEST(test_drain_finishes_what_is_under_way)
{
    struct world w;
    struct heard heard = {0};
    world_init(&w);
    int idle = rig_dial(w.port->number);
    int late = rig_dial(w.port->number);
    say(w.fd, GET("/wait") GET("/"));
    rig_until(&w.rig, waiting_count == 1);
    /* the kernel holds it already */
    say(late, GET("/text"));
    port_close(w.port, CLOSE_DRAIN, INT64_C(10) * CLOCK_SECOND);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 2);
    rig_until(&w.rig, heard_more(&heard, idle));
    ck_assert(heard.fin && heard.size == 0);
    heard = (struct heard){0};
    rig_until(&w.rig, heard_more(&heard, late));
    ck_assert(heard.fin);
    ck_has(heard.data, "\r\n\r\ntext");
    heard_clear(&heard);
    ck_assert(!heard_more(&w.heard, w.fd));
    answer_text(waiting[0], 200, "finished");
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_has(w.heard.data, "connection: close\r\n\r\nfinished");
    ck_has_not(w.heard.data, "hello");
    world_clear(&w);
    close(idle);
    close(late);
}
END_TEST

/* What observers of the journal do while a request arrives. */

static struct hold *holds[2];
static struct world *observed_world;
static enum close_how observed_how;

static void hold_it(void *context, const struct entry *entry, uint64_t number)
{
    (void)entry;
    (void)number;
    holds[0] = server_hold(context);
    holds[1] = server_hold(context);
}

static void hold_and_release(void *context, const struct entry *entry, uint64_t number)
{
    (void)entry;
    (void)number;
    hold_release(server_hold(context));
}

static void close_it(void *context, const struct entry *entry, uint64_t number)
{
    (void)entry;
    (void)number;
    (void)context;
    port_close(observed_world->port, observed_how, CLOCK_SECOND);
}

START_TEST(test_holds_a_request)
{
    struct world w;
    world_init(&w);
    ck_assert_ptr_null(server_hold(&w.rig.server));
    hold_release(NULL);
    journal_observe(w.rig.journal, JOURNAL_KIND(ENTRY_REQUEST), hold_it, &w.rig.server);
    say(w.fd, GET("/"));
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_REQUEST) == 1);
    rig_pass(&w.rig, 5 * CLOCK_MS);
    ck_assert_ptr_eq(holds[0], holds[1]);
    ck_assert_ptr_null(server_hold(&w.rig.server));
    hold_release(holds[0]);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 0);
    hold_release(holds[1]);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 1);
    rig_until(&w.rig, heard_has(&w.heard, w.fd, "hello"));
    /* the request dies first */
    say(w.fd, GET("/"));
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_REQUEST) == 2);
    rig_reset(w.fd);
    w.fd = -1;
    rig_until(&w.rig, w.rig.server.streams == 0);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    hold_release(holds[0]);
    hold_release(holds[1]);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_hold_may_outlive_the_server)
{
    struct world w;
    world_init(&w);
    journal_observe(w.rig.journal, JOURNAL_KIND(ENTRY_REQUEST), hold_it, &w.rig.server);
    say(w.fd, GET("/"));
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_REQUEST) == 1);
    world_clear(&w);
    hold_release(holds[0]);
    hold_release(holds[1]);
}
END_TEST

START_TEST(test_a_hold_may_be_released_at_once)
{
    struct world w;
    world_init(&w);
    journal_observe(w.rig.journal, JOURNAL_KIND(ENTRY_REQUEST), hold_and_release, &w.rig.server);
    world_ask(&w, GET("/"), "hello");
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 1);
    world_clear(&w);
}
END_TEST

START_TEST(test_an_observer_may_close_under_a_request)
{
    static const enum close_how hows[] = {CLOSE_FIN, CLOSE_RST, CLOSE_KILL, CLOSE_DRAIN};
    static const enum entry_kind kinds[] = {ENTRY_REQUEST, ENTRY_RESPONSE, ENTRY_CONNECTION};
    static const char *const paths[] = {GET("/") GET("/"), GET("/chunks"), GET("/big"),
                                        GET("/wait"), "bad\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(hows) * COUNT_OF(kinds) * COUNT_OF(paths); i++) {
        struct world w;
        world_init(&w);
        observed_world = &w;
        observed_how = hows[i % COUNT_OF(hows)];
        enum entry_kind kind = kinds[i / COUNT_OF(hows) % COUNT_OF(kinds)];
        const char *text = paths[i / COUNT_OF(hows) / COUNT_OF(kinds)];
        journal_observe(w.rig.journal, JOURNAL_KIND(kind) | JOURNAL_KIND(ENTRY_REFUSED), close_it,
                        NULL);
        say(w.fd, text);
        rig_until(&w.rig, rig_count(&w.rig, ENTRY_CONNECTION));
        rig_pass(&w.rig, 3 * CLOCK_MS);
        heard_more(&w.heard, w.fd);
        world_clear(&w);
        ck_assert_uint_eq(gone_count, strstr(text, "/wait") && waiting_count ? 1 : gone_count);
    }
}
END_TEST

START_TEST(test_tears_down_in_the_middle_of_anything)
{
    static const char *const texts[] = {
        "",
        "GET",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc",
        GET("/wait") "GET",
        GET("/big"),
        GET("/cut-keep"),
        GET("/chunks") GET("/wait") GET("/"),
        "bad\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct world w;
        world_init(&w);
        say(w.fd, texts[i]);
        rig_until(&w.rig, w.port->newest && w.port->newest->received == strlen(texts[i]));
        world_clear(&w);
    }
}
END_TEST

START_TEST(test_reads_the_rest_of_requests)
{
    struct world w;
    world_init(&w);
    say(w.fd, GET("/") GET("/"));
    while (server_read_rest(&w.rig.server))
        ;
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_CONNECTION), 1);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 2);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 2);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_delayed_answer_leaves_in_one_packet)
{
    struct world w;
    world_init(&w);
    say(w.fd, GET("/wait"));
    rig_until(&w.rig, waiting_count == 1);
    answer_text(waiting[0], 200, "together");
    /* head and body were one send: both are here without another turn of the loop */
    ck_assert(heard_has(&w.heard, w.fd, "together"));
    /* a head alone leaves by itself in the same turn */
    say(w.fd, GET("/wait"));
    rig_until(&w.rig, waiting_count == 2);
    struct response_head head = {.status = 202, .content_length = 1};
    exchange_head(waiting[1], &head);
    rig_until(&w.rig, heard_has(&w.heard, w.fd, "HTTP/1.1 202 Accepted"));
    world_clear(&w);
}
END_TEST

START_TEST(test_an_idle_connection_is_small)
{
    struct world w;
    world_init(&w);
    world_ask(&w, GET("/"), "hello");
    ck_assert_ptr_null(w.port->oldest->input);
    ck_assert_ptr_null(w.port->oldest->queue);
    ck_assert_ptr_null(w.port->oldest->end);
    /* what the allocator takes for it: 416 bytes with its own */
    ck_assert_uint_le(sizeof(struct stream), 408);
    world_clear(&w);
}
END_TEST

UNIT_MAIN("h1_ends", test_ends_an_idle_connection, test_answers_408, test_bounds_a_life,
          test_a_reset_aborts, test_a_half_close_aborts_and_is_answered,
          test_a_fin_behind_many_bytes_aborts, test_a_client_that_goes_while_it_is_answered,
          test_sends_large_bodies_under_back_pressure, test_cuts,
          test_closing_the_port_cuts_what_is_under_way, test_drain_finishes_what_is_under_way,
          test_holds_a_request, test_a_hold_may_outlive_the_server,
          test_a_hold_may_be_released_at_once, test_an_observer_may_close_under_a_request,
          test_tears_down_in_the_middle_of_anything, test_reads_the_rest_of_requests,
          test_a_delayed_answer_leaves_in_one_packet, test_an_idle_connection_is_small)
