#include "runner/spec/faults.h"

#include "runner/spec/speech.h"
#include "server/action.h"
#include "server/fault/fault.h"
#include "server/http/upstream.h"

/** Going through all faults. */
struct checking {
    struct reader *reader;
    const struct scenario_spec *scenario;
    struct str port; /**< that the faults at work are of; data NULL = not known yet */
    /* of one name to heal */
    struct nearest nearest;
    bool found;
};

static void check_layer(void *context, const struct fault_config *fault)
{
    const struct checking *checking = context;
    struct reader *reader = checking->reader;
    if (!checking->port.data || !fault)
        return;
    struct str kind = fault_config_kind(fault);
    spec_need_speech(reader, checking->scenario, checking->port, upstream_fault_speech(fault),
                     fault->kind.place,
                     arena_printf(reader->arena, "'" STR_FMT "'", STR_ARG(kind)));
    if (fault->after.requests_place.line)
        spec_need_speech(reader, checking->scenario, checking->port, SPEECH_HTTP,
                         fault->after.requests_place, STR("'after.requests'"));
}

static void each_of_list(struct checking *checking, const struct list *list,
                         void (*each)(void *context, const struct fault_config *fault))
{
    struct fault_config *const *configs = list->items;
    for (size_t i = 0; i < list->count; i++)
        each(checking, configs[i] && configs[i]->kind.member ? configs[i] : NULL);
}

static void check_answer(void *context, const struct chosen *chosen)
{
    struct checking *checking = context;
    const struct list *faults = action_respond_faults(chosen, &checking->port);
    if (faults)
        each_of_list(checking, faults, check_layer);
}

/* Names to heal */

static void name_compare(void *context, const struct fault_config *fault)
{
    struct checking *checking = context;
    if (!fault) {
        checking->found = true; /* it may have any name */
        return;
    }
    struct str name = fault_config_name(fault);
    checking->found = checking->found || str_equal(name, checking->nearest.wanted);
    str_nearest(&checking->nearest, name);
}

static void name_compare_action(void *context, const struct chosen *chosen)
{
    struct checking *checking = context;
    struct str port;
    const struct fault_config *fault = action_fault_config(chosen);
    const struct list *faults = action_respond_faults(chosen, &port);
    if (fault)
        name_compare(checking, fault->kind.member ? fault : NULL);
    if (faults)
        each_of_list(checking, faults, name_compare);
    checking->found = checking->found || (chosen->deferred && (fault || faults));
}

static void check_heal(void *context, const struct chosen *chosen)
{
    struct checking *checking = context;
    struct reader *reader = checking->reader;
    struct place place;
    checking->nearest = (struct nearest){0};
    checking->found = false;
    if (!action_healed_name(chosen, &checking->nearest.wanted, &place))
        return;
    struct list upstreams = spec_upstreams_ever(checking->scenario, reader->arena);
    const struct map_entry *entries = upstreams.items;
    for (size_t i = 0; i < upstreams.count; i++)
        upstream_config_each_fault(entries[i].value, name_compare, checking);
    spec_each_action(checking->scenario, name_compare_action, checking);
    if (checking->found)
        return;
    diagnostics_add(reader->diagnostics, place, "no fault is ever called '" STR_FMT "'",
                    STR_ARG(reader_shown(reader, checking->nearest.wanted)));
    diagnostics_did_you_mean(reader->diagnostics, &checking->nearest);
}

static void check_first(void *context, const struct fault_config *fault)
{
    const struct checking *checking = context;
    if (fault)
        fault_check_first(checking->reader->diagnostics, fault);
}

void spec_check_faults(struct reader *reader, const struct scenario_spec *scenario)
{
    struct checking checking = {.reader = reader, .scenario = scenario};
    struct list upstreams = spec_upstreams_ever(scenario, reader->arena);
    const struct map_entry *entries = upstreams.items;
    for (size_t i = 0; i < upstreams.count; i++) {
        checking.port = entries[i].name;
        upstream_config_each_fault(entries[i].value, check_layer, &checking);
    }
    entries = scenario->upstreams.items;
    for (size_t i = 0; i < scenario->upstreams.count; i++)
        upstream_config_each_fault(entries[i].value, check_first, &checking);
    spec_each_action(scenario, check_answer, &checking);
    spec_each_action(scenario, check_heal, &checking);
}
