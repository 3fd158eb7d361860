/* What a receive waits for: so many bytes, a delimiter, or a predicate on what came. */
#include "server/tcp/script_private.h"

#include <inttypes.h>
#include <string.h>

const struct script_receive *receive_of(const struct script_run *run)
{
    return run->item->chosen.value;
}

void receive_begin(struct script_run *run)
{
    run->taken = 0;
    run->matched = 0;
}

/** Counts bytes as consumed, and keeps their beginning for messages. */
static void receive_count(struct script_run *run, struct str bytes)
{
    if (run->taken < SCRIPT_SHOWN) {
        size_t room = SCRIPT_SHOWN - (size_t)run->taken;
        size_t size = bytes.size < room ? bytes.size : room;
        memcpy(run->shown + run->taken, bytes.data, size);
    }
    run->taken += bytes.size;
}

/** How many of the bytes belong to the text up to and with the delimiter (Knuth, Morris, Pratt). */
static size_t until_take(struct script_run *run, const struct script_receive *receive,
                         struct str bytes, bool *done)
{
    struct str until = receive->until.bytes;
    size_t at = 0;
    while (at < bytes.size && run->matched < until.size) {
        while (run->matched && until.data[run->matched] != bytes.data[at])
            run->matched = receive->fallback[run->matched - 1];
        run->matched += until.data[run->matched] == bytes.data[at];
        at++;
    }
    *done = run->matched == until.size;
    return at;
}

static bool predicate_holds(struct script_run *run, bool missing)
{
    struct arena *arena = arena_new();
    const struct json *value = missing ? NULL : json_string(arena, buf_str(&run->kept));
    bool holds = predicate_test(receive_of(run)->predicate, value, arena, NULL);
    arena_free(arena);
    if (holds)
        buf_clear(&run->kept);
    return holds;
}

size_t receive_take(struct script_run *run, struct str bytes, bool *done)
{
    const struct script_receive *receive = receive_of(run);
    size_t taken = bytes.size;
    if (receive->predicate) {
        /* a bound that is reached shows in the buffer */
        *done = buf_append(&run->kept, bytes) == 0 && predicate_holds(run, false);
    } else if (receive->until.bytes.size) {
        taken = until_take(run, receive, bytes, done);
    } else {
        uint64_t left = receive->bytes - run->taken;
        taken = left < bytes.size ? (size_t)left : bytes.size;
        *done = taken == left;
    }
    receive_count(run, str_slice(bytes, 0, taken));
    return taken;
}

bool receive_holds(struct script_run *run, bool ended)
{
    return receive_of(run)->predicate && ended && run->kept.size == 0 && predicate_holds(run, true);
}

void receive_describe(const struct script_receive *receive, struct buf *into)
{
    if (receive->predicate) {
        predicate_describe(receive->predicate, into);
    } else if (receive->until.bytes.size) {
        buf_append_string(into, "text up to ");
        json_write_string(receive->until.bytes, into);
    } else {
        buf_printf(into, "%" PRIu64 " byte%s", receive->bytes, receive->bytes == 1 ? "" : "s");
    }
}

void receive_show(const struct script_run *run, struct buf *into)
{
    if (run->taken == 0) {
        buf_append_string(into, "nothing");
        return;
    }
    size_t size = run->taken < SCRIPT_SHOWN ? (size_t)run->taken : SCRIPT_SHOWN;
    json_write_string((struct str){run->shown, size}, into);
    if (run->taken > SCRIPT_SHOWN)
        buf_printf(into, "… (%" PRIu64 " bytes)", run->taken);
}
