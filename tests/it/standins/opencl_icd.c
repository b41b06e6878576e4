/* An OpenCL driver with two equal GPUs, for the tests: it computes what the kernel would, in main memory; with FAULT its
 * second GPU flips a bit. Written against the order of the functions in cl_khr_icd; no header of anybody else is needed. */
#include <stdint.h>
#include <string.h>

typedef int32_t status;
typedef void *handle;

/* What a loader asks of every object: that it begins with the table of functions. */
struct object {
    void **table;
};

static void *table[160];
static struct object platform = {table}, devices[2] = {{table}, {table}}, context = {table}, queue = {table},
                     program = {table}, kernel = {table}, buffer = {table}, event = {table};
static int in_use;
static uint32_t memory[4096];

static status told(const void *value, size_t length, size_t room, void *to, size_t *needed) {
    if (needed)
        *needed = length;
    if (to && room < length)
        return -30;
    if (to)
        memcpy(to, value, length);
    return 0;
}

#define TEXT(text) told(text, sizeof text, room, to, needed)
#define WORD(type, word) told(&(type){word}, sizeof(type), room, to, needed)

static status platforms(uint32_t room, handle *to, uint32_t *count) {
    if (count)
        *count = 1;
    if (to && room)
        *to = &platform;
    return 0;
}

static status platform_info(handle of, uint32_t what, size_t room, void *to, size_t *needed) {
    switch (what) {
    case 0x0900: return TEXT("FULL_PROFILE");
    case 0x0901: return TEXT("OpenCL 2.1 ");
    case 0x0902: return TEXT("A stand-in");
    case 0x0903: return TEXT("Tests");
    case 0x0904: return TEXT("cl_khr_icd");
    case 0x0920: return TEXT("TEST");
    }
    return -30;
}

static status list_devices(handle of, uint64_t kind, uint32_t room, handle *to, uint32_t *count) {
    if (count)
        *count = 2;
    for (uint32_t place = 0; to && place < room && place < 2; place++)
        to[place] = &devices[place];
    return 0;
}

static status device_info(handle of, uint32_t what, size_t room, void *to, size_t *needed) {
    int second = of == &devices[1];
    /* Type PCI in the first word; bus, device and function in the last three bytes. */
    unsigned char topology[24] = {1, [21] = 3 + second};
    unsigned char uuid[16] = {0xb0, second};
    switch (what) {
    case 0x1000: return WORD(uint64_t, 4);
    case 0x1001: return WORD(uint32_t, 0x1002);
    case 0x1003: return WORD(uint32_t, 3);
    case 0x101F: return WORD(uint64_t, 17163091968);
    case 0x1035: return WORD(uint32_t, 0);
    case 0x102B: return TEXT("gfx1100");
    case 0x102D: return TEXT("3590.0");
    case 0x102F: return TEXT("OpenCL 2.1 ");
    case 0x4037: return told(topology, sizeof topology, room, to, needed);
    case 0x106A: return told(uuid, sizeof uuid, room, to, needed);
    case 0x106C: return WORD(uint32_t, 0);
    }
    return -30;
}

static handle create_context(void *properties, uint32_t count, handle *of, void *notify, void *data, status *error) {
    in_use = *of == &devices[1];
    *error = 0;
    return &context;
}

static handle create_queue(handle in, handle of, uint64_t properties, status *error) { return *error = 0, &queue; }
static handle create_program(handle in, uint32_t count, char **text, size_t *length, status *error) {
    return *error = 0, &program;
}
static handle create_kernel(handle of, char *name, status *error) { return *error = 0, &kernel; }
static handle create_buffer(handle in, uint64_t flags, size_t bytes, void *host, status *error) {
    *error = bytes > sizeof memory ? -4 : 0;
    return &buffer;
}
static status yes(void) { return 0; }

static status enqueue_read(handle on, handle from, uint32_t wait, size_t offset, size_t bytes, void *to, uint32_t before,
                           handle *list, handle *done) {
    memcpy(to, memory, bytes);
    if (in_use && FAULT)
        ((uint32_t *)to)[9] ^= 1u << 17;
    if (done)
        *done = &event;
    return 0;
}

static status enqueue_write(handle on, handle to, uint32_t wait, size_t offset, size_t bytes, void *from, uint32_t before,
                            handle *list, handle *done) {
    memcpy(memory, from, bytes);
    if (done)
        *done = &event;
    return 0;
}

static status enqueue_kernel(handle on, handle what, uint32_t dimensions, size_t *offset, size_t *size, size_t *group,
                             uint32_t before, handle *list, handle *done) {
    for (uint32_t index = 0; index < *size; index++)
        memory[index] = memory[index] * memory[index] + index;
    if (done)
        *done = &event;
    return 0;
}

static status icd_platforms(uint32_t room, handle *to, uint32_t *count) { return platforms(room, to, count); }

__attribute__((constructor)) static void fill(void) {
    for (int place = 0; place < 160; place++)
        table[place] = yes;
    table[0] = platforms;
    table[1] = platform_info;
    table[2] = list_devices;
    table[3] = device_info;
    table[4] = create_context;
    table[9] = create_queue;
    table[14] = create_buffer;
    table[26] = create_program;
    table[34] = create_kernel;
    table[48] = enqueue_read;
    table[49] = enqueue_write;
    table[59] = enqueue_kernel;
}

void *clGetExtensionFunctionAddress(const char *name) {
    return strcmp(name, "clIcdGetPlatformIDsKHR") ? 0 : (void *)icd_platforms;
}

status clGetPlatformInfo(handle of, uint32_t what, size_t room, void *to, size_t *needed) {
    return platform_info(of, what, room, to, needed);
}
