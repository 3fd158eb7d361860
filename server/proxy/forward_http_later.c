/* In the place of forward_http.c, until that is merged. */
#include "server/http/exchange.h"
#include "server/http/respond.h"
#include "server/proxy/forward.h"

void forward_http_start(struct exchange *exchange, const struct forward_job *job)
{
    const struct respond_job answer = {.forced_status = 502, .delay_ns = job->delay_ns};
    respond_start(exchange, &answer);
}
