#include "base/resolve.h"

#include "base/memory.h"
#include "base/str.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { STACK = 256 * 1024 };

/** What the thread and the loop have in common; the last of the two frees it. */
struct question {
    pthread_mutex_t lock;
    char *host;
    uint16_t port;
    int bell; /**< an eventfd: the answer is there */
    bool answered;
    bool abandoned;
    int code; /**< of getaddrinfo() */
    struct addresses addresses;
};

/** The loop's side. */
struct resolution {
    struct watcher watcher;
    struct question *question;
    void (*told)(void *context, const struct addresses *addresses, const char *words);
    void *context;
};

static void addresses_take(struct addresses *addresses, const struct addrinfo *list)
{
    for (; list && addresses->count < MOST_ADDRESSES; list = list->ai_next) {
        if (list->ai_addrlen > sizeof addresses->items[0])
            continue;
        memcpy(&addresses->items[addresses->count], list->ai_addr, list->ai_addrlen);
        addresses->sizes[addresses->count++] = list->ai_addrlen;
    }
}

static int ask(const char *host, uint16_t port, int flags, struct addresses *addresses)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    struct addrinfo *list = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int code = getaddrinfo(host, service, &hints, &list);
    if (code == 0) {
        addresses_take(addresses, list);
        freeaddrinfo(list);
    }
    return code;
}

bool resolve_known(const char *host, uint16_t port, struct addresses *addresses)
{
    struct str name = str_of(host);
    addresses->count = 0;
    if (str_equal_nocase(name, STR("localhost")) ||
        (name.size > 10 && str_equal_nocase(str_from(name, name.size - 10), STR(".localhost")))) {
        bool six = ask("::1", port, AI_NUMERICHOST | AI_NUMERICSERV, addresses) == 0;
        return (ask("127.0.0.1", port, AI_NUMERICHOST | AI_NUMERICSERV, addresses) == 0) || six;
    }
    return ask(host, port, AI_NUMERICHOST | AI_NUMERICSERV, addresses) == 0;
}

static void question_free(struct question *question)
{
    close(question->bell);
    pthread_mutex_destroy(&question->lock);
    memory_free(question->host);
    memory_free(question);
}

static void *question_ask(void *context)
{
    struct question *question = context;
    struct addresses addresses = {.count = 0};
    uint64_t one = 1;
    int code = ask(question->host, question->port, AI_NUMERICSERV, &addresses);
    pthread_mutex_lock(&question->lock);
    bool abandoned = question->abandoned;
    question->code = code;
    question->addresses = addresses;
    question->answered = true;
    if (!abandoned)
        GOTO_ASSERT(write(question->bell, &one, sizeof one) == sizeof one);
    pthread_mutex_unlock(&question->lock);
    if (abandoned)
        question_free(question);
    return NULL;
}

static void resolution_closed(struct watcher *watcher)
{
    memory_free(CONTAINER_OF(watcher, struct resolution, watcher));
}

static void resolution_ready(struct watcher *watcher, int events)
{
    struct resolution *resolution = CONTAINER_OF(watcher, struct resolution, watcher);
    struct question *question = resolution->question;
    (void)events;
    /* the thread may be just about to let go of the lock */
    pthread_mutex_lock(&question->lock);
    GOTO_ASSERT(question->answered);
    pthread_mutex_unlock(&question->lock);
    struct addresses addresses = question->addresses;
    int code = question->code;
    watcher_close(&resolution->watcher, resolution_closed);
    question_free(question);
    resolution->told(resolution->context, &addresses, code ? gai_strerror(code) : "no address");
}

/** Starts the thread, which nobody joins. Returns an errno. */
static int question_start(struct question *question)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    int error = pthread_create(&thread, &attributes, question_ask, question);
    pthread_attr_destroy(&attributes);
    return error;
}

struct resolution *resolve_start(struct loop *loop, const char *host, uint16_t port,
                                 void (*told)(void *context, const struct addresses *addresses,
                                              const char *words),
                                 void *context, int *error)
{
    struct question *question = memory_alloc(sizeof *question);
    struct resolution *resolution = memory_alloc(sizeof *resolution);
    pthread_mutex_init(&question->lock, NULL);
    question->host = memory_copy_string(host);
    question->port = port;
    question->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    resolution->question = question;
    resolution->told = told;
    resolution->context = context;
    *error = question->bell < 0 ? errno : 0;
    if (!*error)
        *error = -watcher_init(&resolution->watcher, loop, question->bell, resolution_ready);
    if (*error) {
        question_free(question);
        memory_free(resolution);
        return NULL;
    }
    *error = question_start(question);
    if (*error) {
        watcher_close(&resolution->watcher, resolution_closed);
        question_free(question);
        return NULL;
    }
    watcher_set(&resolution->watcher, UV_READABLE);
    return resolution;
}

void resolve_cancel(struct resolution *resolution)
{
    struct question *question = resolution->question;
    pthread_mutex_lock(&question->lock);
    bool answered = question->answered;
    question->abandoned = true;
    pthread_mutex_unlock(&question->lock);
    watcher_close(&resolution->watcher, resolution_closed);
    if (answered)
        question_free(question);
}
