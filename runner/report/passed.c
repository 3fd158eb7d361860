/* Bytes that passed, as they came: what is to be masked may have come in pieces. */
#include "runner/report/report_private.h"

/** Whether an entry is a piece of what passed the same way as another one. */
static bool is_beside(const struct entry *entry, const struct entry *piece)
{
    return entry && entry->kind == ENTRY_BYTES && entry->subject == piece->subject &&
           entry->connection == piece->connection && entry->request == piece->request &&
           entry->value == piece->value;
}

/** Whether a connection begins or ends here: no more of what passed on it is beyond. */
static bool is_bound(const struct entry *entry, const struct entry *piece)
{
    if (!entry || entry->subject != piece->subject || entry->connection != piece->connection)
        return false;
    return entry->kind == ENTRY_CONNECTION_END ||
           (entry->kind == ENTRY_BYTES && entry->request == piece->request && !entry->extra);
}

/** The first piece that a secret may begin in of which a byte is in this one. */
static uint64_t first_near(const struct journal *journal, uint64_t number)
{
    const struct entry *piece = journal_get(journal, number);
    uint64_t first = number;
    size_t size = 0;
    for (uint64_t at = number; at > journal_first(journal) && size < report_secret_reach();) {
        const struct entry *entry = journal_get(journal, --at);
        if (is_bound(entry, piece))
            break;
        if (!is_beside(entry, piece))
            continue;
        first = at;
        size += entry->data_size;
    }
    return first;
}

void report_passed(const struct journal *journal, uint64_t number, struct buf *into)
{
    const struct entry *piece = journal_get(journal, number);
    size_t reach = report_secret_reach();
    if (!piece || !piece->data)
        return;
    if (!reach) {
        buf_append(into, (struct str){piece->data, piece->data_size});
        return;
    }
    struct buf near;
    size_t from = 0;
    buf_init(&near, BUF_OWN);
    for (uint64_t at = first_near(journal, number); at <= journal_last(journal); at++) {
        const struct entry *entry = journal_get(journal, at);
        if (at > number && (is_bound(entry, piece) || near.size >= from + piece->data_size + reach))
            break;
        if (at == number)
            from = near.size;
        if (is_beside(entry, piece))
            buf_append(&near, (struct str){entry->data, entry->data_size});
    }
    report_mask_part(buf_str(&near), from, from + piece->data_size, into);
    buf_clear(&near);
}
