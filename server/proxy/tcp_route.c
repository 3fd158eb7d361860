/* Which far side a connection goes to. */

#include "server/proxy/tcp_private.h"

#include "server/proxy/sni.h"

struct str tcp_alert(void)
{
    /* RFC 8446 section 6: fatal (2), unrecognized_name (112) */
    static const char alert[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70};
    return (struct str){alert, sizeof alert};
}

/** A written name wins over a wildcard. */
static const struct str *route_named(const struct forward_tcp *tcp, struct str name)
{
    const struct map_entry *entries = tcp->sni.items;
    const struct str *found = NULL;
    for (size_t i = 0; i < tcp->sni.count; i++) {
        if (!sni_matches(entries[i].name, name))
            continue;
        if (!str_starts(entries[i].name, STR("*.")))
            return entries[i].value;
        found = found ? found : entries[i].value;
    }
    return found;
}

enum tcp_where tcp_route(const struct forward *forward, struct str bytes, struct arena *arena,
                         struct str *text, struct str *why, bool *alert)
{
    const struct forward_tcp *tcp = forward->tcp;
    char name[SNI_NAME_SIZE];
    if (!tcp || !tcp->sni.count) {
        *text = forward->to.count ? ((const struct str *)forward->to.items)[0] : STR("");
        return TCP_TO;
    }
    enum sni_result result = sni_read(bytes, name);
    const struct str *named = result == SNI_NAME ? route_named(tcp, str_of(name)) : NULL;
    if (result == SNI_MORE)
        return TCP_MORE;
    *text = named ? *named : tcp->fallback;
    *alert = result != SNI_NOT;
    if (text->data)
        return TCP_TO;
    if (result == SNI_NAME)
        *why = arena_printf(arena, "no far side has the name %s: unrecognized_name", name);
    else
        *why = result == SNI_NONE ? STR("the ClientHello has no name: unrecognized_name")
                                  : STR("it does not begin with a ClientHello");
    return TCP_NOWHERE;
}
