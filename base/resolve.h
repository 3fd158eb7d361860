/**
 * Names into addresses: at once where nobody has to be asked, else on a thread of its own, since
 * getaddrinfo() may take seconds and cannot be ended.
 */
#ifndef GOTO_BASE_RESOLVE_H
#define GOTO_BASE_RESOLVE_H

#include "base/loop.h"

#include <sys/socket.h>

enum { MOST_ADDRESSES = 16 };

/** What a name stands for, in the order to try them. */
struct addresses {
    struct sockaddr_storage items[MOST_ADDRESSES];
    socklen_t sizes[MOST_ADDRESSES];
    size_t count;
};

/** A name on its way; see resolve_start(). */
struct resolution;

/** Addresses of a numeric host or of localhost; false for a name that has to be asked for. */
GOTO_MUST_USE bool resolve_known(const char *host, uint16_t port, struct addresses *addresses);
/**
 * Asks for a name. `told` comes later with the addresses, or with none and getaddrinfo()'s words;
 * the resolution is freed by then. NULL and *error when there is no thread to be had.
 */
struct resolution *resolve_start(struct loop *loop, const char *host, uint16_t port,
                                 void (*told)(void *context, const struct addresses *addresses,
                                              const char *words),
                                 void *context, int *error);
/** Nobody waits any more; nothing is told after. */
void resolve_cancel(struct resolution *resolution);

#endif
