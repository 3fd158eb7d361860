/* Frames that are sent again and again: floods, a bounded number of frames each. */
#include "base/memory.h"
#include "server/http/h2_private.h"
#include "server/port/port.h"

#include <string.h>

/** One that is under way. */
struct h2_flooding {
    struct h2_flooding *next;
    struct h2 *h2;
    const void *owner;
    struct buf first; /**< bytes before all frames; empty once they are sent */
    struct buf frame;
    struct buf last;
    uint64_t left;  /**< frames to be sent */
    uint64_t ready; /**< of them: those whose time has come */
    int64_t every_ns;
    bool whole;
    bool settings;
    struct timer timer; /**< the next frame, with every_ns */
};

static void flooding_free(struct h2_flooding *flooding)
{
    timer_stop(&flooding->timer);
    buf_clear(&flooding->first);
    buf_clear(&flooding->frame);
    buf_clear(&flooding->last);
    memory_free(flooding);
}

static void flooding_due(struct timer *timer)
{
    struct h2_flooding *flooding = CONTAINER_OF(timer, struct h2_flooding, timer);
    struct h2 *h2 = flooding->h2;
    h2_enter(h2);
    flooding->ready++;
    if (flooding->ready < flooding->left)
        timer_start(timer, flooding->every_ns);
    h2_leave(h2);
}

static void flooding_add(struct h2 *h2, const struct h2_flood *flood, const void *owner)
{
    struct h2_flooding *flooding = memory_alloc(sizeof *flooding);
    flooding->h2 = h2;
    flooding->owner = owner;
    flooding->left = flood->count;
    flooding->ready = flood->every_ns ? 1 : flood->count;
    flooding->every_ns = flood->every_ns;
    flooding->whole = flood->whole;
    flooding->settings = flood->settings;
    buf_init(&flooding->first, BUF_OWN);
    buf_init(&flooding->frame, BUF_OWN);
    buf_init(&flooding->last, BUF_OWN);
    buf_append(&flooding->first, flood->first);
    buf_append(&flooding->frame, flood->frame);
    buf_append(&flooding->last, flood->last);
    timer_init(&flooding->timer, h2->stream->port->server->loop, flooding_due);
    if (flooding->ready < flooding->left)
        timer_start(&flooding->timer, flooding->every_ns);
    struct h2_flooding **link = &h2->floods;
    while (*link)
        link = &(*link)->next;
    *link = flooding;
}

void h2_flood(struct stream *stream, const struct h2_flood *flood, const void *owner)
{
    struct h2 *h2 = stream->state;
    if (!h2_is(stream) || stream->closing || !flood->count)
        return;
    h2_enter(h2);
    /* what was submitted before goes before */
    h2_flush(h2);
    if (!stream->closing)
        flooding_add(h2, flood, owner);
    h2_leave(h2);
}

void h2_begin_flood(struct h2_begin *begin, const struct h2_flood *flood, const void *owner)
{
    flooding_add(begin->h2, flood, owner);
}

void h2_flood_end(struct stream *stream, const void *owner)
{
    struct h2 *h2 = stream->state;
    struct h2_flooding **link = &h2->floods;
    if (!h2_is(stream))
        return;
    while (*link && (*link)->owner != owner)
        link = &(*link)->next;
    if (!*link)
        return;
    struct h2_flooding *flooding = *link;
    *link = flooding->next;
    flooding_free(flooding);
}

void h2_floods_stop(struct h2 *h2)
{
    while (h2->floods) {
        struct h2_flooding *next = h2->floods->next;
        flooding_free(h2->floods);
        h2->floods = next;
    }
}

bool h2_floods_hold(const struct h2 *h2)
{
    const struct h2_flooding *flooding = h2->floods;
    while (flooding && !flooding->whole)
        flooding = flooding->next;
    return flooding != NULL;
}

/** Sends the frames of one that may leave, up to H2_WRITE bytes in `out`. */
static void flooding_take(struct h2_flooding *flooding, struct buf *out)
{
    buf_append(out, buf_str(&flooding->first));
    buf_clear(&flooding->first);
    while (flooding->ready && out->size < H2_WRITE) {
        buf_append(out, buf_str(&flooding->frame));
        flooding->ready--;
        flooding->left--;
        if (flooding->settings)
            flooding->h2->owed++;
    }
    if (!flooding->left)
        buf_append(out, buf_str(&flooding->last));
}

/** The place of the one that is whole, NULL: there is none. */
static struct h2_flooding **whole_find(struct h2 *h2)
{
    struct h2_flooding **link = &h2->floods;
    while (*link && !(*link)->whole)
        link = &(*link)->next;
    return *link ? link : NULL;
}

/** Takes out of one what may leave; returns the place of the next one. */
static struct h2_flooding **flooding_step(struct h2_flooding **link, struct buf *out)
{
    struct h2_flooding *flooding = *link;
    flooding_take(flooding, out);
    if (flooding->left)
        return &flooding->next;
    *link = flooding->next;
    flooding_free(flooding);
    return link;
}

bool h2_floods_take(struct h2 *h2, struct buf *out)
{
    struct h2_flooding **link = whole_find(h2);
    if (link)
        flooding_step(link, out);
    for (link = &h2->floods; *link && !h2_floods_hold(h2) && out->size < H2_WRITE;)
        link = flooding_step(link, out);
    h2_cover_settings(h2);
    for (const struct h2_flooding *flooding = h2->floods; flooding; flooding = flooding->next)
        if (flooding->ready)
            return true;
    return false;
}

/*
 * nghttp2 ends the session at an acknowledgement that it does not expect. For SETTINGS frames of a
 * flood, which it does not know, it is given one that never leaves, each time that it expects none.
 */
void h2_cover_settings(struct h2 *h2)
{
    if (!h2->owed || h2->unacknowledged ||
        nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, NULL, 0) != 0)
        return;
    h2->owed--;
    h2->unacknowledged++;
    h2->ghosts++;
}
