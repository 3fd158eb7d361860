/* What ports speak, and what fits only some of that. */
#include "server/http/upstream.h"

#include "server/fault/fault.h"
#include "server/tls/tls.h"

unsigned upstream_config_speech(const struct upstream_config *config)
{
    static const unsigned speeches[] = {
        [PROTOCOL_HTTP] = SPEECH_HTTP1,
        [PROTOCOL_HTTPS] = SPEECH_TLS | SPEECH_HTTP1,
        [PROTOCOL_H2C] = SPEECH_HTTP2,
        [PROTOCOL_H2] = SPEECH_TLS | SPEECH_HTTP2,
        [PROTOCOL_TCP] = SPEECH_BYTES,
        [PROTOCOL_TLS] = SPEECH_TLS | SPEECH_BYTES,
        [PROTOCOL_GRPC] = SPEECH_HTTP2 | SPEECH_GRPC | SPEECH_CALLS,
        [PROTOCOL_GRPCS] = SPEECH_TLS | SPEECH_HTTP2 | SPEECH_GRPC | SPEECH_CALLS,
    };
    unsigned speech = speeches[config->protocol];
    bool chooses = speech & SPEECH_TLS && !(speech & SPEECH_BYTES);
    if (chooses)
        speech |= upstream_tls_speech(config->tls);
    return speech & SPEECH_HTTP2 && upstream_config_forwards(config) ? speech | SPEECH_CALLS
                                                                     : speech;
}

bool upstream_config_forwards(const struct upstream_config *config)
{
    const struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->routes.count; i++)
        if (routes[i].forward)
            return true;
    return config->forward;
}

/** "TLS", and what speaks it. */
struct speech_words {
    unsigned speech;
    const char *name;
    const char *protocols;
};

static const struct speech_words *words_of(unsigned speech)
{
    static const struct speech_words words[] = {
        {SPEECH_TLS, "TLS", "https, h2 or tls"},
        {SPEECH_HTTP, "HTTP", "http, https, h2c or h2"},
        {SPEECH_HTTP1, "HTTP/1", "http or https"},
        {SPEECH_HTTP2, "HTTP/2", "h2c or h2"},
        {SPEECH_GRPC, "gRPC", "grpc or grpcs"},
        {SPEECH_BYTES, "bytes", "tcp or tls"},
        {SPEECH_CALLS, "gRPC", "grpc or grpcs (where it forwards, also h2c or h2)"},
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].speech == speech)
            return &words[i];
    GOTO_ASSERT(!"one of them");
    return words;
}

const char *speech_name(unsigned speech)
{
    return words_of(speech)->name;
}

const char *speech_protocols(unsigned speech)
{
    return words_of(speech)->protocols;
}

void upstream_config_each_need(const struct node *node,
                               void (*each)(void *context, const struct node_pair *pair,
                                            unsigned speech, struct str what),
                               void *context)
{
    static const struct {
        const char *in; /**< of which mapping it is a key; NULL = the upstream itself */
        const char *key;
        const char *what;
        unsigned speech;
    } needs[] = {
        {NULL, "tls", "'tls'", SPEECH_TLS},
        {NULL, "delay", "'delay'", SPEECH_HTTP},
        {NULL, "routes", "'routes'", SPEECH_HTTP},
        {NULL, "default", "'default'", SPEECH_HTTP},
        {"limits", "header-size", "the limit 'header-size'", SPEECH_HTTP},
        {"limits", "body-size", "the limit 'body-size'", SPEECH_HTTP},
        {"limits", "respond", "the limit 'respond'", SPEECH_HTTP},
        {NULL, "behave", "'behave'", SPEECH_BYTES},
        {NULL, "script", "'script'", SPEECH_BYTES},
        {NULL, "stream", "'stream'", SPEECH_BYTES},
        {NULL, "protos", "'protos'", SPEECH_GRPC},
        {NULL, "import-paths", "'import-paths'", SPEECH_GRPC},
        {NULL, "protosets", "'protosets'", SPEECH_GRPC},
        {NULL, "reflection", "'reflection'", SPEECH_GRPC},
        {NULL, "health", "'health'", SPEECH_GRPC},
        {NULL, "max-message", "'max-message'", SPEECH_GRPC},
    };
    for (size_t i = 0; i < COUNT_OF(needs); i++) {
        const struct node *in = needs[i].in ? node_get(node, needs[i].in) : node;
        const struct node_pair *pair =
            in && in->kind == NODE_MAP ? node_find(in, str_of(needs[i].key)) : NULL;
        if (pair)
            each(context, pair, needs[i].speech, str_of(needs[i].what));
    }
    const struct node *routes = node_get(node, "routes");
    for (size_t i = 0; routes && routes->kind == NODE_LIST && i < routes->count; i++) {
        const struct node *route = routes->items[i];
        const struct node *match = route->kind == NODE_MAP ? node_get(route, "match") : NULL;
        const struct node_pair *rpc =
            match && match->kind == NODE_MAP ? node_find(match, STR("rpc")) : NULL;
        if (rpc)
            each(context, rpc, SPEECH_HTTP2, STR("the match 'rpc'"));
    }
}

unsigned upstream_tls_speech(const struct tls_config *tls)
{
    unsigned speech = 0;
    if (!tls)
        return 0;
    if (str_is(tls_config_name(tls), "alpn-mismatch"))
        return SPEECH_HTTP1 | SPEECH_HTTP2;
    struct list names = tls_config_alpn(tls);
    const struct str *items = names.items;
    for (size_t i = 0; i < names.count; i++) {
        if (str_is(items[i], "h2"))
            speech |= SPEECH_HTTP2;
        else if (str_starts(items[i], STR("http/1.")))
            speech |= SPEECH_HTTP1;
    }
    return speech;
}

unsigned upstream_fault_speech(const struct fault_config *fault)
{
    static const unsigned speeches[] = {
        [FAULT_STREAM] = 0,           [FAULT_CONNECT] = 0,          [FAULT_TLS] = SPEECH_TLS,
        [FAULT_HTTP1] = SPEECH_HTTP1, [FAULT_HTTP2] = SPEECH_HTTP2, [FAULT_GRPC] = SPEECH_CALLS,
    };
    return fault->kind.member ? speeches[fault_config_layer(fault)] : 0;
}
