#include "base/memory.h"
#include "runner/client/http_try.h"

#include <string.h>

enum { IDLE_POOLS = 4 };

struct http_client {
    struct loop *loop;
    struct http_pool *pools[IDLE_POOLS];
    size_t pool_count;
};

struct http_client *http_client_new(struct loop *loop)
{
    struct http_client *client = memory_alloc(sizeof *client);
    client->loop = loop;
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    for (size_t i = 0; i < client->pool_count; i++)
        http_pool_free(client->pools[i]);
    memory_free(client);
}

/** libcurl is made ready at the first request; without TLS, which costs most of it. */
static void curl_ready(void)
{
    static bool ready;
    if (!ready)
        GOTO_ASSERT(curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK);
    ready = true;
}

CURL *http_easy_new(void)
{
    curl_ready();
    CURL *easy = curl_easy_init();
    GOTO_ASSERT(easy);
    return easy;
}

struct http_pool *http_client_take_pool(struct http_client *client)
{
    curl_ready();
    if (client->pool_count)
        return client->pools[--client->pool_count];
    return http_pool_new(client->loop, false);
}

void http_client_give_pool(struct http_client *client, struct http_pool *pool)
{
    if (http_pool_is_clean(pool) && client->pool_count < IDLE_POOLS)
        client->pools[client->pool_count++] = pool;
    else
        http_pool_free(pool);
}

struct session {
    struct session *next;
    char *name;
    size_t name_size;
    struct http_pool *pool;
    struct http_h2c_session *h2c;
};

struct http_sessions {
    struct session *first;
};

struct http_sessions *http_sessions_new(void)
{
    return memory_alloc(sizeof(struct http_sessions));
}

void http_sessions_free(struct http_sessions *sessions)
{
    struct session *next;
    for (struct session *session = sessions ? sessions->first : NULL; session; session = next) {
        next = session->next;
        http_h2c_session_free(session->h2c);
        http_pool_free(session->pool);
        memory_free(session->name);
        memory_free(session);
    }
    memory_free(sessions);
}

/** The session of a name, made at its first use. */
static struct session *session_of(struct http_sessions *sessions, struct str name,
                                  struct loop *loop)
{
    struct session *session = sessions->first;
    while (session && !str_equal(name, (struct str){session->name, session->name_size}))
        session = session->next;
    if (session)
        return session;
    curl_ready();
    session = memory_alloc(sizeof *session);
    session->name = memory_alloc(name.size + 1);
    memcpy(session->name, name.data, name.size);
    session->name_size = name.size;
    session->pool = http_pool_new(loop, true);
    session->next = sessions->first;
    sessions->first = session;
    return session;
}

struct http_pool *http_session_pool(struct http_sessions *sessions, struct str name,
                                    struct loop *loop)
{
    return session_of(sessions, name, loop)->pool;
}

struct http_h2c_session **http_session_h2c(struct http_sessions *sessions, struct str name,
                                           struct loop *loop)
{
    return &session_of(sessions, name, loop)->h2c;
}
