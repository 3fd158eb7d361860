/**
 * A look at a port whether somebody answers there: a connection, or a GET by HTTP/1.1, in clear or
 * over TLS. Nothing waits: whoever looks comes again until it says yes.
 *
 * A certificate is not looked at: that a program is ready says nothing about whom to trust.
 */
#ifndef GOTO_RUNNER_SCENARIO_PROBE_H
#define GOTO_RUNNER_SCENARIO_PROBE_H

#include "base/str.h"

struct probe_target {
    struct str host; /**< an address, or localhost; "any address" is looked at by loopback */
    uint16_t number;
    struct str path; /**< of the GET; data NULL: a connection will do */
    bool tls;
};

struct probe {
    int fd;        /**< -1 = none */
    void *ssl;     /**< its SSL; NULL in clear */
    bool sent;     /**< the request is on its way */
    char text[64]; /**< the beginning of the answer */
    size_t size;
};

void probe_init(struct probe *probe);
/** Looks once; one connection at a time, given up when it fails. Whether a status below 400 came,
 * or the connection stands. */
bool probe_look(struct probe *probe, const struct probe_target *target);
/** Ends a connection under way; it may look again after it. */
void probe_close(struct probe *probe);

#endif
