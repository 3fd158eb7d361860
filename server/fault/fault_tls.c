/*
 * The faults of TLS: the names of the catalogue (server/tls/catalogue.c), each put over the TLS
 * that the port has for the connections that it strikes.
 */
#include "server/fault/fault_private.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum {
    CATALOGUE_MOST = 64, /**< names; the catalogue has 45 */
    DOC_SIZE = 400,
    SETUPS_MOST = 32, /**< kept for faults that strike together; more are made anew */
};

static const struct fault_kind tls_kind = {.layer = FAULT_TLS};

/* Filled from the catalogue before main(): there a fault of TLS is one row. */
struct member fault_tls_members[CATALOGUE_MOST + 1];

/** What it is, and what clients make of it. */
static const char *doc_write(const struct tls_fault *fault, char doc[DOC_SIZE])
{
    int size = snprintf(doc, DOC_SIZE, "%s `http`: %s%s%s.", fault->doc,
                        fault->sees ? fault->sees : "no error", fault->openssl ? "; OpenSSL: " : "",
                        fault->openssl ? fault->openssl : "");
    GOTO_ASSERT(size > 0 && size < DOC_SIZE);
    return doc;
}

__attribute__((constructor)) static void members_fill(void)
{
    static char docs[CATALOGUE_MOST][DOC_SIZE];
    size_t count = 0;
    for (const struct tls_fault *fault = tls_catalogue; fault->name; fault++) {
        if (!strcmp(fault->name, "valid"))
            continue;
        GOTO_ASSERT(count < CATALOGUE_MOST);
        const char *doc = doc_write(fault, docs[count]);
        fault_tls_members[count++] =
            (struct member){.key = fault->name, .type = &type_true, .doc = doc, .extra = &tls_kind};
    }
}

static const struct tls_fault *tls_fault_of(const struct fault *fault)
{
    return tls_fault_find(fault_config_kind(fault->config));
}

/* Setups */

static void setup_free(struct fault_setup *setup)
{
    tls_setup_release(setup->setup);
    memory_free(setup->faults);
    memory_free(setup);
}

static void setups_free(struct fault_setup *first)
{
    while (first) {
        struct fault_setup *next = first->next;
        setup_free(first);
        first = next;
    }
}

void faults_tls_clear(struct faults *faults)
{
    setups_free(faults->setups);
    faults->setups = NULL;
    faults->setup_count = 0;
}

/** Keeps a setup that was made, in place of all others when they become too many. */
static struct tls_setup *setup_keep(struct faults *faults, const struct tls_fault *const *over,
                                    size_t count, struct tls_setup *made)
{
    if (faults->setup_count == SETUPS_MOST)
        faults_tls_clear(faults);
    struct fault_setup *setup = memory_alloc(sizeof *setup);
    *setup = (struct fault_setup){.next = faults->setups, .count = count, .setup = made};
    setup->faults = memory_alloc_array(count, sizeof(struct tls_fault *));
    memcpy(setup->faults, over, count * sizeof(struct tls_fault *));
    faults->setups = setup;
    faults->setup_count++;
    return made;
}

/** The setup of faults that strike together over the port's TLS; NULL with *why. Borrowed. */
static struct tls_setup *setup_of(struct faults *faults, const struct tls_fault *const *over,
                                  size_t count, struct arena *arena, struct str *why)
{
    for (struct fault_setup *setup = faults->setups; setup; setup = setup->next)
        if (setup->count == count && !memcmp(setup->faults, over, count * sizeof(over[0])))
            return setup->setup;
    struct arena *scratch = arena_new();
    const struct tls_config *config = faults->tls;
    for (size_t i = 0; i < count; i++)
        config = tls_config_with(config, over[i], scratch);
    struct tls_setup *made =
        tls_setup_new(faults->server, config, &faults->tls_defaults, arena, why);
    arena_free(scratch);
    return made ? setup_keep(faults, over, count, made) : NULL;
}

bool fault_tls_check(struct fault *fault, struct arena *arena, struct str *why)
{
    const struct tls_fault *over = tls_fault_of(fault);
    struct faults *faults = fault->faults;
    return !faults->has_tls || setup_of(faults, &over, 1, arena, why);
}

/** Makes the setups of all that stand. */
static bool setups_make(struct faults *faults, struct arena *arena, struct str *why)
{
    for (struct fault *fault = faults->first; fault; fault = fault->next) {
        if (fault->kind->layer != FAULT_TLS || fault_tls_check(fault, arena, why))
            continue;
        *why = arena_printf(arena, "with the fault " STR_FMT ": " STR_FMT,
                            STR_ARG(fault_config_kind(fault->config)), STR_ARG(*why));
        return false;
    }
    return true;
}

bool faults_tls_changed(struct faults *faults, const struct tls_config *config,
                        const struct tls_defaults *defaults, struct arena *arena, struct str *why)
{
    const struct faults before = *faults;
    faults->tls = config;
    faults->has_tls = defaults != NULL;
    if (defaults)
        faults->tls_defaults = *defaults;
    faults->setups = NULL;
    faults->setup_count = 0;
    if (setups_make(faults, arena, why)) {
        setups_free(before.setups);
        return true;
    }
    faults_tls_clear(faults);
    *faults = before;
    return false;
}

/* Striking */

/** Those that strike one connection. */
struct striking {
    struct fault **items;
    const struct tls_fault **over;
    size_t count;
};

/** Takes out those of which nothing would be seen beside the others. */
static void striking_cover(struct striking *striking)
{
    size_t first = striking->count; /* the last one that ends every handshake */
    size_t kept = 0;
    for (size_t i = 0; i < striking->count; i++)
        if (tls_fault_is_first(striking->over[i]))
            first = i;
    for (size_t i = 0; i < striking->count; i++) {
        bool covered = first < striking->count && i != first;
        for (size_t j = i + 1; j < striking->count && !covered; j++)
            covered = tls_fault_covers(striking->over[j], striking->over[i]);
        if (covered) {
            striking->items[i]->skipped[SKIP_COVERED]++;
            continue;
        }
        striking->items[kept] = striking->items[i];
        striking->over[kept++] = striking->over[i];
    }
    striking->count = kept;
}

static void striking_broken(struct striking *striking, const struct stream *stream, struct str why)
{
    struct port *port = stream->port;
    for (size_t i = 0; i < striking->count; i++)
        striking->items[i]->skipped[SKIP_BROKEN]++;
    journal_note(port->server->journal, ENTRY_NOTE, port->name_id,
                 "the faults of connection %llu cannot be put over its TLS: " STR_FMT,
                 (unsigned long long)stream->number, STR_ARG(why));
}

struct tls_setup *faults_tls(struct faults *faults, struct stream *stream)
{
    if (!faults->stands)
        return NULL;
    struct arena *arena = arena_new();
    struct striking striking = {0};
    struct str why = {0};
    struct tls_setup *setup = NULL;
    striking.items = arena_alloc_array(arena, faults->stands, sizeof(struct fault *));
    striking.over = arena_alloc_array(arena, faults->stands, sizeof(struct tls_fault *));
    for (struct fault *fault = faults->first; fault; fault = fault->next) {
        if (fault->kind->layer != FAULT_TLS || !fault_strikes_connection(fault, stream))
            continue;
        striking.items[striking.count] = fault;
        striking.over[striking.count++] = tls_fault_of(fault);
    }
    striking_cover(&striking);
    if (striking.count) {
        setup = setup_of(faults, striking.over, striking.count, arena, &why);
        if (!setup)
            striking_broken(&striking, stream, why);
    }
    for (size_t i = 0; i < striking.count && setup; i++)
        fault_strike(striking.items[i], stream, NULL);
    arena_free(arena);
    return setup;
}
