/*
 * The floor of a one-request run: loads the same libraries as goto-run, parses the same YAML, does
 * curl_global_init(), listens, makes one request to itself and exits. Nothing is judged.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pcre2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>
#include <yaml.h>
#include <zlib.h>

static const char answer[] =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";

static void parse(const char *path)
{
    yaml_parser_t parser;
    yaml_event_t event;
    FILE *file = fopen(path, "r");
    int end = 0;
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_file(&parser, file);
    while (!end && yaml_parser_parse(&parser, &event)) {
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    fclose(file);
}

static size_t discard(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char url[64];
    char request[4096];
    int running = 1;
    int connection = -1;
    if (argc < 2)
        return 2;
    parse(argv[1]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 16) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        return 1;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/ok", ntohs(address.sin_port));
    CURLM *multi = curl_multi_init();
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_multi_add_handle(multi, easy);
    while (running) {
        struct pollfd polled = {connection < 0 ? listener : connection, POLLIN, 0};
        curl_multi_perform(multi, &running);
        if (running && poll(&polled, 1, 0) > 0) {
            if (connection < 0)
                connection = accept(listener, NULL, NULL);
            else if (recv(connection, request, sizeof request, 0) > 0)
                running += send(connection, answer, strlen(answer), MSG_NOSIGNAL) < 0;
        }
    }
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    /* names of the other libraries, so that the linker keeps them */
    return status == 200 && uv_version() && zlibVersion() &&
                   pcre2_config_8(PCRE2_CONFIG_JIT, &running) >= 0
               ? 0
               : 1;
}
