/**
 * A call of HTTP/1.1 on a connection of its own.
 */
#ifndef GOTO_CTEST_CALL_H1_RIG_H
#define GOTO_CTEST_CALL_H1_RIG_H

#include "ctest/unit/call_rig.h"

struct talk {
    struct rig rig;
    struct far far;
    struct told told;
    struct heard heard;
    int fd;
};

static inline void talk_begin(struct talk *talk, const struct call_request *request)
{
    memset(talk, 0, sizeof *talk);
    rig_init(&talk->rig);
    far_listen(&talk->far);
    told_call(&talk->told, &talk->rig, &talk->far, request);
    talk->fd = far_accept(&talk->rig, &talk->far);
}

/** The same, and the request has come. */
static inline void talk_get(struct talk *talk)
{
    struct call_request request = call_rig_get();
    talk_begin(talk, &request);
    far_hears(&talk->rig, talk->fd, &talk->heard, "\r\n\r\n");
}

static inline void talk_end(struct talk *talk)
{
    if (talk->fd >= 0)
        close(talk->fd);
    close(talk->far.fd);
    rig_clear(&talk->rig);
    told_clear(&talk->told);
    heard_clear(&talk->heard);
}

static inline void talk_close(struct talk *talk)
{
    close(talk->fd);
    talk->fd = -1;
}

#endif
