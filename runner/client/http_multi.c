#include "runner/client/http_multi.h"

#include "base/memory.h"
#include "runner/client/http_wire.h"

#include <sys/socket.h>
#include <unistd.h>

/** A socket that libcurl has open. */
struct link {
    int fd;
    bool present;    /**< opened for the present request */
    bool used;       /**< it carried a request */
    uint64_t before; /**< bytes received before the present request, if it was used by then */
};

struct http_pool {
    struct loop *loop;
    CURLM *multi;
    CURLSH *share; /**< cookies, sessions of TLS; NULL = none are kept */
    struct timer timer;
    CURL *easy; /**< of the request under way, NULL = none */
    const struct http_pool_user *user;
    void *context;
    struct link *links;
    size_t count;
    size_t capacity;
    bool sending;  /**< the present request was given to a connection */
    bool received; /**< a connection that is closed by now had bytes of the answer */
};

/** The watching of one socket; it outlives the pool until libuv has closed it. */
struct http_socket {
    struct watcher watcher;
    struct http_pool *pool;
};

/* What libcurl has to say after it was told something. */

static void pool_collect(struct http_pool *pool, CURLMcode code)
{
    CURLcode result = CURLE_FAILED_INIT;
    bool ended = code != CURLM_OK;
    int left = 0;
    for (CURLMsg *message; !ended && (message = curl_multi_info_read(pool->multi, &left));) {
        ended = message->msg == CURLMSG_DONE && message->easy_handle == pool->easy;
        result = message->data.result;
    }
    if (ended && pool->easy)
        pool->user->finished(pool->context, result);
}

static void pool_act(struct http_pool *pool, curl_socket_t fd, int events)
{
    int running = 0;
    CURLMcode code = curl_multi_socket_action(pool->multi, fd, events, &running);
    pool_collect(pool, code);
}

static void pool_timer(struct timer *timer)
{
    pool_act(CONTAINER_OF(timer, struct http_pool, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct http_pool *pool = context;
    (void)multi;
    if (timeout_ms < 0)
        timer_stop(&pool->timer);
    else
        timer_start(&pool->timer, (int64_t)timeout_ms * 1000000);
    return 0;
}

/* Sockets. */

static void socket_ready(struct watcher *watcher, int events)
{
    struct http_socket *http_socket = CONTAINER_OF(watcher, struct http_socket, watcher);
    int mask = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    pool_act(http_socket->pool, watcher->fd, mask);
}

static void socket_closed(struct watcher *watcher)
{
    memory_free(CONTAINER_OF(watcher, struct http_socket, watcher));
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
    struct http_pool *pool = context;
    struct http_socket *http_socket = assigned;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (http_socket) {
            curl_multi_assign(pool->multi, fd, NULL);
            watcher_close(&http_socket->watcher, socket_closed);
        }
        return 0;
    }
    if (!http_socket) {
        http_socket = memory_alloc(sizeof *http_socket);
        http_socket->pool = pool;
        if (watcher_init(&http_socket->watcher, pool->loop, fd, socket_ready) != 0) {
            memory_free(http_socket);
            return -1;
        }
        curl_multi_assign(pool->multi, fd, http_socket);
    }
    watcher_set(&http_socket->watcher,
                (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0));
    return 0;
}

static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_pool *pool = context;
    (void)purpose;
    if (pool->sending && !pool->user->connecting(pool->context))
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    memory_grow(&pool->links, pool->count, &pool->capacity, sizeof *pool->links);
    pool->links[pool->count++] = (struct link){.fd = fd, .present = true};
    if (pool->sending) {
        pool->sending = false;
        pool->received = false;
        for (size_t i = 0; i + 1 < pool->count; i++)
            pool->links[i].present = false;
    }
    return fd;
}

static bool link_received(const struct link *link)
{
    return http_wire_received(link->fd) > link->before;
}

static int on_close(void *context, curl_socket_t fd)
{
    struct http_pool *pool = context;
    for (size_t i = 0; i < pool->count; i++) {
        if (pool->links[i].fd != fd)
            continue;
        if (pool->sending && link_received(&pool->links[i]))
            pool->received = true;
        pool->links[i] = pool->links[--pool->count];
        break;
    }
    return close(fd);
}

/* The pool. */

struct http_pool *http_pool_new(struct loop *loop, bool cookies)
{
    struct http_pool *pool = memory_alloc(sizeof *pool);
    pool->loop = loop;
    timer_init(&pool->timer, loop, pool_timer);
    pool->multi = curl_multi_init();
    GOTO_ASSERT(pool->multi);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    if (cookies) {
        pool->share = curl_share_init();
        GOTO_ASSERT(pool->share);
        curl_share_setopt(pool->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
        curl_share_setopt(pool->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    }
    return pool;
}

CURLSH *http_pool_share(const struct http_pool *pool)
{
    return pool->share;
}

void http_pool_free(struct http_pool *pool)
{
    if (!pool)
        return;
    GOTO_ASSERT(!pool->easy);
    curl_multi_cleanup(pool->multi);
    timer_stop(&pool->timer);
    if (pool->share)
        curl_share_cleanup(pool->share);
    memory_free(pool->links);
    memory_free(pool);
}

void http_pool_start(struct http_pool *pool, CURL *easy, const struct http_pool_user *user,
                     void *context)
{
    GOTO_ASSERT(!pool->easy);
    pool->easy = easy;
    pool->user = user;
    pool->context = context;
    pool->sending = false;
    pool->received = false;
    for (size_t i = 0; i < pool->count; i++)
        pool->links[i].present = false;
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, pool);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, pool);
    curl_easy_setopt(easy, CURLOPT_SHARE, pool->share);
    if (pool->share)
        curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
    GOTO_ASSERT(curl_multi_add_handle(pool->multi, easy) == CURLM_OK);
}

void http_pool_stop(struct http_pool *pool)
{
    GOTO_ASSERT(pool->easy);
    curl_multi_remove_handle(pool->multi, pool->easy);
    /* curl_easy_reset() would forget the list of cookie files without freeing it */
    if (pool->share)
        curl_easy_setopt(pool->easy, CURLOPT_COOKIEFILE, NULL);
    curl_easy_setopt(pool->easy, CURLOPT_SHARE, NULL);
    pool->easy = NULL;
}

void http_pool_sending(struct http_pool *pool)
{
    pool->sending = true;
    pool->received = false;
    for (size_t i = 0; i < pool->count; i++) {
        struct link *link = &pool->links[i];
        /* what comes before the first request (an eager 408) belongs to its answer */
        if (link->used)
            link->before = http_wire_received(link->fd);
        link->used = true;
    }
}

bool http_pool_is_connected(const struct http_pool *pool)
{
    bool connected = pool->sending;
    for (size_t i = 0; i < pool->count && !connected; i++)
        connected = pool->links[i].present && http_wire_is_connected(pool->links[i].fd);
    return connected;
}

bool http_pool_has_received(const struct http_pool *pool)
{
    bool received = pool->received;
    for (size_t i = 0; i < pool->count && pool->sending && !received; i++)
        received = link_received(&pool->links[i]);
    return received;
}

/**
 * libcurl 7.88 takes a connection of HTTP/2 for a living one when GOAWAY stands before its FIN.
 * With nothing left to be read it sees the FIN alone.
 */
void http_pool_drop_ended(struct http_pool *pool)
{
    char room[4096];
    for (size_t i = 0; i < pool->count; i++)
        while (http_wire_is_ended(pool->links[i].fd) &&
               recv(pool->links[i].fd, room, sizeof room, MSG_DONTWAIT) > 0)
            ;
}

bool http_pool_is_clean(const struct http_pool *pool)
{
    return pool->count == 0;
}
