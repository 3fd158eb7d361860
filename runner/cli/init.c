#include "runner/cli/init.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char hello[] =
    "# A first spec: a stand-in server, a client, and what must hold on both sides.\n"
    "# Run it with: goto-run hello.goto.yaml\n"
    "name: Hello\n"
    "\n"
    "upstreams:\n"
    "  api:\n"
    "    protocol: http\n"
    "    routes:\n"
    "      - name: hello\n"
    "        match: GET /hello/{name}\n"
    "        respond:\n"
    "          json: {hello: \"{{ path.name }}\"}\n"
    "\n"
    "steps:\n"
    "  - http: GET ${api}/hello/world\n"
    "    expect:\n"
    "      status: 200\n"
    "      json: {hello: world}\n"
    "\n"
    "  # the port dies under the client ...\n"
    "  - close: api\n"
    "  - name: the port is dead\n"
    "    http: GET ${api}/hello/world\n"
    "    expect: {error: connection-refused}\n"
    "\n"
    "  # ... and comes back with another answer\n"
    "  - respond: {route: api.hello, status: 503, headers: {retry-after: \"1\"}}\n"
    "  - open: api\n"
    "  - http: GET ${api}/hello/world\n"
    "    expect:\n"
    "      status: 503\n"
    "      headers: {retry-after: \"1\"}\n"
    "\n"
    "verify:\n"
    "  - requests: {to: api, count: 2}\n";

static int init_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    ssize_t written = write(fd, hello, sizeof hello - 1);
    int error = written == (ssize_t)(sizeof hello - 1) ? 0 : written < 0 ? -errno : -ENOSPC;
    if (close(fd) != 0 && !error)
        error = -errno;
    if (error)
        unlink(path);
    return error;
}

int init_write(const char *folder)
{
    struct buf path;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        int error = -errno;
        fprintf(stderr, "error: the folder %s cannot be made: %s\n", folder, strerror(-error));
        return error;
    }
    buf_init(&path, 1 << 16);
    if (strcmp(folder, ".") == 0)
        buf_append_string(&path, "hello.goto.yaml");
    else
        buf_printf(&path, "%s%shello.goto.yaml", folder,
                   folder[strlen(folder) - 1] == '/' ? "" : "/");
    int error = buf_full(&path) ? -ENAMETOOLONG : init_file(path.data);
    if (error == -EEXIST)
        fprintf(stderr, "error: %s is there already; it was left as it is\n", path.data);
    else if (error)
        fprintf(stderr, "error: %s cannot be written: %s\n", path.data, strerror(-error));
    else
        printf("wrote %s; run it with: goto-run %s\n", path.data, path.data);
    buf_clear(&path);
    return error;
}
