/* The keys of `forward:` that only HTTP has. */

#include "server/proxy/forward_http.h"
#include "server/proxy/forward_private.h"

static const struct choice host_choices[] = {
    {"keep", FORWARD_HOST_KEEP, "what the client sent"},
    {"rewrite", FORWARD_HOST_REWRITE, "the far side's own name"},
    {NULL},
};
static const struct type host_type = TYPE_CHOICE(host_choices);

static const struct row http_rows[] = {
    {"host", &host_type, offsetof(struct forward_http, host), 0, "rewrite",
     "HTTP: the host that the far side is told."},
};
const struct table forward_http_table = {
    TABLE_ROWS("forward of HTTP", http_rows),
    .doc = "What a proxy of HTTP does with requests and answers.",
};

bool forward_http_leads(const struct forward_http *http)
{
    (void)http;
    return false;
}

void forward_http_each_endpoint(const struct forward_http *http,
                                void (*each)(void *context, struct str text, struct place place),
                                void *context)
{
    (void)http;
    (void)each;
    (void)context;
}

enum read_result forward_check_http(struct reader *reader, const struct forward *forward)
{
    return forward_refuse_tcp(reader, forward);
}
