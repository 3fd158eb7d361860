#include "runner/client/grpc_session.h"

#include "base/memory.h"
#include "server/tls/client.h"

/** Connections that a client keeps; the oldest is closed for another one. */
enum { MOST_KEPT = 8 };

struct kept {
    struct kept *next;
    char *key; /**< session, far side and TLS */
    struct grpc_connection *connection;
};

struct grpc_sessions {
    struct kept *first;
};

static void kept_free(struct kept *kept)
{
    grpc_connection_close(kept->connection);
    memory_free(kept->key);
    memory_free(kept);
}

static void sessions_remove(struct grpc_sessions *sessions, struct kept *kept)
{
    struct kept **at = &sessions->first;
    while (*at != kept)
        at = &(*at)->next;
    *at = kept->next;
}

void grpc_sessions_free(struct grpc_sessions *sessions)
{
    struct kept *kept;
    while (sessions && (kept = sessions->first)) {
        sessions->first = kept->next;
        kept_free(kept);
    }
    memory_free(sessions);
}

static bool is_usable(struct grpc_connection *connection)
{
    grpc_connection_refresh(connection);
    const struct h2_client *client = grpc_connection_client(connection);
    return client && h2_client_is_usable(client);
}

static struct str session_key(struct attempt *attempt, const struct grpc_connection_plan *plan)
{
    const struct endpoint *endpoint = &plan->endpoint;
    struct arena *arena = attempt->arena;
    const struct tls_client_plan tls = {
        .options = plan->options, .host = endpoint->host, .only_run = endpoint->own};
    return arena_printf(arena, STR_FMT "|" STR_FMT ":%u|" STR_FMT "|%s", STR_ARG(attempt->session),
                        STR_ARG(endpoint->host), endpoint->number, STR_ARG(endpoint->unix_path),
                        plan->tls ? tls_client_key(&tls, arena).data : "");
}

static void sessions_add(struct grpc_sessions *sessions, struct str key,
                         struct grpc_connection *connection)
{
    struct kept *kept = memory_alloc(sizeof *kept);
    struct kept *last = kept;
    size_t count = 1;
    kept->key = memory_copy_string(key.data);
    kept->connection = connection;
    kept->next = sessions->first;
    sessions->first = kept;
    for (; last->next; last = last->next)
        count++;
    if (count > MOST_KEPT) {
        sessions_remove(sessions, last);
        kept_free(last);
    }
}

struct grpc_connection *grpc_session_take(struct attempt *attempt,
                                          const struct grpc_connection_plan *plan,
                                          const struct grpc_connection_user *user, void *context)
{
    if (!attempt->session.data)
        return grpc_connection_new(plan, user, context);
    struct grpc_sessions **sessions = client_grpc_sessions(attempt->client);
    struct str key = session_key(attempt, plan);
    if (!*sessions)
        *sessions = memory_alloc(sizeof **sessions);
    struct kept *kept = (*sessions)->first;
    while (kept && !str_equal(str_of(kept->key), key))
        kept = kept->next;
    if (kept && is_usable(kept->connection)) {
        grpc_connection_hand(kept->connection, user, context);
        return kept->connection;
    }
    if (kept) {
        sessions_remove(*sessions, kept);
        kept_free(kept);
    }
    struct grpc_connection *connection = grpc_connection_new(plan, user, context);
    sessions_add(*sessions, key, connection);
    return connection;
}

void grpc_session_give(struct attempt *attempt, struct grpc_connection *connection, bool keep)
{
    if (!attempt->session.data) {
        grpc_connection_close(connection);
        return;
    }
    struct grpc_sessions *sessions = *client_grpc_sessions(attempt->client);
    struct kept *kept = sessions->first;
    const struct h2_client *client = grpc_connection_client(connection);
    grpc_connection_hand(connection, NULL, NULL);
    if (keep && client && h2_client_is_usable(client))
        return;
    while (kept->connection != connection)
        kept = kept->next;
    sessions_remove(sessions, kept);
    kept_free(kept);
}
