#include "ctest/unit/unit.h"

#include "runner/scenario/scenario_private.h"

/** A run with ports of every kind; none of them is open. */
static struct scenario_port ports[] = {
    {.name = {"api", 3}, .host = {"127.0.0.1", 9}, .number = 4001, .protocol = PROTOCOL_HTTP},
    {.name = {"tls", 3}, .host = {"127.0.0.2", 9}, .number = 4002, .protocol = PROTOCOL_HTTPS},
    {.name = {"six", 3}, .host = {"::1", 3}, .number = 4003, .protocol = PROTOCOL_H2},
    {.name = {"any", 3}, .host = {"0.0.0.0", 7}, .number = 4004, .protocol = PROTOCOL_H2C},
    {.name = {"both", 4}, .host = {"::", 2}, .number = 443, .protocol = PROTOCOL_HTTPS},
    {.name = {"raw", 3}, .host = {"localhost", 9}, .number = 4005, .protocol = PROTOCOL_TCP},
};

static struct scenario the_scenario = {.ports = ports, .port_count = COUNT_OF(ports)};

START_TEST(test_endpoints_of_the_run)
{
    static const struct {
        const char *url;
        const char *name; /**< NULL: it leads elsewhere */
    } rows[] = {
        {"api", "api"},
        {"api/x?y", "api"},
        {"api?y", "api"},
        {"127.0.0.1:4001", "api"},
        {"localhost:4001/x", "api"},
        {"LOCALHOST:4001", "api"},
        {"http://127.0.0.1:4001/x", "api"},
        {"https://user:pass@127.0.0.1:4001#x", "api"},
        {"http://a@b@127.0.0.1:4001", "api"},
        {"[::ffff:127.0.0.1]:4001", "api"},
        {"127.0.0.2:4002", "tls"},
        {"[::1]:4003/", "six"},
        {"https://[0:0:0:0:0:0:0:1]:4003/", "six"},
        {"127.0.0.1:4004", "any"},
        {"127.9.9.9:4004", "any"},
        {"https://[::1]/x", "both"},
        {"https://127.0.0.1", "both"},
        {"raw", "raw"},
        {"http://localhost:4005", "raw"},
        {"http://api/x", NULL},
        {"api:4001", NULL},
        {"127.0.0.1", NULL},
        {"127.0.0.1:4002", NULL},
        {"[::1]:4001", NULL},
        {"[::1]:4004", NULL},
        {"10.0.0.1:4004", NULL},
        {"http://127.0.0.1:443a/", NULL},
        {"http://127.0.0.1:99999/", NULL},
        {"http://[::1:4003/", NULL},
        {"http://[::1]4003/", NULL},
        {"http://@/", NULL},
        {"example.org:4001", NULL},
        {"://", NULL},
        {"", NULL},
        {"[", NULL},
        {"[]:4001", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scenario_endpoint endpoint = {0};
        bool found = scenario_endpoint_port(&the_scenario, str_of(rows[i].url), &endpoint);
        ck_assert_msg(found == (rows[i].name != NULL), "%s", rows[i].url);
        if (found)
            ck_assert_msg(str_is(endpoint.name, rows[i].name), "%s: " STR_FMT, rows[i].url,
                          STR_ARG(endpoint.name));
    }
}
END_TEST

START_TEST(test_an_endpoint_says_what_its_port_speaks)
{
    struct scenario_endpoint endpoint;
    ck_assert(scenario_endpoint_port(&the_scenario, STR("tls"), &endpoint));
    ck_assert_int_eq(endpoint.protocol, PROTOCOL_HTTPS);
    ck_assert(endpoint.tls && endpoint.program);
    ck_assert(scenario_endpoint_port(&the_scenario, STR("any"), &endpoint));
    ck_assert_int_eq(endpoint.protocol, PROTOCOL_H2C);
    ck_assert(!endpoint.tls);
    ck_assert(scenario_endpoint_port(&the_scenario, STR("raw"), &endpoint));
    ck_assert_int_eq(endpoint.protocol, PROTOCOL_TCP);
}
END_TEST

START_TEST(test_urls_get_the_scheme_of_their_port)
{
    static const struct {
        const char *url;
        const char *is;
    } rows[] = {
        {"api/x", "http://127.0.0.1:4001/x"},
        {"tls/x?y", "https://127.0.0.2:4002/x?y"},
        {"six", "https://[::1]:4003"},
        {"any/", "http://127.0.0.1:4004/"},
        {"127.0.0.2:4002/x", "https://127.0.0.2:4002/x"},
        {"localhost:4001", "http://localhost:4001"},
        {"example.org/x", "http://example.org/x"},
        {"http://tls/x", "http://tls/x"},
        {"raw/x", "http://localhost:4005/x"},
    };
    struct arena *arena = arena_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_str_is(scenario_endpoint_url(&the_scenario, str_of(rows[i].url), arena), rows[i].is);
    arena_free(arena);
}
END_TEST

UNIT_MAIN("endpoint", test_endpoints_of_the_run, test_an_endpoint_says_what_its_port_speaks,
          test_urls_get_the_scheme_of_their_port)
