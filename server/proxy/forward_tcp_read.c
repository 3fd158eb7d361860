/* The keys of `forward:` that only ports of bytes have. */

#include "server/proxy/forward_private.h"

static const struct type sni_type = TYPE_MAP(&endpoint_type);

static const struct choice dial_choices[] = {
    {"after-accept", DIAL_AFTER_ACCEPT, "once the client's connection was accepted"},
    {"first", DIAL_FIRST,
     "before anything of the client is read: a far side that refuses shows as a reset"},
    {NULL},
};
static const struct type dial_type = TYPE_CHOICE(dial_choices);

static const struct row tcp_rows[] = {
    {"sni", &sni_type, offsetof(struct forward_tcp, sni), 0, NULL,
     "tcp: far sides by the name in the ClientHello, `*.NAME` for all one label below; TLS is not "
     "terminated."},
    {"default", &endpoint_type, offsetof(struct forward_tcp, fallback), 0, NULL,
     "tcp: the far side of what names no known one; without it, the alert unrecognized_name."},
    {"dial", &dial_type, offsetof(struct forward_tcp, dial), 0, "after-accept",
     "tcp, tls: when the far side is connected."},
};
const struct table forward_tcp_table = {
    TABLE_ROWS("forward of bytes", tcp_rows),
    .doc = "Where a port of bytes forwards to.",
};

/** `*.c.example`, or a name without a star, as clients send them: in ASCII, without a final dot. */
static bool sni_is_name(struct str name)
{
    if (str_starts(name, STR("*.")))
        name = str_from(name, 2);
    for (size_t i = 0; i < name.size; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if (c <= ' ' || c >= 0x7f || strchr("*:/", c))
            return false;
    }
    return name.size > 0 && name.size <= 253 && name.data[0] != '.' &&
           name.data[name.size - 1] != '.' && str_find(name, STR("..")) < 0;
}

static enum read_result check_sni(struct reader *reader, const struct forward_tcp *tcp)
{
    enum read_result result = READ_OK;
    const struct map_entry *entries = tcp->sni.items;
    for (size_t i = 0; i < tcp->sni.count; i++) {
        if (sni_is_name(entries[i].name))
            continue;
        diagnostics_add(reader->diagnostics, entries[i].place,
                        "'" STR_FMT "' is no name that a ClientHello can hold",
                        STR_ARG(reader_shown(reader, entries[i].name)));
        diagnostics_help(reader->diagnostics, "write a name such as a.example, or *.c.example");
        result = READ_FAILED;
    }
    return result;
}

static enum read_result refuse_key(struct reader *reader, const struct forward *forward,
                                   const char *key, const char *problem, const char *help)
{
    const struct node_pair *pair =
        forward->node->kind == NODE_MAP ? node_find(forward->node, str_of(key)) : NULL;
    if (!pair)
        return READ_OK;
    diagnostics_add(reader->diagnostics, pair->key->place, "%s", problem);
    diagnostics_help(reader->diagnostics, "%s", help);
    return READ_FAILED;
}

enum read_result forward_check_bytes(struct reader *reader, const struct forward *forward)
{
    const struct forward_tcp *tcp = forward->tcp;
    enum read_result result = forward_refuse(
        reader, forward, &forward_http_table,
        "has a meaning only on ports that speak HTTP; here bytes are passed on as they are");
    result = read_worse(result, refuse_key(reader, forward, "pick",
                                           "a port of bytes has one far side: there is nothing to "
                                           "pick",
                                           "leave 'pick' out"));
    if (forward->to.count > 1) {
        diagnostics_add(reader->diagnostics, forward->to_place,
                        "a port of bytes has one far side; 'to' names %zu", forward->to.count);
        diagnostics_help(reader->diagnostics, "write to: ENDPOINT");
        result = READ_FAILED;
    }
    if (!tcp)
        return result;
    result = read_worse(result, check_sni(reader, tcp));
    if (tcp->sni.count && forward->to.count)
        result = read_worse(result, refuse_key(reader, forward, "to",
                                               "'to' and 'sni' both say where to forward to",
                                               "write 'default' for what names no known one"));
    if (!tcp->sni.count)
        result = read_worse(result, refuse_key(reader, forward, "default",
                                               "'default' has a meaning only with 'sni'",
                                               "write 'to' for the far side of all connections"));
    else if (tcp->dial == DIAL_FIRST)
        result = read_worse(result, refuse_key(reader, forward, "dial",
                                               "with 'sni' the far side is known only from what a "
                                               "client sends once it was accepted",
                                               "leave 'dial' out"));
    return result;
}

enum read_result forward_refuse_tcp(struct reader *reader, const struct forward *forward)
{
    return forward_refuse(reader, forward, &forward_tcp_table,
                          "has a meaning only on a tcp port; this one speaks HTTP");
}
