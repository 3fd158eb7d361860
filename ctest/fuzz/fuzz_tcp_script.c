/* Scripts: whatever is written and whatever a peer sends, in pieces, a script ends or waits, and
 * nothing is left. What `bytes` and `until` consume does not depend on how the bytes arrive. */
#include "base/clock.h"
#include "schema/tree.h"
#include "server/http/upstream.h"
#include "server/port/port.h"
#include "server/tcp/script_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUT = 32 * 1024, MOST_OUTPUT = 1 << 20, MOST_TURNS = 2000 };

/** What a run came to. */
struct outcome {
    size_t size; /**< of what the script sent */
    uint32_t sum;
    bool missed;
    bool quiet; /**< it came to rest: it waits, or it is over */
};

static struct loop *loop;
static struct journal *journal;
static struct server server;
static struct port *port;

static void world_open(void)
{
    int error;
    loop = loop_new();
    GOTO_ASSERT(loop);
    journal = journal_new(4096, 1 << 20);
    server_init(&server, loop, journal, 1);
    port = port_new(&server, STR("api"), STR("127.0.0.1"), 0, &error);
    GOTO_ASSERT(port);
}

/** Reads what the script sent. Whether anything came; false also once it sent too much. */
static bool hear(int fd, struct outcome *outcome)
{
    char piece[65536];
    bool any = false;
    ssize_t got;
    while (outcome->size < MOST_OUTPUT && (got = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0) {
        outcome->size += (size_t)got;
        for (ssize_t i = 0; i < got; i++)
            outcome->sum = outcome->sum * 31 + (uint8_t)piece[i];
        any = true;
    }
    return any;
}

static void turn(int fd, struct outcome *outcome)
{
    loop_turn(loop);
    hear(fd, outcome);
}

static void miss_found(void *context, const struct tcp_miss *miss)
{
    struct outcome *outcome = context;
    GOTO_ASSERT(miss->count && miss->actual.size && miss->place.line);
    outcome->missed = true;
}

/** Says the bytes in pieces of a size, ends, and lets the script come to rest. */
static struct outcome run(struct upstream *upstream, struct str bytes, size_t piece)
{
    struct outcome outcome = {0};
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    int fds[2];
    struct arena *arena = arena_new();
    GOTO_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    (void)upstream;
    (void)stream_new(port, fds[0], &address);
    int turns = 0;
    while (bytes.size && turns++ < MOST_TURNS) {
        ssize_t sent = send(fds[1], bytes.data, bytes.size < piece ? bytes.size : piece,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            break;
        bytes = str_from(bytes, sent > 0 ? (size_t)sent : 0);
        turn(fds[1], &outcome);
    }
    shutdown(fds[1], SHUT_WR);
    for (int still = 0; still < 3 && turns < MOST_TURNS; turns++) {
        size_t before = outcome.size;
        turn(fds[1], &outcome);
        still = outcome.size == before ? still + 1 : 0;
        outcome.quiet = still == 3;
    }
    tcp_misses(port, arena, miss_found, &outcome);
    port_disconnect(port, WHICH_ALL, CLOSE_KILL);
    close(fds[1]);
    while (server.streams)
        loop_turn(loop);
    arena_free(arena);
    return outcome;
}

/** Whether what it does depends on nothing but the bytes that come. */
static bool is_exact(const struct list *items)
{
    const struct script_item *item = items->items;
    bool exact = true;
    for (size_t i = 0; i < items->count && exact; i++) {
        enum script_kind kind = script_item_kind(&item[i]);
        const struct script_receive *receive = item[i].chosen.value;
        const struct script_repeat *repeat = item[i].chosen.value;
        if (kind == ITEM_RECEIVE)
            exact = !receive->predicate;
        else if (kind == ITEM_REPEAT)
            exact = repeat->times && repeat->times < 100 && is_exact(&repeat->items);
        else
            exact = kind != ITEM_SLEEP && kind != ITEM_RESET;
    }
    return exact;
}

static void play(const struct tcp_script *script, struct str bytes)
{
    const struct upstream_config config = {
        .protocol = PROTOCOL_TCP,
        .host = STR("127.0.0.1"),
        .work = {.kind = TCP_SCRIPT, .script = script},
    };
    struct outcome outcomes[2];
    size_t pieces[] = {MOST_INPUT, bytes.size ? 1 + (uint8_t)bytes.data[0] % 7 : 1};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct upstream *upstream = upstream_new(port, &config);
        outcomes[i] = run(upstream, bytes, pieces[i]);
        upstream_free(upstream);
    }
    bool both = outcomes[0].quiet && outcomes[1].quiet && outcomes[0].size < MOST_OUTPUT;
    if (both && is_exact(&script->items))
        GOTO_ASSERT(outcomes[0].size == outcomes[1].size && outcomes[0].sum == outcomes[1].sum &&
                    outcomes[0].missed == outcomes[1].missed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct diagnostics diagnostics;
    struct documents documents;
    struct tcp_script script = {0};
    struct str text = {(const char *)data, size < MOST_INPUT ? size : MOST_INPUT};
    ptrdiff_t end = str_find_byte(text, '\0');
    struct str bytes = end < 0 ? STR("") : str_from(text, (size_t)end + 1);
    struct source source = {STR("/nowhere/fuzz"), end < 0 ? text : str_slice(text, 0, (size_t)end)};
    if (!loop)
        world_open();
    diagnostics_init(&diagnostics);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics};
    if (tree_read_yaml(arena, &source, &documents, &diagnostics) == 0 && documents.count &&
        reader_read(&reader, &script_type, documents.items[0], &script) == READ_OK)
        play(&script, bytes);
    diagnostics_clear(&diagnostics);
    arena_free(arena);
    return 0;
}
