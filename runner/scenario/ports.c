#include "runner/scenario/scenario_private.h"

#include "base/memory.h"
#include "server/port/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scenario_port *scenario_find_port(const struct scenario *scenario, struct str name)
{
    for (size_t i = 0; i < scenario->port_count; i++) {
        if (str_equal(scenario->ports[i].name, name))
            return &scenario->ports[i];
    }
    return NULL;
}

/** host:port, an IPv6 host in brackets; "any address" is reached by loopback. */
static struct str port_address(const struct scenario_port *port, struct arena *arena)
{
    struct str host = port->host;
    if (str_is(host, "0.0.0.0"))
        host = STR("127.0.0.1");
    else if (str_is(host, "::"))
        host = STR("::1");
    bool six = str_find_byte(host, ':') >= 0;
    return arena_printf(arena, "%s" STR_FMT "%s:%u", six ? "[" : "", STR_ARG(host), six ? "]" : "",
                        port->number);
}

int scenario_port_protocol(const struct scenario_port *port)
{
    return port->upstream ? upstream_protocol(port->upstream) : port->protocol;
}

struct str scenario_port_url(const struct scenario_port *port, struct arena *arena)
{
    struct str address = port_address(port, arena);
    const char *scheme = upstream_protocol_scheme(scenario_port_protocol(port));
    return scheme ? arena_printf(arena, "%s://" STR_FMT, scheme, STR_ARG(address)) : address;
}

struct str scenario_folder(const struct scenario *scenario)
{
    return scenario->folder;
}

/* Variables of the run */

static struct live_value *live_find(struct live_value *values, struct str name)
{
    while (values && !str_equal(values->name, name))
        values = values->next;
    return values;
}

static void live_put(struct scenario *scenario, struct live_value **values, struct str name,
                     const struct json *value)
{
    struct live_value *found = live_find(*values, name);
    if (!found) {
        found = arena_alloc(scenario->arena, sizeof *found);
        *found = (struct live_value){.next = *values, .name = arena_copy(scenario->arena, name)};
        *values = found;
    }
    found->value = json_copy(scenario->arena, value);
}

/** Whether a `${name…}` stands anywhere in a tree. */
static bool node_mentions(const struct node *node, struct str name)
{
    bool found = false;
    if (node->kind == NODE_MAP) {
        for (size_t i = 0; !found && i < node->count; i++)
            found = node_mentions(node->pairs[i].value, name);
        return found;
    }
    if (node->kind == NODE_LIST) {
        for (size_t i = 0; !found && i < node->count; i++)
            found = node_mentions(node->items[i], name);
        return found;
    }
    struct str text = node->text;
    for (ptrdiff_t at = str_find(text, STR("${")); at >= 0; at = str_find(text, STR("${"))) {
        text = str_from(text, (size_t)at + 2);
        if (str_starts(text, name))
            return true;
    }
    return false;
}

bool scenario_read(const struct spec_scope *scope, struct arena *arena, const struct type *type,
                   const struct node *node, void *into, struct read_fault *fault)
{
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics, .scope = &scope->scope};
    enum read_result result = reader_read(&reader, type, node, into);
    if (result != READ_OK && fault) {
        const struct diagnostic *first = diagnostics.first;
        *fault = (struct read_fault){
            .place = first ? first->place : node->place,
            .why = first ? arena_copy(arena, first->message)
                         : STR("a variable in it has no value yet"),
        };
    }
    diagnostics_clear(&diagnostics);
    return result == READ_OK;
}

/** What a port is read as. */
static const struct type *port_type(const struct map_entry *entry)
{
    return ((const struct upstream_config *)entry->value)->proxy ? &proxy_type : &upstream_type;
}

/** The answers of an upstream are read again: what they say is resolved with the values of now. */
static void upstream_refresh(struct scenario *scenario, struct scenario_port *port,
                             const struct map_entry *entry)
{
    struct upstream_config *fresh = arena_alloc(scenario->arena, sizeof *fresh);
    struct spec_scope scope;
    struct read_fault fault;
    scenario_scope(scenario, NULL, &scope);
    if (!scenario_read(&scope, scenario->arena, port_type(entry), entry->node, fresh, &fault)) {
        scenario_fail(
            scenario, fault.place,
            arena_printf(scenario->arena, "what was set fits " STR_FMT, STR_ARG(port->name)),
            STR_FMT, STR_ARG(fault.why));
        return;
    }
    struct route_config *routes = port->config->routes.items;
    const struct route_config *again = fresh->routes.items;
    for (size_t i = 0; i < port->config->routes.count && i < fresh->routes.count; i++) {
        routes[i].respond = again[i].respond;
        routes[i].forward = again[i].forward;
        routes[i].delay = again[i].delay;
    }
    port->config->delay = fresh->delay;
    port->config->forward = fresh->forward;
    port->config->work = fresh->work;
    port->config->fallback.respond = fresh->fallback.respond;
    upstream_config_changed(port->upstream);
}

/** Answers that hold the variable are read again. */
static void scenario_refresh(struct scenario *scenario, struct str name)
{
    const struct map_entry *entries = scenario->spec->upstreams.items;
    for (size_t i = 0; i < scenario->spec->upstreams.count; i++) {
        if (scenario->ports[i].config && node_mentions(entries[i].node, name))
            upstream_refresh(scenario, &scenario->ports[i], &entries[i]);
    }
}

uint64_t scenario_set(struct scenario *scenario, struct str name, const struct json *value,
                      bool undoable)
{
    struct live_value **slot = &scenario->set;
    while (!undoable && *slot) {
        if (str_equal((*slot)->name, name))
            *slot = (*slot)->next;
        else
            slot = &(*slot)->next;
    }
    struct live_value *set = arena_alloc(scenario->arena, sizeof *set);
    *set = (struct live_value){.next = scenario->set,
                               .name = arena_copy(scenario->arena, name),
                               .value = json_copy(scenario->arena, value),
                               .change = undoable ? ++scenario->changes : 0};
    scenario->set = set;
    scenario_refresh(scenario, name);
    return set->change;
}

void scenario_unset(struct scenario *scenario, uint64_t change)
{
    struct live_value **slot = &scenario->set;
    while (*slot && (*slot)->change != change)
        slot = &(*slot)->next;
    if (!*slot)
        return;
    struct str name = (*slot)->name;
    *slot = (*slot)->next;
    scenario_refresh(scenario, name);
}

void client_capture(struct client *client, struct str name, const struct json *value)
{
    live_put(client->scenario, &client->captures, name, value);
}

static const struct json *find_capture(const struct scenario *scenario, const struct client *client,
                                       struct str name)
{
    const struct live_value *found = client ? live_find(client->captures, name) : NULL;
    if (found || !client || client != scenario->finally)
        return found ? found->value : NULL;
    for (size_t i = 0; i < scenario->client_count; i++) {
        found = live_find(scenario->clients[i].captures, name);
        if (found)
            return found->value;
    }
    return NULL;
}

static enum resolve_result live_port(const struct scenario *scenario, struct arena *arena,
                                     struct str name, const struct json **value)
{
    ptrdiff_t dot = str_find_byte(name, '.');
    const struct scenario_port *port =
        scenario_find_port(scenario, dot < 0 ? name : str_slice(name, 0, (size_t)dot));
    struct str part = dot < 0 ? STR("url") : str_from(name, (size_t)dot + 1);
    if (!port)
        return RESOLVE_LATER;
    if (str_is(part, "url"))
        *value = json_string(arena, scenario_port_url(port, arena));
    else if (str_is(part, "host"))
        *value = json_string(arena, port->host);
    else if (str_is(part, "port"))
        *value = json_integer(arena, port->number);
    else if (str_is(part, "address"))
        *value = json_string(arena, port_address(port, arena));
    else
        return RESOLVE_LATER;
    return RESOLVE_OK;
}

/** Makes the private folder at the first use. */
static bool scenario_make_tmp(struct scenario *scenario, struct arena *arena, struct str *why)
{
    if (scenario->tmp.size)
        return true;
    const char *base = getenv("TMPDIR");
    struct str path =
        arena_printf(scenario->arena, "%s/goto-run.XXXXXX", base && *base ? base : "/tmp");
    char *folder = memory_copy_string(path.data);
    bool made = mkdtemp(folder);
    if (made)
        scenario->tmp = arena_copy(scenario->arena, str_of(folder));
    else
        *why = arena_printf(arena, "no temporary folder could be made: %s", strerror(errno));
    memory_free(folder);
    return made;
}

/** Writes a new file that only its owner may read where it is a key. 0 or a negative errno. */
static int write_file(struct str path, struct str text, bool secret)
{
    int fd = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, secret ? 0600 : 0644);
    int error = fd < 0 ? -errno : 0;
    for (size_t at = 0; !error && at < text.size;) {
        ssize_t written = write(fd, text.data + at, text.size - at);
        if (written < 0 && errno != EINTR)
            error = -errno;
        at += written > 0 ? (size_t)written : 0;
    }
    if (fd >= 0 && close(fd) != 0 && !error)
        error = -errno;
    return error;
}

bool scenario_tls_file(struct scenario *scenario, enum tls_file file, struct arena *arena,
                       struct str *path, struct str *why)
{
    if (!scenario->tls_files[file].data) {
        if (!scenario_make_tmp(scenario, arena, why))
            return false;
        struct str text = tls_authority_pem(&scenario->server, file);
        struct str name = str_of(tls_file_name(file));
        struct str made = arena_printf(scenario->arena, STR_FMT "/" STR_FMT, STR_ARG(scenario->tmp),
                                       STR_ARG(name));
        int error = write_file(made, text, str_find(name, STR("key")) >= 0);
        if (error) {
            *why = arena_printf(arena, STR_FMT " cannot be written: %s", STR_ARG(made),
                                strerror(-error));
            return false;
        }
        scenario->tls_files[file] = made;
    }
    *path = scenario->tls_files[file];
    return true;
}

bool scenario_wants_ca(const struct scenario *scenario)
{
    const struct scenario_spec *spec = scenario->spec;
    return spec->speaks_tls || node_mentions(spec->node, STR("ca}"));
}

static enum resolve_result scenario_live(const struct spec_scope *scope, struct arena *arena,
                                         struct str name, const struct json **value,
                                         struct str *why)
{
    struct scenario *scenario = scope->context;
    enum tls_file file;
    const struct live_value *set = live_find(scenario->set, name);
    if (set) {
        *value = set->value;
        return RESOLVE_OK;
    }
    const struct json *captured = find_capture(scenario, scope->client, name);
    if (captured) {
        *value = captured;
        return RESOLVE_OK;
    }
    if (str_is(name, "tmp")) {
        if (!scenario_make_tmp(scenario, arena, why))
            return RESOLVE_FAILED;
        *value = json_string(arena, scenario->tmp);
        return RESOLVE_OK;
    }
    if (tls_file_find(name, &file)) {
        struct str path;
        if (!scenario_tls_file(scenario, file, arena, &path, why))
            return RESOLVE_FAILED;
        *value = json_string(arena, path);
        return RESOLVE_OK;
    }
    if (str_is(name, "seed")) {
        *value =
            json_number(arena, arena_printf(arena, "%llu", (unsigned long long)scenario->seed));
        return RESOLVE_OK;
    }
    return live_port(scenario, arena, name, value);
}

void scenario_scope(struct scenario *scenario, struct client *client, struct spec_scope *scope)
{
    spec_scope_init(scope, scenario->spec, &scenario->options->spec);
    scope->live = scenario_live;
    scope->context = scenario;
    scope->client = client;
}

bool scenario_program_endpoint(const struct server *server, struct str name,
                               struct endpoint *endpoint)
{
    const struct scenario *scenario = CONTAINER_OF(server, struct scenario, server);
    const struct scenario_port *port = scenario_find_port(scenario, name);
    if (!port || port->port)
        return false;
    const struct upstream_config config = {.protocol = port->protocol};
    endpoint->name = port->name;
    endpoint->host = endpoint_host_of(port->host);
    endpoint->number = port->number;
    endpoint_speak(endpoint, upstream_config_speech(&config));
    return true;
}

/* Opening */

static int port_failed(struct scenario *scenario, struct place place, struct str name,
                       uint16_t number, struct str host, int error)
{
    struct check *check = scenario_fail(
        scenario, place, arena_printf(scenario->arena, STR_FMT " got its port", STR_ARG(name)),
        "%s", error == -EADDRINUSE ? "the port is taken already" : strerror(-error));
    struct failure *failure = &check->failures.items[check->failures.count - 1];
    failure->note = arena_printf(scenario->arena, "address " STR_FMT ":%u%s", STR_ARG(host), number,
                                 error == -EADDRINUSE ? "; `port: auto` takes a free one" : "");
    check->verdict = VERDICT_ERROR;
    scenario_harness_failed(scenario);
    return -1;
}

static int hold_upstream(struct scenario *scenario, const struct map_entry *entry)
{
    const struct upstream_config *config = entry->value;
    struct scenario_port *port = &scenario->ports[scenario->port_count];
    int error = 0;
    *port = (struct scenario_port){.name = entry->name,
                                   .place = entry->place,
                                   .host = config->host,
                                   .protocol = config->protocol,
                                   .held_fd = -1};
    port->port = port_new(&scenario->server, entry->name, config->host, config->port, &error);
    if (!port->port)
        return port_failed(scenario, entry->place, entry->name, config->port, config->host, error);
    port->number = port->port->number;
    scenario->port_count++;
    return 0;
}

/** A number outside of the range that the kernel gives to outgoing connections. */
static uint16_t draw_program_port(void)
{
    static struct random random;
    static bool ready;
    if (!ready)
        random = random_for(random_seed(), STR("program port"), (uint64_t)getpid());
    ready = true;
    return (uint16_t)random_between(&random, 10000, 30000);
}

socklen_t scenario_sockaddr(struct str host, uint16_t number, struct sockaddr_storage *address)
{
    char text[64];
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    snprintf(text, sizeof text, STR_FMT,
             STR_ARG(str_is(host, "localhost") ? STR("127.0.0.1") : host));
    *address = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(number);
        return sizeof *four;
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(number);
        return sizeof *six;
    }
    return 0;
}

static int bind_program_port(struct scenario_port *port, uint16_t number)
{
    struct sockaddr_storage address;
    socklen_t size = scenario_sockaddr(port->host, number, &address);
    if (size == 0)
        return -EINVAL;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, size) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    port->held_fd = fd;
    port->number = number;
    return 0;
}

static int hold_program(struct scenario *scenario, const struct program_spec *program)
{
    enum { TRIES = 200 };
    struct scenario_port *port = &scenario->ports[scenario->port_count];
    int error = -EADDRINUSE;
    *port = (struct scenario_port){
        .name = program->name, .place = program->place, .host = program->host, .held_fd = -1};
    port->protocol = program->protocol;
    if (program->port)
        error = bind_program_port(port, program->port);
    for (int i = 0; !program->port && i < TRIES && error == -EADDRINUSE; i++)
        error = bind_program_port(port, draw_program_port());
    if (error)
        return port_failed(scenario, program->place, program->name, program->port, program->host,
                           error);
    scenario->port_count++;
    return 0;
}

void scenario_port_release(struct scenario_port *port)
{
    if (port->held_fd >= 0)
        close(port->held_fd);
    port->held_fd = -1;
}

/** Reads an upstream again, now that every variable has its value, and opens it. */
static int open_upstream(struct scenario *scenario, struct scenario_port *port,
                         const struct map_entry *entry)
{
    struct spec_scope scope;
    struct read_fault fault;
    struct upstream_config *config = arena_alloc(scenario->arena, sizeof *config);
    scenario_scope(scenario, NULL, &scope);
    if (!scenario_read(&scope, scenario->arena, port_type(entry), entry->node, config, &fault)) {
        scenario_fail(
            scenario, fault.place,
            arena_printf(scenario->arena, STR_FMT " could be opened", STR_ARG(entry->name)),
            STR_FMT, STR_ARG(fault.why));
        return -1;
    }
    port->config = config;
    port->upstream = upstream_new(port->port, config);
    struct str why = {0};
    if (!upstream_prepare(port->upstream, &why)) {
        scenario_fail(
            scenario, entry->place,
            arena_printf(scenario->arena, STR_FMT " could be opened", STR_ARG(entry->name)),
            "its TLS cannot be made: " STR_FMT, STR_ARG(why));
        return -1;
    }
    int error = config->closed ? 0 : port_open(port->port);
    if (error)
        return port_failed(scenario, entry->place, entry->name, port->number, port->host, error);
    return 0;
}

int scenario_open_ports(struct scenario *scenario)
{
    const struct map_entry *upstreams = scenario->spec->upstreams.items;
    const struct program_spec *programs = scenario->spec->programs.items;
    size_t count = scenario->spec->upstreams.count + scenario->spec->programs.count;
    int result = 0;
    scenario->ports = arena_alloc_array(scenario->arena, count, sizeof *scenario->ports);
    for (size_t i = 0; i < scenario->spec->upstreams.count; i++)
        result |= hold_upstream(scenario, &upstreams[i]);
    for (size_t i = 0; i < scenario->spec->programs.count; i++)
        result |= hold_program(scenario, &programs[i]);
    if (result)
        return -1;
    for (size_t i = 0; i < scenario->spec->upstreams.count; i++)
        result |= open_upstream(scenario, &scenario->ports[i], &upstreams[i]);
    return result ? -1 : 0;
}

void scenario_close_ports(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->port_count; i++)
        scenario_port_release(&scenario->ports[i]);
}
