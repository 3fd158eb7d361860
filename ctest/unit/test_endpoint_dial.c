/* Endpoints of proxies: where a text leads, and connecting there. */
#include "ctest/unit/rig.h"

#include "base/resolve.h"
#include "server/proxy/endpoint.h"

#include <sys/un.h>

/* Where a text leads. */

static bool program(const struct server *server, struct str name, struct endpoint *endpoint)
{
    (void)server;
    if (!str_is(name, "gw"))
        return false;
    endpoint->name = STR("gw");
    endpoint->host = STR("127.0.0.1");
    endpoint->number = 4711;
    endpoint->speech = ENDPOINT_HTTP2;
    return true;
}

START_TEST(test_a_text_leads_to_an_address)
{
    static const struct {
        const char *text;
        const char *host;
        unsigned number;
        bool tls;
        enum endpoint_speech speech;
        const char *path;
    } rows[] = {
        {"example.org:80", "example.org", 80, false, ENDPOINT_BYTES, NULL},
        {"[::1]:81", "::1", 81, false, ENDPOINT_BYTES, NULL},
        {"127.0.0.1:82/x?y", "127.0.0.1", 82, false, ENDPOINT_BYTES, "/x?y"},
        {"http://a/b", "a", 80, false, ENDPOINT_EITHER, "/b"},
        {"HTTPS://a", "a", 443, true, ENDPOINT_EITHER, NULL},
        {"https://u:p@a:1?q", "a", 1, true, ENDPOINT_EITHER, "?q"},
        {"h2c://a", "a", 80, false, ENDPOINT_HTTP2, NULL},
        {"h2://a", "a", 443, true, ENDPOINT_HTTP2, NULL},
        {"tcp://a:7", "a", 7, false, ENDPOINT_BYTES, NULL},
        {"tls://a:7", "a", 7, true, ENDPOINT_BYTES, NULL},
        {"gw", "127.0.0.1", 4711, false, ENDPOINT_HTTP2, NULL},
        {"gw/x", "127.0.0.1", 4711, false, ENDPOINT_HTTP2, "/x"},
    };
    struct arena *arena = arena_new();
    struct server server = {.program = program};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct endpoint endpoint;
        struct str why;
        const char *text = rows[i].text;
        ck_assert_msg(endpoint_resolve(&server, str_of(text), arena, &endpoint, &why), "%s", text);
        ck_assert_msg(str_is(endpoint.host, rows[i].host), "%s: " STR_FMT, text,
                      STR_ARG(endpoint.host));
        ck_assert_msg(endpoint.number == rows[i].number, "%s: %u", text, endpoint.number);
        ck_assert_msg(endpoint.tls == rows[i].tls && !endpoint.own, "%s", text);
        ck_assert_msg(endpoint.speech == rows[i].speech, "%s: %d", text, (int)endpoint.speech);
        ck_assert_msg(rows[i].path ? str_is(endpoint.path, rows[i].path) : !endpoint.path.data,
                      "%s: " STR_FMT, text, STR_ARG(endpoint.path));
    }
    arena_free(arena);
}
END_TEST

START_TEST(test_a_text_that_leads_nowhere_says_so)
{
    static const char *const rows[] = {"",         "nobody",  "example.org",   "ftp://a:1",
                                       "http://",  "tcp://a", "http://a:1x/",  "a:0",
                                       "a:999999", "[::1",    "http://[::1]2", "://"};
    struct arena *arena = arena_new();
    struct server server = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct endpoint endpoint;
        struct str why = {0};
        ck_assert_msg(!endpoint_resolve(&server, str_of(rows[i]), arena, &endpoint, &why), "%s",
                      rows[i]);
        ck_assert_msg(str_find(why, str_of(rows[i])) >= 0, STR_FMT, STR_ARG(why));
    }
    arena_free(arena);
}
END_TEST

START_TEST(test_a_port_of_the_run_is_known_by_name_and_by_address)
{
    struct rig rig;
    struct endpoint endpoint;
    struct str why;
    int error = 0;
    rig_init(&rig);
    struct arena *arena = arena_new();
    struct port *port = port_new(&rig.server, STR("db"), STR("0.0.0.0"), 0, &error);
    ck_assert_ptr_nonnull(port);
    ck_assert(endpoint_resolve(&rig.server, STR("db"), arena, &endpoint, &why));
    ck_assert(endpoint.own && str_is(endpoint.name, "db") && str_is(endpoint.host, "127.0.0.1"));
    ck_assert_uint_eq(endpoint.number, port->number);
    struct str text = arena_printf(arena, "localhost:%u", port->number);
    ck_assert(endpoint_resolve(&rig.server, text, arena, &endpoint, &why));
    ck_assert(endpoint.own && str_is(endpoint.name, "db") && str_is(endpoint.host, "localhost"));
    text = arena_printf(arena, "10.0.0.1:%u", port->number);
    ck_assert(endpoint_resolve(&rig.server, text, arena, &endpoint, &why));
    ck_assert(!endpoint.own && !endpoint.name.data);
    arena_free(arena);
    rig_clear(&rig);
}
END_TEST

/* Connecting. */

struct reached {
    struct stream *stream;
    bool gone;
    bool failed;
    int error;
    char why[256];
};

static void *reached_start(struct stream *stream)
{
    struct reached *reached = stream->owner;
    reached->stream = stream;
    return reached;
}

static size_t reached_bytes(struct stream *stream, struct str bytes)
{
    (void)stream;
    return bytes.size;
}

static void reached_nothing(struct stream *stream)
{
    (void)stream;
}

static void reached_ended(struct stream *stream, bool reset)
{
    if (!reset)
        stream_close(stream, CLOSE_FIN);
}

static bool reached_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static void reached_gone(struct stream *stream)
{
    ((struct reached *)stream->owner)->gone = true;
}

static const struct protocol reached_protocol = {
    .name = "reached",
    .start = reached_start,
    .bytes = reached_bytes,
    .writable = reached_nothing,
    .ended = reached_ended,
    .closing = reached_nothing,
    .drain = reached_nothing,
    .is_idle = reached_is_idle,
    .gone = reached_gone,
};

static void reached_failed(void *context, int error, struct str why)
{
    struct reached *reached = context;
    reached->failed = true;
    reached->error = error;
    snprintf(reached->why, sizeof reached->why, STR_FMT, STR_ARG(why));
}

static const struct endpoint_dial_user reached_user = {&reached_protocol, reached_failed};

static struct endpoint_dial *reach(struct rig *rig, struct reached *reached, const char *text)
{
    struct endpoint endpoint;
    struct str why;
    struct arena *arena = arena_new();
    ck_assert(endpoint_resolve(&rig->server, str_of(text), arena, &endpoint, &why));
    struct endpoint_dial *dial = endpoint_dial_new(&rig->server, &endpoint, &reached_user, reached,
                                                   journal_intern(rig->journal, STR("edge")), 7, 1);
    ck_assert(!reached->stream && !reached->failed);
    arena_free(arena);
    return dial;
}

static int listener(uint16_t *number)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *number = ntohs(address.sin_port);
    return fd;
}

START_TEST(test_a_connection_is_journalled_from_its_begin_to_its_end)
{
    struct rig rig;
    struct reached reached = {0};
    uint16_t number;
    char text[64];
    char address[64];
    rig_init(&rig);
    int listening = listener(&number);
    /* nobody listens at ::1, which is tried first */
    snprintf(text, sizeof text, "localhost:%u", number);
    snprintf(address, sizeof address, "127.0.0.1:%u", number);
    reach(&rig, &reached, text);
    rig_until(&rig, reached.stream);
    const struct entry *entry = rig_entry(&rig, ENTRY_DIAL);
    ck_str_is(journal_name(rig.journal, entry->subject), "edge");
    ck_str_is(journal_name(rig.journal, entry->route), text);
    ck_str_is(((struct str){entry->data, entry->data_size}), address);
    ck_assert_uint_eq(entry->connection, 7);
    int fd = accept(listening, NULL, NULL);
    say(fd, "abc");
    close(fd);
    rig_until(&rig, reached.gone);
    ck_assert(rig_entry(&rig, ENTRY_DIAL)->flags & ENTRY_CLOSED_BY_SERVER);
    entry = rig_entry(&rig, ENTRY_DIAL_END);
    ck_assert_uint_eq(entry->flags, ENTRY_CLOSED_BY_SERVER);
    ck_assert_uint_eq(entry->extra, 3);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_CONNECTION_END), 0);
    close(listening);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_a_refused_one_says_who_refused)
{
    struct rig rig;
    struct reached reached = {0};
    uint16_t number;
    char text[64];
    char why[128];
    rig_init(&rig);
    close(listener(&number));
    snprintf(text, sizeof text, "127.0.0.1:%u", number);
    snprintf(why, sizeof why, "127.0.0.1:%u refused the connection", number);
    reach(&rig, &reached, text);
    rig_until(&rig, reached.failed);
    ck_assert_int_eq(reached.error, ECONNREFUSED);
    ck_assert_str_eq(reached.why, why);
    const struct entry *entry = rig_entry(&rig, ENTRY_DIAL_FAILED);
    ck_assert_uint_eq(entry->status, ECONNREFUSED);
    ck_str_is(((struct str){entry->data, entry->data_size}), why);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_DIAL), 0);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_a_name_that_is_none_fails)
{
    struct rig rig;
    struct reached reached = {0};
    rig_init(&rig);
    reach(&rig, &reached, "no-such-name.invalid:80");
    rig_until(&rig, reached.failed);
    ck_assert_int_eq(reached.error, 0);
    ck_assert_ptr_nonnull(strstr(reached.why, "no-such-name.invalid"));
    rig_clear(&rig);
}
END_TEST

START_TEST(test_what_is_given_up_is_silent)
{
    struct rig rig;
    struct reached reached = {0};
    uint16_t number;
    char text[64];
    rig_init(&rig);
    int listening = listener(&number);
    snprintf(text, sizeof text, "127.0.0.1:%u", number);
    /* at once, while the name is looked up, and while it connects */
    endpoint_dial_cancel(reach(&rig, &reached, text));
    endpoint_dial_cancel(reach(&rig, &reached, "no-such-name.invalid:80"));
    /* the queue is full: this one gets no answer to its SYN */
    ck_assert_int_eq(listen(listening, 0), 0);
    int waiting = rig_dial(number);
    struct endpoint_dial *dial = reach(&rig, &reached, text);
    rig_until(&rig, rig.server.streams == 1);
    endpoint_dial_cancel(dial);
    endpoint_dial_cancel(NULL);
    rig_until(&rig, rig.server.streams == 0);
    ck_assert(!reached.stream && !reached.failed);
    ck_assert_uint_eq(journal_last(rig.journal), 0);
    close(waiting);
    close(listening);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_a_unix_socket_is_an_endpoint)
{
    struct rig rig;
    struct reached reached = {0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/goto-run-endpoint.XXXXXX";
    char text[160];
    rig_init(&rig);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    snprintf(text, sizeof text, "unix:%s", address.sun_path);
    reach(&rig, &reached, text);
    rig_until(&rig, reached.stream);
    const struct entry *entry = rig_entry(&rig, ENTRY_DIAL);
    ck_str_is(((struct str){entry->data, entry->data_size}), text);
    close(fd);
    unlink(address.sun_path);
    rmdir(folder);
    rig_clear(&rig);
}
END_TEST

UNIT_MAIN("endpoint-dial", test_a_text_leads_to_an_address, test_a_text_that_leads_nowhere_says_so,
          test_a_port_of_the_run_is_known_by_name_and_by_address,
          test_a_connection_is_journalled_from_its_begin_to_its_end,
          test_a_refused_one_says_who_refused, test_a_name_that_is_none_fails,
          test_what_is_given_up_is_silent, test_a_unix_socket_is_an_endpoint)
