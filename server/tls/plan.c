/* What holds in the end: keys, a fault over them, and how OpenSSL is told of the parameters. */
#include "server/tls/config.h"

#include "base/clock.h"

#include <openssl/err.h>
#include <string.h>

#define DAY_NS (INT64_C(86400) * CLOCK_SECOND)

enum { ALERT_UNKNOWN_CA = 48 };

void plan_preset(struct tls_plan *plan)
{
    *plan = (struct tls_plan){.valid = {.from_ns = -DAY_NS, .until_ns = 90 * DAY_NS},
                              .tickets = true,
                              .client_auth = -1,
                              .client_alert = ALERT_UNKNOWN_CA,
                              .alert = -1};
}

static void plan_apply(struct tls_plan *plan, const struct tls_fault *fault)
{
    const struct tls_fault_how *how = fault ? fault->how : NULL;
    if (!how)
        return;
    if (how->makes_certificate) {
        plan->cert = NULL;
        plan->key = NULL;
        plan->chain = NULL;
    }
    if (how->wire != WIRE_NONE)
        plan->wire = how->wire;
    if (how->apply)
        how->apply(plan);
}

struct tls_plan plan_of(const struct tls_config *config)
{
    struct tls_plan plan;
    if (!config) {
        plan_preset(&plan);
        return plan;
    }
    plan = config->plan;
    plan_apply(&plan, config->fault);
    if (config->over_count) {
        plan.alert = -1; /* it would leave nothing of the faults */
        plan.tickets = false;
    }
    for (size_t i = 0; i < config->over_count; i++)
        plan_apply(&plan, config->over[i]);
    return plan;
}

static bool is_suite(struct str cipher)
{
    return str_starts(cipher, STR("TLS_"));
}

struct str names_step(struct str *rest)
{
    ptrdiff_t colon = str_find_byte(*rest, ':');
    size_t size = colon < 0 ? rest->size : (size_t)colon;
    struct str name = str_slice(*rest, 0, size);
    *rest = str_from(*rest, colon < 0 ? size : size + 1);
    return name;
}

/** Visits the names of a list of lists: "A:B" counts as two. Returns how many are suites of TLS
 * 1.3; joins those, or the others, in *text. */
static size_t ciphers_join(const struct list *ciphers, bool suites, struct arena *arena,
                           struct str *text, size_t *others)
{
    const struct str *items = ciphers->items;
    size_t found = 0;
    *others = 0;
    *text = STR("");
    for (size_t i = 0; i < ciphers->count; i++) {
        for (struct str rest = items[i]; rest.size;) {
            struct str one = str_trim(names_step(&rest));
            if (!one.size)
                continue;
            *(is_suite(one) ? &found : others) += 1;
            if (arena && is_suite(one) == suites)
                *text = arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(*text),
                                     text->size ? ":" : "", STR_ARG(one));
        }
    }
    return found;
}

size_t ciphers_count(const struct list *ciphers, size_t *others)
{
    struct str none;
    return ciphers_join(ciphers, true, NULL, &none, others);
}

/** Whether OpenSSL takes a name alone; words that take out or sort ones (`!RC4`, `@STRENGTH`) are
 * taken. */
static bool cipher_is_known(struct str name, SSL_CTX *context, struct arena *arena)
{
    const char *text = arena_copy(arena, name).data;
    if (!name.size || strchr("!-+@", name.data[0]))
        return true;
    return is_suite(name) ? SSL_CTX_set_ciphersuites(context, text) == 1
                          : SSL_CTX_set_cipher_list(context, text) == 1;
}

struct str ciphers_refused(const struct list *ciphers, SSL_CTX *context, struct arena *arena)
{
    const struct str *items = ciphers->items;
    for (size_t i = 0; i < ciphers->count; i++) {
        for (struct str rest = items[i]; rest.size;) {
            struct str one = str_trim(names_step(&rest));
            if (!cipher_is_known(one, context, arena))
                return one;
        }
    }
    return (struct str){0};
}

struct str plan_suites(const struct tls_plan *plan, struct arena *arena)
{
    struct str text;
    size_t others;
    ciphers_join(&plan->ciphers, true, arena, &text, &others);
    return arena_copy(arena, text);
}

struct str plan_groups(const struct tls_plan *plan, struct arena *arena)
{
    const struct str *items = plan->groups.items;
    struct str text = STR("");
    for (size_t i = 0; i < plan->groups.count; i++)
        text = arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(text), i ? ":" : "",
                            STR_ARG(items[i]));
    return arena_copy(arena, text);
}

/* Ciphers that are all of TLS 1.3, or all of before, leave no other version. */

int plan_max(const struct tls_plan *plan)
{
    size_t others;
    size_t suites = ciphers_count(&plan->ciphers, &others);
    if (plan->max)
        return plan->max;
    return others && !suites && plan->min < TLS1_3_VERSION ? TLS1_2_VERSION : TLS1_3_VERSION;
}

int plan_min(const struct tls_plan *plan)
{
    size_t others;
    size_t suites = ciphers_count(&plan->ciphers, &others);
    int max = plan_max(plan);
    if (plan->min)
        return plan->min;
    if (suites && !others && max == TLS1_3_VERSION)
        return TLS1_3_VERSION;
    return max < TLS1_2_VERSION ? max : TLS1_2_VERSION;
}

bool plan_set_parameters(const struct tls_plan *plan, SSL_CTX *context, struct arena *arena,
                         const char **what)
{
    struct str others_text;
    size_t others;
    size_t suites = ciphers_join(&plan->ciphers, false, arena, &others_text, &others);
    struct str suites_text = plan_suites(plan, arena);
    ERR_clear_error();
    *what = "ciphers";
    if (others && !SSL_CTX_set_cipher_list(context, arena_copy(arena, others_text).data))
        return false;
    /* an empty list: none of TLS 1.3 */
    if ((suites || others) && !SSL_CTX_set_ciphersuites(context, suites_text.data))
        return false;
    *what = "groups";
    return !plan->groups.count || SSL_CTX_set1_groups_list(context, plan_groups(plan, arena).data);
}
