/* Counts what this thread asks of CPython's allocators: a layer in front of the domains of objects and of their buffers. What is too
   large for these they ask of the raw domain, so a layer there would count it twice. It is loaded into a running interpreter: it
   declares what it needs of pymem.h itself and is built without Python's headers. */

#include <stddef.h>

typedef struct {
    void *ctx;
    void *(*malloc)(void *ctx, size_t size);
    void *(*calloc)(void *ctx, size_t count, size_t size);
    void *(*realloc)(void *ctx, void *at, size_t size);
    void (*free)(void *ctx, void *at);
} Allocator; /* PyMemAllocatorEx */

extern void PyMem_GetAllocator(int domain, Allocator *found);
extern void PyMem_SetAllocator(int domain, Allocator *wanted);

enum { FIRST = 1, LAST = 2 }; /* PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ */

static Allocator below[LAST + 1];
static __thread unsigned long long asked;

static void *counted_malloc(void *ctx, size_t size) {
    Allocator *to = ctx;
    asked++;
    return to->malloc(to->ctx, size);
}

static void *counted_calloc(void *ctx, size_t count, size_t size) {
    Allocator *to = ctx;
    asked++;
    return to->calloc(to->ctx, count, size);
}

static void *counted_realloc(void *ctx, void *at, size_t size) {
    Allocator *to = ctx;
    asked++;
    return to->realloc(to->ctx, at, size);
}

static void passed_free(void *ctx, void *at) {
    Allocator *to = ctx;
    to->free(to->ctx, at);
}

void install(void) {
    for (int domain = FIRST; domain <= LAST; domain++) {
        PyMem_GetAllocator(domain, &below[domain]);
        Allocator layer = {&below[domain], counted_malloc, counted_calloc, counted_realloc, passed_free};
        PyMem_SetAllocator(domain, &layer);
    }
}

void uninstall(void) {
    for (int domain = FIRST; domain <= LAST; domain++)
        PyMem_SetAllocator(domain, &below[domain]);
}

unsigned long long allocations(void) { return asked; }
