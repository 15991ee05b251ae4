/* loadgen: an HTTP/1.1 load generator for gateways that understands server-sent events.
 *
 *   cc -O2 -o loadgen loadgen.c
 *   ./loadgen -p PORT [-u PATH] [-b BODY_FILE] [-H 'Name: value']... [-c CONNECTIONS]
 *             [-t SECONDS] [-w WARMUP_SECONDS] [-r RATE] [-n MAX_REQUESTS] [-v MARK] [-d]
 *
 * One thread, epoll, 127.0.0.1 only; prints one JSON object. Without -b it sends GET.
 *
 *   no -r   closed loop: each connection sends its next request when the last one is answered
 *   -r N    N requests a second, evenly spaced; a request that finds no free connection waits in line, and its
 *           latency counts from the planned time all the same, so a slow server cannot hide its queue
 *   -v MARK MARK stands once in the body; each request has a number of its own in its place, as wide and never used
 *           before on this machine, so that no two bodies are alike
 *   -d      closed loop: at the end, answers under way are waited for, so that what they cost is shared by all of them
 *
 * Latencies are those of requests that ended after the warm-up. "chunk_delay" is receive time minus the
 * "@<CLOCK_MONOTONIC ns>" stamp that upstream.c puts into each content chunk; "ttft" is planned start to first stamp.
 * Totals ("total_requests", "total_chunks") include the warm-up: divide the CPU of a whole run by them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_PER_WAIT = 512,
    READ_SIZE = 256 * 1024,
    HEAD_SIZE = 8192,           /* longest response head that is understood */
    HEADERS_SIZE = 4096,        /* all -H options together */
    STAMP_DIGITS = 12,          /* fewer digits after an '@' are not a time stamp */
    FIRST_SAMPLES = 65536,      /* first allocation of a series */
    MAX_SAMPLES = 1 << 25,      /* a series ends here: 128 MB */
    QUEUE_SIZE = 1 << 20,       /* requests that can wait for a connection */
    NS_PER_UNIT = 100,          /* samples are kept in tenths of a microsecond */
};

static const uint64_t NS_PER_S = 1000000000ull;
static const uint64_t LONGEST_WAIT_NS = 100000000ull; /* so that the end of the run is noticed */
static const uint64_t DRAIN_NS = 2000000000ull;       /* grace for the last requests of a fixed-rate run */
static const double LONGEST_RUN_S = 300;
static const long UNTIL_CLOSE = -1; /* a body with neither a length nor chunks */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void *resized(void *memory, size_t size)
{
    void *grown = realloc(memory, size);
    if (!grown)
        die("loadgen: memory");
    return grown;
}

/* ---- series of durations ---- */

typedef struct {
    uint32_t *units;
    size_t length;
    size_t capacity;
} series;

static series latency;
static series ttft;
static series chunk_delay;

static void record(series *s, uint64_t ns)
{
    uint64_t units = ns / NS_PER_UNIT;
    if (s->length == MAX_SAMPLES)
        return;
    if (s->length == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : FIRST_SAMPLES;
        s->units = resized(s->units, s->capacity * sizeof *s->units);
    }
    s->units[s->length++] = units > UINT32_MAX ? UINT32_MAX : (uint32_t)units;
}

static int compare_units(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double microseconds(double units)
{
    return units * NS_PER_UNIT / 1000;
}

static double quantile(const series *sorted, double q)
{
    return microseconds(sorted->units[(size_t)((double)(sorted->length - 1) * q)]);
}

static void print_series(const char *name, series *s)
{
    if (s->length == 0) {
        printf(",\"%s\":null", name);
        return;
    }
    double sum = 0;
    for (size_t i = 0; i < s->length; i++)
        sum += s->units[i];
    qsort(s->units, s->length, sizeof *s->units, compare_units);
    printf(",\"%s\":{\"n\":%zu,\"mean\":%.1f", name, s->length, microseconds(sum / (double)s->length));
    printf(",\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f", quantile(s, 0.5), quantile(s, 0.9), quantile(s, 0.99));
    printf(",\"p999\":%.1f,\"max\":%.1f}", quantile(s, 0.999), quantile(s, 1));
}

/* ---- the run ---- */

typedef enum { IDLE, SENDING, READING_HEAD, READING_BODY } phase;
typedef enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, TRAILER } chunk_part;

typedef struct {
    int fd;
    phase phase;
    bool waits_to_write; /* EPOLLOUT is armed */
    size_t sent;         /* bytes of the request the socket has taken */
    uint64_t number;     /* of the request, where each has one */
    uint64_t planned_ns;

    char head[HEAD_SIZE];
    size_t head_length;
    int status;
    bool closes;
    bool chunked;
    long body_left; /* of a body with a length */
    chunk_part part;
    size_t chunk_left;
    bool line_is_empty; /* of the trailer line being read */

    bool in_stamp;
    int stamp_digits;
    uint64_t stamp_ns;
    bool stamp_seen; /* the first one of this answer */
} conn;

typedef struct {
    int port;
    const char *path;
    const char *body_file;
    char headers[HEADERS_SIZE];
    int connections;
    double seconds;
    double warmup_s;
    double rate; /* 0: closed loop */
    unsigned long max_requests;
    const char *mark;
    bool drains;
} options;

typedef struct {
    unsigned long requests;
    unsigned long chunks;
    uint64_t bytes;
} progress;

static options opt = {
    .path = "/v1/chat/completions", .connections = 1, .seconds = 5, .warmup_s = 1, .max_requests = ~0ul};
static struct sockaddr_in server;
static int poller;
static conn *conns;
static char *request;
static size_t request_length;
static char *mark_place; /* in the request; NULL: all requests are alike */
static uint64_t next_number;

static progress total;
static unsigned long started;
static unsigned long errors;
static unsigned long not_2xx;
static unsigned long reconnects;
static bool recording; /* the warm-up is over */
static uint64_t end_ns;

static conn **free_conns; /* fixed rate: a stack of connections with nothing to do */
static int free_count;
static uint64_t *queue; /* fixed rate: planned times of requests that wait for a connection, a ring */
static size_t queue_head;
static size_t queue_tail;

static bool closed_loop(void)
{
    return opt.rate <= 0;
}

/* ---- connections ---- */

static void watch(conn *c, int operation)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (c->waits_to_write)
        e.events |= EPOLLOUT;
    epoll_ctl(poller, operation, c->fd, &e);
}

static void wait_to_write(conn *c, bool wanted)
{
    if (c->waits_to_write == wanted)
        return;
    c->waits_to_write = wanted;
    watch(c, EPOLL_CTL_MOD);
}

static void open_conn(conn *c)
{
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        die("loadgen: socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        die("loadgen: connect");
    c->waits_to_write = true;
    watch(c, EPOLL_CTL_ADD);
}

static void reopen_conn(conn *c)
{
    close(c->fd);
    reconnects++;
    open_conn(c);
}

/* ---- requests ---- */

/* The bytes are shared by all connections, so a connection's own number is put in before each of its writes. */
static void put_number(uint64_t number)
{
    for (size_t i = strlen(opt.mark); i-- > 0; number /= 10)
        mark_place[i] = (char)('0' + number % 10);
}

static void send_request(conn *c)
{
    while (c->sent < request_length) {
        if (mark_place)
            put_number(c->number);
        ssize_t n = send(c->fd, request + c->sent, request_length - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN || errno == ENOTCONN)
                wait_to_write(c, true);
            return; /* any other failure shows when the socket is read */
        }
        c->sent += (size_t)n;
    }
    wait_to_write(c, false);
    c->phase = READING_HEAD;
}

static void start_request(conn *c, uint64_t planned_ns)
{
    c->planned_ns = planned_ns;
    c->phase = SENDING;
    c->sent = 0;
    c->number = next_number++;
    c->head_length = 0;
    c->part = CHUNK_SIZE;
    c->chunk_left = 0;
    c->closes = false;
    c->in_stamp = false;
    c->stamp_seen = false;
    send_request(c);
}

/* Gives a connection its next request, if there is one for it. */
static void next_request(conn *c)
{
    c->phase = IDLE;
    if (!closed_loop()) {
        if (queue_head != queue_tail)
            start_request(c, queue[queue_head++ % QUEUE_SIZE]);
        else
            free_conns[free_count++] = c;
        return;
    }
    uint64_t now = now_ns();
    if (now < end_ns && started < opt.max_requests) {
        started++;
        start_request(c, now);
    }
}

static void request_done(conn *c)
{
    total.requests++;
    if (c->status < 200 || c->status > 299)
        not_2xx++;
    if (recording)
        record(&latency, now_ns() - c->planned_ns);
    if (c->closes)
        reopen_conn(c);
    next_request(c);
}

static void request_failed(conn *c)
{
    errors++;
    reopen_conn(c);
    next_request(c);
}

/* Starts every request whose planned time has come; returns the next planned time. */
static uint64_t start_planned(uint64_t planned_ns, uint64_t now)
{
    uint64_t gap = (uint64_t)((double)NS_PER_S / opt.rate);
    while (planned_ns <= now && planned_ns < end_ns && started < opt.max_requests) {
        started++;
        if (free_count)
            start_request(free_conns[--free_count], planned_ns);
        else if (queue_tail - queue_head < QUEUE_SIZE)
            queue[queue_tail++ % QUEUE_SIZE] = planned_ns;
        planned_ns += gap;
    }
    return planned_ns;
}

/* ---- answers ---- */

static void stamp_ended(conn *c, uint64_t received_ns)
{
    c->in_stamp = false;
    if (c->stamp_digits < STAMP_DIGITS)
        return;
    total.chunks++;
    if (recording)
        record(&chunk_delay, received_ns > c->stamp_ns ? received_ns - c->stamp_ns : 0);
    if (recording && !c->stamp_seen)
        record(&ttft, received_ns - c->planned_ns);
    c->stamp_seen = true;
}

/* Finds the time stamps in a piece of a body; a stamp may be split over two pieces. */
static void scan_payload(conn *c, const char *bytes, size_t length, uint64_t received_ns)
{
    const char *end = bytes + length;
    total.bytes += length;
    for (const char *p = bytes; p < end; p++) {
        if (!c->in_stamp) {
            p = memchr(p, '@', (size_t)(end - p));
            if (!p)
                return;
            c->in_stamp = true;
            c->stamp_digits = 0;
            c->stamp_ns = 0;
        } else if (*p >= '0' && *p <= '9') {
            c->stamp_ns = c->stamp_ns * 10 + (uint64_t)(*p - '0');
            c->stamp_digits++;
        } else {
            stamp_ended(c, received_ns);
        }
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static void chunk_size_ended(conn *c)
{
    c->part = c->chunk_left ? CHUNK_DATA : TRAILER;
    c->line_is_empty = true;
}

/* One byte of chunked framing. True: it was the last byte of the body. */
static bool take_framing(conn *c, char byte)
{
    switch (c->part) {
    case CHUNK_SIZE:
        if (byte == '\n')
            chunk_size_ended(c);
        else if (byte == ';')
            c->part = CHUNK_EXTENSION;
        else if (byte != '\r')
            c->chunk_left = c->chunk_left * 16 + hex_digit(byte);
        return false;
    case CHUNK_EXTENSION:
        if (byte == '\n')
            chunk_size_ended(c);
        return false;
    case CHUNK_DATA_END:
        if (byte == '\n')
            c->part = CHUNK_SIZE;
        return false;
    default: /* TRAILER: lines up to an empty one */
        if (byte == '\n' && c->line_is_empty)
            return true;
        if (byte != '\r')
            c->line_is_empty = byte == '\n';
        return false;
    }
}

/* True: the body is complete. */
static bool take_chunked(conn *c, const char *bytes, size_t length, uint64_t received_ns)
{
    while (length > 0) {
        size_t taken = 1;
        if (c->part == CHUNK_DATA) {
            taken = smaller(length, c->chunk_left);
            scan_payload(c, bytes, taken, received_ns);
            c->chunk_left -= taken;
            if (c->chunk_left == 0)
                c->part = CHUNK_DATA_END;
        } else if (take_framing(c, *bytes)) {
            return true;
        }
        bytes += taken;
        length -= taken;
    }
    return false;
}

/* True: the body is complete. */
static bool take_body(conn *c, const char *bytes, size_t length, uint64_t received_ns)
{
    if (c->chunked)
        return take_chunked(c, bytes, length, received_ns);
    if (c->body_left == UNTIL_CLOSE) {
        scan_payload(c, bytes, length, received_ns);
        return false;
    }
    size_t taken = smaller(length, (size_t)c->body_left);
    scan_payload(c, bytes, taken, received_ns);
    c->body_left -= (long)taken;
    return c->body_left == 0;
}

static void parse_head(conn *c)
{
    const char *length = strcasestr(c->head, "\ncontent-length:");
    c->status = atoi(c->head + strlen("HTTP/1.1 "));
    c->chunked = strcasestr(c->head, "\ntransfer-encoding: chunked") != NULL;
    c->closes = strcasestr(c->head, "\nconnection: close") != NULL;
    c->body_left = length ? atol(length + strlen("\ncontent-length:")) : UNTIL_CLOSE;
    c->phase = READING_BODY;
}

/* True: the answer is complete, which it can be without a body. */
static bool take_head(conn *c, const char *bytes, size_t length, uint64_t received_ns)
{
    size_t before = c->head_length;
    size_t room = HEAD_SIZE - 1 - before;
    size_t copied = smaller(length, room);
    memcpy(c->head + before, bytes, copied);
    c->head_length += copied;
    c->head[c->head_length] = 0;

    char *end = strstr(c->head, "\r\n\r\n");
    if (!end)
        return false;
    end[2] = 0;
    parse_head(c);
    size_t skip = (size_t)(end + 4 - c->head) - before;
    if (c->body_left == 0 && !c->chunked)
        return true;
    return take_body(c, bytes + skip, length - skip, received_ns);
}

static void on_closed(conn *c)
{
    if (c->phase == IDLE) {
        reopen_conn(c);
    } else if (c->phase == READING_BODY && !c->chunked && c->body_left == UNTIL_CLOSE) {
        c->closes = true;
        request_done(c);
    } else {
        request_failed(c);
    }
}

static void on_readable(conn *c)
{
    static char bytes[READ_SIZE];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    uint64_t received_ns = now_ns();
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        on_closed(c);
        return;
    }
    bool complete = c->phase == READING_BODY ? take_body(c, bytes, (size_t)n, received_ns)
                                             : take_head(c, bytes, (size_t)n, received_ns);
    if (complete)
        request_done(c);
}

static void on_event(const struct epoll_event *e)
{
    conn *c = e->data.ptr;
    if (e->events & EPOLLOUT) {
        if (c->phase == SENDING)
            send_request(c);
        else
            wait_to_write(c, false);
    }
    if (e->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        on_readable(c);
}

/* ---- start, loop, report ---- */

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *bytes = resized(NULL, size + 1);
    *length = fread(bytes, 1, size, file);
    fclose(file);
    return bytes;
}

static void build_request(void)
{
    static const char get_head[] = "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n";
    static const char post_head[] =
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n";
    size_t body_length = 0;
    char *body = opt.body_file ? read_file(opt.body_file, &body_length) : NULL;
    size_t room = HEADERS_SIZE + strlen(opt.path) + sizeof post_head + 64;
    request = resized(NULL, room + body_length);

    const char *format = body ? post_head : get_head;
    request_length = (size_t)snprintf(request, room, format, opt.path, opt.port, opt.headers, body_length);
    if (body)
        memcpy(request + request_length, body, body_length);
    request_length += body_length;
    free(body);
}

static void find_mark(void)
{
    if (!opt.mark)
        return;
    mark_place = memmem(request, request_length, opt.mark, strlen(opt.mark));
    if (!mark_place) {
        fprintf(stderr, "loadgen: the body has no '%s'\n", opt.mark);
        exit(2);
    }
    next_number = now_ns() / 1000; /* slower than a request a microsecond, the numbers of two runs do not meet */
}

static void open_all(void)
{
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)opt.port);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    poller = epoll_create1(0);
    queue = resized(NULL, QUEUE_SIZE * sizeof *queue);
    free_conns = resized(NULL, (size_t)opt.connections * sizeof *free_conns);
    conns = calloc((size_t)opt.connections, sizeof *conns);
    if (!conns)
        die("loadgen: memory");
    for (int i = 0; i < opt.connections; i++) {
        open_conn(&conns[i]);
        next_request(&conns[i]);
    }
}

static int count_in_flight(void)
{
    int count = 0;
    for (int i = 0; i < opt.connections; i++)
        count += conns[i].phase != IDLE;
    return count;
}

static bool finished(uint64_t now)
{
    if (total.requests + errors >= opt.max_requests)
        return true;
    if (closed_loop())
        return now >= end_ns && (!opt.drains || count_in_flight() == 0);
    return now >= end_ns + DRAIN_NS || (now >= end_ns && free_count == opt.connections);
}

static void wait_for_events(uint64_t planned_ns, uint64_t now)
{
    static struct epoll_event events[EVENTS_PER_WAIT];
    uint64_t wait_ns = LONGEST_WAIT_NS;
    if (!closed_loop() && planned_ns < end_ns && planned_ns < now + wait_ns)
        wait_ns = planned_ns > now ? planned_ns - now : 0;
    struct timespec timeout = {.tv_nsec = (long)wait_ns};
    int n = epoll_pwait2(poller, events, EVENTS_PER_WAIT, &timeout, NULL);
    for (int i = 0; i < n; i++)
        on_event(&events[i]);
}

/* Runs to the end; returns where the measured part began and fills in what had happened before it. */
static uint64_t run(uint64_t start_ns, progress *warmup)
{
    uint64_t planned_ns = start_ns;
    uint64_t recording_since = start_ns;
    uint64_t warm_ns = start_ns + (uint64_t)(opt.warmup_s * (double)NS_PER_S);
    for (;;) {
        uint64_t now = now_ns();
        if (!recording && now >= warm_ns) {
            recording = true;
            recording_since = now;
            *warmup = total;
        }
        if (finished(now))
            return recording_since;
        if (!closed_loop())
            planned_ns = start_planned(planned_ns, now);
        wait_for_events(planned_ns, now);
    }
}

static void report(const progress *warmup, double seconds)
{
    unsigned long requests = total.requests - warmup->requests;
    double megabytes = (double)(total.bytes - warmup->bytes) / 1e6;
    printf("{\"requests\":%lu,\"total_requests\":%lu", requests, total.requests);
    printf(",\"errors\":%lu,\"non2xx\":%lu,\"reconnects\":%lu", errors, not_2xx, reconnects);
    printf(",\"in_flight\":%d,\"seconds\":%.3f", count_in_flight(), seconds);
    printf(",\"rps\":%.1f,\"MBps\":%.2f", (double)requests / seconds, megabytes / seconds);
    printf(",\"chunks\":%lu,\"total_chunks\":%lu", total.chunks - warmup->chunks, total.chunks);
    print_series("latency_us", &latency);
    print_series("ttft_us", &ttft);
    print_series("chunk_delay_us", &chunk_delay);
    printf("}\n");
}

static void add_header(const char *header)
{
    size_t used = strlen(opt.headers);
    size_t needed = (size_t)snprintf(opt.headers + used, HEADERS_SIZE - used, "%s\r\n", header);
    if (needed >= HEADERS_SIZE - used) {
        fprintf(stderr, "loadgen: headers longer than %d bytes\n", HEADERS_SIZE);
        exit(2);
    }
}

static void parse_options(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "p:u:b:H:c:t:w:r:n:v:d")) != -1) {
        switch (option) {
        case 'p': opt.port = atoi(optarg); break;
        case 'u': opt.path = optarg; break;
        case 'b': opt.body_file = optarg; break;
        case 'H': add_header(optarg); break;
        case 'c': opt.connections = atoi(optarg); break;
        case 't': opt.seconds = atof(optarg); break;
        case 'w': opt.warmup_s = atof(optarg); break;
        case 'r': opt.rate = atof(optarg); break;
        case 'n': opt.max_requests = strtoul(optarg, NULL, 10); break;
        case 'v': opt.mark = optarg; break;
        case 'd': opt.drains = true; break;
        default: exit(2);
        }
    }
    if (opt.seconds > LONGEST_RUN_S)
        opt.seconds = LONGEST_RUN_S;
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    build_request();
    find_mark();

    progress warmup = {0};
    uint64_t start_ns = now_ns();
    end_ns = start_ns + (uint64_t)((opt.warmup_s + opt.seconds) * (double)NS_PER_S);
    open_all();
    uint64_t since = run(start_ns, &warmup);
    uint64_t until = now_ns();
    if (!closed_loop() && until > end_ns)
        until = end_ns;
    report(&warmup, (double)(until - since) / (double)NS_PER_S);
}
