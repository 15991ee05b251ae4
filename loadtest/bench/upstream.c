/* upstream: a small, fast OpenAI-like upstream for measuring gateways.
 *
 *   cc -O2 -o upstream upstream.c
 *   ./upstream [-p PORT] [-d ANSWER_DELAY_US] [-t FIRST_CHUNK_DELAY_US] [-s SECONDS_TO_LIVE]
 *
 * One thread, epoll, 127.0.0.1 only. Port 0 (the default) takes a free one; the port is printed on the first line.
 * It stops by itself after SECONDS_TO_LIVE. Every POST is a chat completion, steered by fields of its body:
 *
 *   no "stream": true    one fixed JSON answer of about 1 KB with "usage"
 *   "stream": true       server-sent events; the last chunk carries "usage"
 *   "max_tokens": N      number of content chunks (default 50); "max_completion_tokens", its newer name, where a proxy uses that
 *   "seed": N            microseconds between two chunks (default 0: all of them in one burst)
 *   "user": "fail-NNN"   answer with HTTP status NNN
 *
 * Each content chunk carries its send time as "@<CLOCK_MONOTONIC ns> ", so that a client on the same machine can
 * tell how long the chunk was under way. GET /stats: POSTs seen and connections accepted; any other GET: an empty list.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
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
    BACKLOG = 4096,
    EVENTS_PER_WAIT = 512,
    READ_SIZE = 4096,      /* room kept free in the input buffer before each read */
    FIRST_CAPACITY = 8192, /* first allocation of a buffer */
    FIRST_HEAP = 256,
    DEFAULT_CHUNKS = 50,
    DEFAULT_LIFE_S = 3600,
    ANSWER_TEXT = 700, /* letters in the JSON answer: makes the whole answer about 1 KB */
    NOT_QUEUED = -1,
};

static const uint64_t NS_PER_S = 1000000000ull;
static const uint64_t NS_PER_US = 1000ull;

#define CHUNK_HEAD                                                                                  \
    "data: {\"id\":\"chatcmpl-mock0001\",\"object\":\"chat.completion.chunk\",\"created\":1700000000," \
    "\"model\":\"gpt-4o-mini\",\"choices\":["

static const char CONTENT_CHUNK[] =
    CHUNK_HEAD "{\"index\":0,\"delta\":{\"content\":\"@%llu tok\"},\"finish_reason\":null}]}\n\n";
static const char STOP_CHUNK[] = CHUNK_HEAD "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
static const char USAGE_CHUNK[] =
    CHUNK_HEAD "],\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":50,\"total_tokens\":250}}\n\n";
static const char DONE_CHUNK[] = "data: [DONE]\n\n";
static const char LAST_FRAME[] = "0\r\n\r\n";

static const char STREAM_HEAD[] =
    "HTTP/1.1 200 OK\r\n"
    "content-type: text/event-stream\r\n"
    "cache-control: no-cache\r\n"
    "transfer-encoding: chunked\r\n\r\n";

static const char ANSWER_HEAD[] =
    "HTTP/1.1 200 OK\r\n"
    "content-type: application/json\r\n"
    "x-request-id: req_mock\r\n"
    "x-ratelimit-remaining-requests: 9999\r\n"
    "content-length: %d\r\n\r\n%s";

static const char ANSWER_BODY[] =
    "{\"id\":\"chatcmpl-mock0001\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"gpt-4o-mini\","
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\",\"refusal\":null},"
    "\"logprobs\":null,\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":150,\"total_tokens\":350},"
    "\"system_fingerprint\":\"fp_mock\"}";

static const char PLAIN_HEAD[] =
    "HTTP/1.1 %d %s\r\n"
    "content-type: application/json\r\n"
    "content-length: %zu\r\n\r\n%s";

typedef struct {
    char *data;
    size_t length;
    size_t capacity;
} buffer;

typedef enum { READY, ANSWER_DUE, STREAMING } phase;

typedef struct {
    int fd;
    phase phase;
    bool waits_to_write; /* EPOLLOUT is armed */
    buffer in;
    buffer out;
    size_t sent; /* bytes of `out` the socket has taken */
    long chunks_left;
    uint64_t pace_ns;
    uint64_t due_ns;
    int heap_index;
} conn;

static int poller;
static uint64_t answer_delay_ns;
static uint64_t first_chunk_delay_ns;
static unsigned long posts_seen;
static unsigned long connections_seen;
static char answer[4096];
static size_t answer_length;

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
        die("upstream: memory");
    return grown;
}

/* ---- buffers ---- */

/* Makes room for `extra` more bytes and one closing zero. */
static void reserve(buffer *b, size_t extra)
{
    size_t needed = b->length + extra + 1;
    if (needed <= b->capacity)
        return;
    b->capacity = needed * 2 < FIRST_CAPACITY ? FIRST_CAPACITY : needed * 2;
    b->data = resized(b->data, b->capacity);
}

static void append(buffer *b, const char *bytes, size_t length)
{
    reserve(b, length);
    memcpy(b->data + b->length, bytes, length);
    b->length += length;
}

static void drop_front(buffer *b, size_t length)
{
    b->length -= length;
    memmove(b->data, b->data + length, b->length);
}

/* ---- timers: a binary heap of connections, the next one due on top ---- */

static conn **heap;
static int heap_length;
static int heap_capacity;

static void place(conn *c, int index)
{
    heap[index] = c;
    c->heap_index = index;
}

static void swap(int a, int b)
{
    conn *c = heap[a];
    place(heap[b], a);
    place(c, b);
}

static bool earlier(int a, int b)
{
    return heap[a]->due_ns < heap[b]->due_ns;
}

static void sift_up(int index)
{
    while (index > 0 && earlier(index, (index - 1) / 2)) {
        swap(index, (index - 1) / 2);
        index = (index - 1) / 2;
    }
}

static void sift_down(int index)
{
    for (;;) {
        int left = 2 * index + 1;
        int right = left + 1;
        int first = index;
        if (left < heap_length && earlier(left, first))
            first = left;
        if (right < heap_length && earlier(right, first))
            first = right;
        if (first == index)
            return;
        swap(first, index);
        index = first;
    }
}

static void schedule(conn *c, uint64_t due_ns)
{
    if (heap_length == heap_capacity) {
        heap_capacity = heap_capacity ? heap_capacity * 2 : FIRST_HEAP;
        heap = resized(heap, (size_t)heap_capacity * sizeof *heap);
    }
    c->due_ns = due_ns;
    place(c, heap_length++);
    sift_up(c->heap_index);
}

static void unschedule(conn *c)
{
    int index = c->heap_index;
    if (index == NOT_QUEUED)
        return;
    c->heap_index = NOT_QUEUED;
    heap_length--;
    if (index == heap_length)
        return;
    place(heap[heap_length], index);
    sift_up(index);
    sift_down(index);
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

static void open_conn(int fd)
{
    int on = 1;
    conn *c = resized(NULL, sizeof *c);
    *c = (conn){.fd = fd, .heap_index = NOT_QUEUED};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(c, EPOLL_CTL_ADD);
    connections_seen++;
}

static void close_conn(conn *c)
{
    unschedule(c);
    close(c->fd);
    free(c->in.data);
    free(c->out.data);
    free(c);
}

/* Writes what the socket takes. False: the client is gone and `c` is freed. */
static bool flush(conn *c)
{
    while (c->sent < c->out.length) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.length - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            wait_to_write(c, true);
            return true;
        }
        if (n < 0) {
            close_conn(c);
            return false;
        }
        c->sent += (size_t)n;
    }
    c->sent = 0;
    c->out.length = 0;
    wait_to_write(c, false);
    return true;
}

/* ---- answers ---- */

/* One HTTP chunk, which here is always one event. */
static void put_event(conn *c, const char *event, size_t length)
{
    char size[16];
    int n = snprintf(size, sizeof size, "%zx\r\n", length);
    append(&c->out, size, (size_t)n);
    append(&c->out, event, length);
    append(&c->out, "\r\n", 2);
}

static void put_content(conn *c)
{
    char event[512];
    int n = snprintf(event, sizeof event, CONTENT_CHUNK, (unsigned long long)now_ns());
    put_event(c, event, (size_t)n);
    c->chunks_left--;
}

static void put_end(conn *c)
{
    put_event(c, STOP_CHUNK, sizeof STOP_CHUNK - 1);
    put_event(c, USAGE_CHUNK, sizeof USAGE_CHUNK - 1);
    put_event(c, DONE_CHUNK, sizeof DONE_CHUNK - 1);
    append(&c->out, LAST_FRAME, sizeof LAST_FRAME - 1);
    c->phase = READY;
}

static void put_plain(conn *c, int status, const char *reason, const char *body)
{
    char text[512];
    int n = snprintf(text, sizeof text, PLAIN_HEAD, status, reason, strlen(body), body);
    append(&c->out, text, (size_t)n);
}

static void put_stats(conn *c)
{
    char body[96];
    snprintf(body, sizeof body, "{\"posts\":%lu,\"connections\":%lu}", posts_seen, connections_seen);
    put_plain(c, 200, "OK", body);
}

/* ---- requests ---- */

/* Where the value of a JSON field starts, or NULL. A search is enough: in a prompt the quotes would be escaped. */
static const char *value_of(const char *json, const char *quoted_name)
{
    const char *p = strstr(json, quoted_name);
    if (!p)
        return NULL;
    p += strlen(quoted_name);
    return p + strspn(p, " :");
}

static long number_of(const char *json, const char *quoted_name, long otherwise)
{
    const char *value = value_of(json, quoted_name);
    return value ? strtol(value, NULL, 10) : otherwise;
}

static bool is_true(const char *json, const char *quoted_name)
{
    const char *value = value_of(json, quoted_name);
    return value && strncmp(value, "true", 4) == 0;
}

static void start_answer(conn *c)
{
    if (answer_delay_ns == 0) {
        append(&c->out, answer, answer_length);
        return;
    }
    c->phase = ANSWER_DUE;
    schedule(c, now_ns() + answer_delay_ns);
}

static void start_stream(conn *c, const char *body)
{
    c->phase = STREAMING;
    c->chunks_left = number_of(body, "\"max_tokens\"", number_of(body, "\"max_completion_tokens\"", DEFAULT_CHUNKS));
    c->pace_ns = (uint64_t)number_of(body, "\"seed\"", 0) * NS_PER_US;
    append(&c->out, STREAM_HEAD, sizeof STREAM_HEAD - 1);

    uint64_t first = first_chunk_delay_ns ? first_chunk_delay_ns : c->pace_ns;
    if (first != 0) {
        schedule(c, now_ns() + first);
        return;
    }
    while (c->chunks_left > 0)
        put_content(c);
    put_end(c);
}

static void answer_post(conn *c, const char *body)
{
    posts_seen++;
    const char *failure = strstr(body, "\"fail-");
    if (failure) {
        int status = atoi(failure + strlen("\"fail-"));
        put_plain(c, status, "Mock", "{\"error\":{\"message\":\"mock\",\"type\":\"mock_error\"}}");
    } else if (is_true(body, "\"stream\"")) {
        start_stream(c, body);
    } else {
        start_answer(c);
    }
}

static void answer_get(conn *c, const char *head)
{
    if (strncmp(head, "GET /stats", strlen("GET /stats")) == 0)
        put_stats(c);
    else
        put_plain(c, 200, "OK", "{\"object\":\"list\",\"data\":[]}");
}

/* Length of a whole chunked body, framing included; 0 while it is incomplete. */
static size_t chunked_length(const char *body, size_t available)
{
    size_t at = 0;
    for (;;) {
        const char *line_end = memmem(body + at, available - at, "\r\n", 2);
        if (!line_end)
            return 0;
        size_t size = strtoul(body + at, NULL, 16);
        size_t next = (size_t)(line_end - body) + 2 + size + 2;
        if (next > available)
            return 0;
        if (size == 0)
            return next;
        at = next;
    }
}

/* Length of the body that follows the head; -1 while it is incomplete. */
static ssize_t body_length(const char *head, const char *body, size_t available)
{
    if (strcasestr(head, "\ntransfer-encoding: chunked")) {
        size_t length = chunked_length(body, available);
        return length ? (ssize_t)length : -1;
    }
    const char *field = strcasestr(head, "\ncontent-length:");
    size_t length = field ? strtoul(field + strlen("\ncontent-length:"), NULL, 10) : 0;
    return length <= available ? (ssize_t)length : -1;
}

/* Answers the first request in the input, if it is there whole. True: one was taken.
 * A chunked body is searched with its framing in place: the steering fields come in one piece all the same. */
static bool take_request(conn *c)
{
    if (c->phase != READY || c->in.length == 0)
        return false;
    c->in.data[c->in.length] = 0;
    char *head = c->in.data;
    char *head_end = strstr(head, "\r\n\r\n");
    if (!head_end)
        return false;

    char *body = head_end + 4;
    *head_end = 0;
    ssize_t length = body_length(head, body, c->in.length - (size_t)(body - head));
    if (length < 0) {
        *head_end = '\r';
        return false;
    }

    char after = body[length];
    body[length] = 0;
    if (strncmp(head, "GET", 3) == 0)
        answer_get(c, head);
    else
        answer_post(c, body);
    body[length] = after;
    drop_front(&c->in, (size_t)(body - head) + (size_t)length);
    return true;
}

/* ---- events ---- */

static void on_readable(conn *c)
{
    reserve(&c->in, READ_SIZE);
    ssize_t n = recv(c->fd, c->in.data + c->in.length, c->in.capacity - c->in.length - 1, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close_conn(c);
        return;
    }
    c->in.length += (size_t)n;
    while (take_request(c))
        ;
    if (c->out.length)
        flush(c);
}

/* A pace that fell behind goes on from now: late chunks do not come in a bunch. */
static void on_due(conn *c)
{
    uint64_t planned = c->due_ns + c->pace_ns;
    unschedule(c);
    if (c->phase == ANSWER_DUE) {
        append(&c->out, answer, answer_length);
        c->phase = READY;
    } else {
        put_content(c);
        uint64_t now = now_ns();
        if (c->chunks_left > 0)
            schedule(c, planned > now ? planned : now);
        else
            put_end(c);
    }
    flush(c);
}

static void on_connect(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        open_conn(fd);
}

static void on_event(int listener, const struct epoll_event *e)
{
    conn *c = e->data.ptr;
    if (!c) {
        on_connect(listener);
        return;
    }
    if ((e->events & EPOLLOUT) && !flush(c))
        return;
    if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        on_readable(c);
}

static int wait_for_events(struct epoll_event *events)
{
    if (heap_length == 0)
        return epoll_wait(poller, events, EVENTS_PER_WAIT, -1);
    uint64_t now = now_ns();
    uint64_t left = heap[0]->due_ns > now ? heap[0]->due_ns - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
    return epoll_pwait2(poller, events, EVENTS_PER_WAIT, &timeout, NULL);
}

static void serve(int listener)
{
    static struct epoll_event events[EVENTS_PER_WAIT];
    for (;;) {
        int n = wait_for_events(events);
        for (int i = 0; i < n; i++)
            on_event(listener, &events[i]);
        uint64_t now = now_ns();
        while (heap_length && heap[0]->due_ns <= now)
            on_due(heap[0]);
    }
}

/* ---- start ---- */

static void build_answer(void)
{
    char text[ANSWER_TEXT];
    char body[2048];
    for (int i = 0; i < ANSWER_TEXT - 1; i++)
        text[i] = i % 7 == 6 ? ' ' : (char)('a' + i * 11 % 26);
    text[ANSWER_TEXT - 1] = 0;
    int length = snprintf(body, sizeof body, ANSWER_BODY, text);
    answer_length = (size_t)snprintf(answer, sizeof answer, ANSWER_HEAD, length, body);
}

/* Listens on loopback, says on which port, and registers the listener (the one event without a connection). */
static int open_listener(int port)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, BACKLOG))
        die("upstream: listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    return fd;
}

int main(int argc, char **argv)
{
    int port = 0;
    unsigned life_s = DEFAULT_LIFE_S;
    int option;
    while ((option = getopt(argc, argv, "p:d:t:s:")) != -1) {
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'd': answer_delay_ns = strtoull(optarg, NULL, 10) * NS_PER_US; break;
        case 't': first_chunk_delay_ns = strtoull(optarg, NULL, 10) * NS_PER_US; break;
        case 's': life_s = (unsigned)atoi(optarg); break;
        default: fprintf(stderr, "usage: %s [-p port] [-d us] [-t us] [-s seconds]\n", argv[0]); return 2;
        }
    }
    alarm(life_s);
    build_answer();
    poller = epoll_create1(0);
    serve(open_listener(port));
}
