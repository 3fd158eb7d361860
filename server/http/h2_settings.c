/* What SETTINGS say, and windows that are not opened (RFC 9113 sections 6.5 and 6.9). */
#include "server/http/h2_private.h"

void h2_append_number(struct buf *into, uint32_t number, int bytes)
{
    while (bytes-- > 0)
        buf_append_byte(into, (char)(number >> 8 * bytes));
}

void h2_append_frame_head(struct buf *into, size_t size, uint8_t type)
{
    h2_append_number(into, (uint32_t)size, 3);
    h2_append_number(into, (uint32_t)type << 8, 2);
    h2_append_number(into, 0, 4);
}

/** Whether nghttp2 lets the value be sent (RFC 9113 section 6.5.2). */
static bool setting_is_legal(const struct h2_setting *setting)
{
    switch (setting->id) {
    case NGHTTP2_SETTINGS_ENABLE_PUSH:
    case NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL:
    case NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES:
        return setting->value <= 1;
    case NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE:
        return setting->value <= INT32_MAX;
    case NGHTTP2_SETTINGS_MAX_FRAME_SIZE:
        return setting->value >= 16384 && setting->value < 1u << 24;
    default:
        return true;
    }
}

/** Submits settings. If some are illegal, the frame with all of them is made here, to be sent in
 * the place of nghttp2's. */
static void h2_submit_settings(struct h2 *h2, const struct h2_setting *all, size_t count)
{
    nghttp2_settings_entry legal[H2_MOST_SETTINGS + 1] = {{0}};
    size_t legal_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (all[i].id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS && all[i].value > h2->most)
            h2->most = all[i].value < H2_MOST_STREAMS ? all[i].value : H2_MOST_STREAMS;
        if (setting_is_legal(&all[i]))
            legal[legal_count++] = (nghttp2_settings_entry){all[i].id, all[i].value};
    }
    bool refused = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, legal, legal_count) < 0;
    if (refused)
        (void)nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, NULL, 0);
    h2->unacknowledged++;
    if (!refused && legal_count == count)
        return;
    buf_reset(&h2->settings);
    h2_append_frame_head(&h2->settings, 6 * count, NGHTTP2_SETTINGS);
    for (size_t i = 0; i < count; i++) {
        h2_append_number(&h2->settings, all[i].id, 2);
        h2_append_number(&h2->settings, all[i].value, 4);
    }
}

void h2_begin_settings(struct h2 *h2, const struct h2_begin *begin)
{
    struct h2_setting all[H2_MOST_SETTINGS + 1];
    size_t count = 0;
    bool counted = false;
    for (size_t i = 0; i < begin->setting_count && i < H2_MOST_SETTINGS; i++)
        counted |= begin->settings[i].id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS;
    if (!counted)
        all[count++] = (struct h2_setting){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                           begin->max_streams ? begin->max_streams : H2_STREAMS};
    for (size_t i = 0; i < begin->setting_count && i < H2_MOST_SETTINGS; i++)
        all[count++] = begin->settings[i];
    h2_submit_settings(h2, all, count);
}

void h2_settings(struct stream *stream, const struct h2_setting *settings, size_t count)
{
    struct h2 *h2 = stream->state;
    if (!h2_is(stream) || stream->closing)
        return;
    h2_enter(h2);
    /* an illegal frame takes the place of the next one: those before it have to be out */
    h2_flush(h2);
    h2_submit_settings(h2, settings, count < H2_MOST_SETTINGS ? count : H2_MOST_SETTINGS);
    h2_leave(h2);
}

void h2_silence(struct stream *stream, struct h2_silence of, bool silent)
{
    struct h2 *h2 = stream->state;
    if (!h2_is(stream) || stream->closing)
        return;
    /* what came before is acknowledged still */
    h2_enter(h2);
    h2_flush(h2);
    if (of.settings)
        h2->silence.settings = silent;
    if (of.ping)
        h2->silence.ping = silent;
    h2_leave(h2);
}

void h2_append_window_update(struct buf *into, uint32_t stream_id, uint64_t *held)
{
    if (!*held)
        return;
    h2_append_number(into, 4, 3);
    h2_append_number(into, NGHTTP2_WINDOW_UPDATE << 8, 2);
    h2_append_number(into, stream_id, 4);
    h2_append_number(into, *held < INT32_MAX ? (uint32_t)*held : INT32_MAX, 4);
    *held = 0;
}

void h2_hold_window(struct stream *stream, bool hold)
{
    struct h2 *h2 = stream->state;
    struct buf frames;
    if (!h2_is(stream) || stream->closing || h2->holds_window == hold)
        return;
    h2_enter(h2);
    h2_flush(h2);
    h2->holds_window = hold;
    buf_init(&frames, BUF_OWN);
    h2_append_window_update(&frames, 0, &h2->held);
    for (struct h2_exchange *x = h2->oldest; x; x = x->next)
        h2_append_window_update(&frames, x->exchange.stream_id, &x->held);
    (void)buf_append(&h2->raw, buf_str(&frames));
    buf_clear(&frames);
    h2_leave(h2);
}
