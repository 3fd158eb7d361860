/**
 * What the tests of the http verb share: a scenario of our own, a server on raw sockets that runs
 * on a thread and does what no HTTP library would, and a step that is read from YAML and run on the
 * loop.
 */
#ifndef GOTO_CTEST_HTTP_RIG_H
#define GOTO_CTEST_HTTP_RIG_H

#include "unit.h"

#include "base/clock.h"
#include "runner/client/http.h"
#include "runner/client/http_error.h"
#include "runner/client/http_head.h"
#include "runner/client/http_request.h"
#include "runner/scenario/scenario.h"
#include "schema/tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

/* A scenario of our own: all that the verb asks of one. */

static struct http_client *the_client;
static struct http_sessions *the_sessions;
static struct loop *the_loop;

struct http_client *scenario_http_client(struct scenario *scenario)
{
    (void)scenario;
    return the_client;
}

struct http_sessions *client_http_sessions(struct client *client)
{
    (void)client;
    return the_sessions;
}

struct str scenario_endpoint_url(struct scenario *scenario, struct str url, struct arena *arena)
{
    (void)scenario;
    return arena_printf(arena, "http://" STR_FMT, STR_ARG(url));
}

bool scenario_endpoint_port(struct scenario *scenario, struct str url,
                            struct scenario_endpoint *endpoint)
{
    (void)scenario;
    (void)url;
    (void)endpoint;
    return false;
}

void attempt_done(struct attempt *attempt)
{
    attempt->done(attempt);
}

struct journal *scenario_journal(const struct scenario *scenario)
{
    (void)scenario;
    return NULL;
}

struct server *scenario_server(struct scenario *scenario)
{
    (void)scenario;
    return NULL;
}

uint64_t scenario_seed(const struct scenario *scenario)
{
    (void)scenario;
    return 0;
}

struct loop *scenario_loop(const struct scenario *scenario)
{
    (void)scenario;
    return the_loop;
}

struct process *scenario_process(const struct scenario *scenario, struct str name)
{
    (void)scenario;
    (void)name;
    return NULL;
}

bool scenario_client_ended(const struct scenario *scenario, struct str name)
{
    (void)scenario;
    (void)name;
    return false;
}

bool scenario_step_possible(const struct scenario *scenario, struct str name)
{
    (void)scenario;
    (void)name;
    return false;
}

bool scenario_event_possible(const struct scenario *scenario, struct str name)
{
    (void)scenario;
    (void)name;
    return false;
}

bool scenario_traffic_possible(const struct scenario *scenario)
{
    (void)scenario;
    return false;
}

bool scenario_output_possible(const struct scenario *scenario, struct str name)
{
    (void)scenario;
    (void)name;
    return false;
}

/* The server: each connection plays the next script. */

enum ending {
    FIN, /**< shut down, then read until the peer closes */
    RST,
    STALL, /**< say no more until the peer closes */
};

enum { MOST_ANSWERS = 4, MOST_SCRIPTS = 4 };

/** What a connection does: an answer a request, then its end. */
struct script {
    const char *answers[MOST_ANSWERS];
    size_t sizes[MOST_ANSWERS]; /**< 0 = strlen */
    enum ending ending;
    bool deaf; /**< it ends before it reads anything */
};

struct server_rig {
    int fd;
    int port;
    pthread_t thread;
    struct script scripts[MOST_SCRIPTS];
    size_t count;
    struct buf requests; /**< all that came, on all connections */
    unsigned connections;
};

/** Reads one request: its head, and a body by content-length or chunks. False at the end of the
 * stream. */
static inline bool server_read(struct server_rig *server, int fd)
{
    size_t from = server->requests.size;
    for (;;) {
        char byte;
        struct str text = str_from(buf_str(&server->requests), from);
        ptrdiff_t end = str_find(text, STR("\r\n\r\n"));
        if (end >= 0) {
            size_t length = 0;
            struct str head = str_slice(text, 0, (size_t)end);
            ptrdiff_t field = str_find(head, STR("ontent-"));
            while (field >= 0 &&
                   !str_starts(str_from(head, (size_t)field), STR("ontent-Length: ")) &&
                   !str_starts(str_from(head, (size_t)field), STR("ontent-length: "))) {
                ptrdiff_t next = str_find(str_from(head, (size_t)field + 1), STR("ontent-"));
                field = next < 0 ? -1 : field + 1 + next;
            }
            if (field >= 0)
                length = (size_t)strtoul(head.data + field + 15, NULL, 10);
            bool chunked = str_find(head, STR("chunked")) >= 0;
            if (chunked ? str_ends(text, STR("0\r\n\r\n")) : text.size >= (size_t)end + 4 + length)
                return true;
        }
        if (recv(fd, &byte, 1, 0) != 1)
            return false;
        buf_append_byte(&server->requests, byte);
    }
}

static inline void server_end(int fd, enum ending ending)
{
    char room[4096];
    struct linger linger = {1, 0};
    if (ending == RST)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    if (ending == FIN)
        shutdown(fd, SHUT_WR);
    while (ending != RST && recv(fd, room, sizeof room, 0) > 0)
        continue;
    close(fd);
}

static inline void *server_run(void *context)
{
    struct server_rig *server = context;
    for (size_t i = 0; i < server->count; i++) {
        const struct script *script = &server->scripts[i];
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            break;
        server->connections++;
        bool alive = true;
        for (size_t at = 0; alive && at < MOST_ANSWERS && script->answers[at] && !script->deaf;
             at++) {
            alive = server_read(server, fd);
            size_t size = script->sizes[at] ? script->sizes[at] : strlen(script->answers[at]);
            for (size_t sent = 0; alive && sent < size;) {
                ssize_t now = send(fd, script->answers[at] + sent, size - sent, MSG_NOSIGNAL);
                alive = now > 0;
                sent += now > 0 ? (size_t)now : 0;
            }
        }
        server_end(fd, script->ending);
    }
    return NULL;
}

static struct server_rig the_server;

static inline void server_listen(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct server_rig *server = &the_server;
    *server = (struct server_rig){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    buf_init(&server->requests, BUF_OWN);
    ck_assert(bind(server->fd, (struct sockaddr *)&address, sizeof address) == 0);
    ck_assert(getsockname(server->fd, (struct sockaddr *)&address, &size) == 0);
    ck_assert(listen(server->fd, 8) == 0);
    server->port = ntohs(address.sin_port);
}

static inline void server_script(struct script script)
{
    the_server.scripts[the_server.count++] = script;
}

static inline void server_start(void)
{
    ck_assert(pthread_create(&the_server.thread, NULL, server_run, &the_server) == 0);
}

/** Waits until all scripts were played; connections that never came are given up. */
static inline void server_stop(void)
{
    shutdown(the_server.fd, SHUT_RDWR);
    pthread_join(the_server.thread, NULL);
    close(the_server.fd);
}

static inline void server_forget(void)
{
    buf_clear(&the_server.requests);
}

/* A step: read from YAML, run on the loop. */

struct step_rig {
    struct attempt attempt;
    struct diagnostics diagnostics;
    struct arena *arena;
    const struct node *http;
    const struct node *expect;
    struct source source;
    bool done;
    char message[2048]; /**< the first diagnostic, or the first failure in a line */
};

static inline void step_done(struct attempt *attempt)
{
    struct step_rig *step = CONTAINER_OF(attempt, struct step_rig, attempt);
    step->done = true;
    loop_stop(the_loop);
}

static inline void step_note(struct step_rig *step, struct str text)
{
    snprintf(step->message, sizeof step->message, STR_FMT, STR_ARG(text));
}

/** PORT in the text becomes the server's. */
static inline struct str with_port(struct arena *arena, const char *text)
{
    struct str out = STR("");
    for (const char *at; (at = strstr(text, "PORT")); text = at + 4)
        out = arena_printf(arena, STR_FMT "%.*s%d", STR_ARG(out), (int)(at - text), text,
                           the_server.port);
    return arena_printf(arena, STR_FMT "%s", STR_ARG(out), text);
}

/** Reads {http: …, expect: …}; false with a message when it is wrong. */
static inline bool step_read(struct step_rig *step, const char *yaml)
{
    struct documents documents;
    *step = (struct step_rig){.arena = arena_new()};
    diagnostics_init(&step->diagnostics);
    step->source = (struct source){STR("ctest/unit/step.yaml"), with_port(step->arena, yaml)};
    struct reader reader = {.arena = step->arena, .diagnostics = &step->diagnostics};
    bool good = tree_read_yaml(step->arena, &step->source, &documents, &step->diagnostics) == 0;
    if (good) {
        step->http = node_get(documents.items[0], "http");
        step->expect = node_get(documents.items[0], "expect");
        step->attempt.value = arena_alloc(step->arena, http_type.size);
        good = reader_read(&reader, &http_type, step->http, step->attempt.value) == READ_OK;
    }
    if (good && step->expect) {
        step->attempt.expect = arena_alloc(step->arena, http_expect_type.size);
        good =
            reader_read(&reader, &http_expect_type, step->expect, step->attempt.expect) == READ_OK;
    }
    if (!good) {
        const struct diagnostic *first = step->diagnostics.first;
        ck_assert(first);
        snprintf(step->message, sizeof step->message, "%u:%u: " STR_FMT, first->place.line,
                 first->place.column, STR_ARG(first->message));
    }
    return good;
}

static inline void step_free(struct step_rig *step)
{
    diagnostics_clear(&step->diagnostics);
    arena_free(step->arena);
}

static inline void step_start(struct step_rig *step, const char *session)
{
    struct attempt *attempt = &step->attempt;
    attempt->loop = the_loop;
    attempt->arena = step->arena;
    attempt->verb = &http_verb;
    attempt->failures.arena = step->arena;
    attempt->start_ns = clock_now();
    attempt->done = step_done;
    attempt->session = session ? str_of(session) : (struct str){0};
    attempt->verb_place = step->http->place;
    http_verb.start(attempt);
}

static inline void step_finish(struct step_rig *step)
{
    while (!step->done)
        loop_run(the_loop);
    if (step->attempt.failures.count)
        step_note(step, failure_line(&step->attempt.failures.items[0], step->arena));
}

static inline void client_up(void)
{
    the_loop = loop_new();
    ck_assert(the_loop);
    the_client = http_client_new(the_loop);
    the_sessions = http_sessions_new();
}

static inline void client_down(void)
{
    http_sessions_free(the_sessions);
    http_client_free(the_client);
    loop_free(the_loop);
}

/** Runs one step against one script; true if it passed, else step->message tells why not. */
static inline bool play(struct step_rig *step, struct script script, const char *yaml)
{
    client_up();
    server_listen();
    server_script(script);
    server_start();
    ck_assert_msg(step_read(step, yaml), "%s", step->message);
    step_start(step, NULL);
    step_finish(step);
    client_down();
    server_stop();
    return step->attempt.failures.count == 0;
}

#define ck_play(step, script, yaml) ck_assert_msg(play(step, script, yaml), "%s", (step)->message)

static inline void step_end(struct step_rig *step)
{
    step_free(step);
    server_forget();
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
static const struct script ok_script = {.answers = {OK_ANSWER}, .ending = STALL};

static inline struct str requests(void)
{
    return buf_str(&the_server.requests);
}

#define ck_sent(part)                                                                              \
    ck_assert_msg(str_find(requests(), STR(part)) >= 0, "%s is not in: %.*s", part,                \
                  STR_ARG(requests()))
#define ck_not_sent(part)                                                                          \
    ck_assert_msg(str_find(requests(), STR(part)) < 0, "%s is in: %.*s", part, STR_ARG(requests()))

#define HEAD_OF(length) "HTTP/1.1 200 OK\r\ncontent-length: " length "\r\n\r\n"

#endif
