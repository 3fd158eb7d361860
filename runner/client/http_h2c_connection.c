#include "base/memory.h"
#include "runner/client/http_h2c_private.h"

/** Connections that a session keeps: one for each place it went to, the latest ones. */
enum { MOST_KEPT = 8 };

static void connection_free(struct h2c_connection *connection)
{
    h2_client_free(connection->client);
    memory_free(connection->key);
    memory_free(connection);
}

static void session_remove(struct http_h2c_session *session, struct h2c_connection *connection)
{
    struct h2c_connection **at = &session->first;
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
}

static struct h2c_connection *session_find(struct http_h2c_session *session, struct str key)
{
    struct h2c_connection *connection = session->first;
    while (connection && !str_equal(str_of(connection->key), key))
        connection = connection->next;
    return connection;
}

/** Keeps a new one, and closes the oldest if that is one too many. */
static void session_add(struct http_h2c_session *session, struct h2c_connection *connection)
{
    size_t count = 0;
    connection->next = session->first;
    session->first = connection;
    struct h2c_connection *last = connection;
    for (struct h2c_connection *at = connection; at; at = at->next) {
        last = at;
        count++;
    }
    if (count > MOST_KEPT) {
        session_remove(session, last);
        connection_free(last);
    }
}

/** The kept one, if it still stands and takes requests. */
static struct h2c_connection *session_take(struct http_h2c_session *session, struct str key)
{
    struct h2c_connection *connection = session_find(session, key);
    if (!connection)
        return NULL;
    h2_client_refresh(connection->client);
    if (h2_client_is_connected(connection->client) && h2_client_is_usable(connection->client))
        return connection;
    session_remove(session, connection);
    connection_free(connection);
    return NULL;
}

struct http_h2c_session *h2c_session_new(void)
{
    return memory_alloc(sizeof(struct http_h2c_session));
}

struct h2c_connection *h2c_connection_take(struct http_h2c *h2c, const struct h2_target *target,
                                           const struct h2_client_user *user)
{
    struct attempt *attempt = h2c->try->attempt;
    /* two origins share no connection, also where they are the same address */
    struct str key =
        arena_printf(attempt->arena, STR_FMT ":%u|" STR_FMT ":%u|" STR_FMT "|" STR_FMT,
                     STR_ARG(h2c->hop.host), h2c->hop.port, STR_ARG(target->host), target->port,
                     STR_ARG(target->unix_socket), STR_ARG(target->interface));
    struct h2c_connection *connection = session_take(h2c->session, key);
    if (connection) {
        connection->h2c = h2c;
        return connection;
    }
    connection = memory_alloc(sizeof *connection);
    connection->key = memory_copy_string(key.data);
    connection->h2c = h2c;
    connection->client =
        h2_client_new(attempt->loop, h2_socket_new(attempt->loop, target), user, connection);
    session_add(h2c->session, connection);
    return connection;
}

void h2c_connection_give(struct http_h2c *h2c, bool reuse)
{
    struct h2c_connection *connection = h2c->connection;
    if (!connection)
        return;
    h2c->connection = NULL;
    connection->h2c = NULL;
    if (reuse && h2_client_is_usable(connection->client))
        return;
    session_remove(h2c->session, connection);
    connection_free(connection);
}

void http_h2c_session_free(struct http_h2c_session *session)
{
    struct h2c_connection *connection;
    while (session && (connection = session->first)) {
        GOTO_ASSERT(!connection->h2c);
        session_remove(session, connection);
        connection_free(connection);
    }
    memory_free(session);
}
