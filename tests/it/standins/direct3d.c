/* WSL's libdxcore.so, libd3d12.so and libdirectml.so in one, as far as the DirectML probe calls them: one adapter of
 * hardware, one of software, a Direct3D 12 device of level 12_1 and a DirectML device of level 6.2.
 * FAULT: NONE, REFUSE (no Direct3D 12 device), CRASH (in DMLCreateDevice), EMPTY (success without an object). */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { NONE, REFUSE, CRASH, EMPTY };
#ifndef FAULT
#define FAULT NONE
#endif

typedef struct object { void **table; int number; } object;

static int nothing(void) { return (int)0x80004001u; }

/* IDXCoreAdapter: the properties that are asked for, by number. */
static size_t property(int adapter, uint32_t which, unsigned char *to) {
    static const char *const names[] = {"Stand-in GPU", "Stand-in CPU renderer"};
    const uint32_t luid[2] = {0x77 + (uint32_t)adapter, 0x1};
    const uint64_t driver = 32ull << 48 | 15ull << 16 | 8088;
    const uint32_t hardware[4] = {0x10de, 0x2520, 0, 0};
    const uint64_t memory = 6ull << 30;
    switch (which) {
    case 0: memcpy(to, luid, 8); return 8;
    case 1: memcpy(to, &driver, 8); return 8;
    case 2: strcpy((char *)to, names[adapter]); return strlen(names[adapter]) + 1;
    case 3: memcpy(to, hardware, 16); return 16;
    case 7: memcpy(to, &memory, 8); return 8;
    case 11: to[0] = adapter == 0; return 1;
    case 12: to[0] = 0; return 1;
    default: return 0;
    }
}
static int get_property(object *self, uint32_t which, size_t room, unsigned char *to) {
    unsigned char bytes[64];
    size_t length = property(self->number, which, bytes);
    if (!length || length > room) return (int)0x80070057u;
    memcpy(to, bytes, length);
    return 0;
}
static int get_property_size(object *self, uint32_t which, size_t *length) {
    unsigned char bytes[64];
    *length = property(self->number, which, bytes);
    return *length ? 0 : (int)0x80070057u;
}
static void *adapter_table[] = {nothing, nothing, nothing, nothing, nothing, nothing, get_property, get_property_size};
static object adapters[] = {{adapter_table, 0}, {adapter_table, 1}};

static int get_adapter(object *self, uint32_t number, const void *id, object **out) {
    (void)self, (void)id;
    *out = &adapters[number];
    return 0;
}
static uint32_t adapter_count(object *self) { (void)self; return 2; }
static void *list_table[] = {nothing, nothing, nothing, get_adapter, adapter_count};
static object list = {list_table, 0};

static int create_list(object *self, uint32_t count, const void *uses, const void *id, object **out) {
    (void)self, (void)count, (void)uses, (void)id;
    *out = &list;
    return 0;
}
static void *factory_table[] = {nothing, nothing, nothing, create_list};
static object factory = {factory_table, 0};

int DXCoreCreateAdapterFactory(const void *id, object **out) {
    (void)id;
    *out = FAULT == EMPTY ? NULL : &factory;
    return 0;
}

/* ID3D12Device::CheckFeatureSupport knows the feature levels up to 12_1, as an older runtime does, and the architecture. */
static int device_supports(object *self, uint32_t feature, void *data, uint32_t size) {
    (void)self, (void)size;
    if (feature == 1) {
        ((uint32_t *)data)[2] = 0;
        return 0;
    }
    struct { uint32_t count; const uint32_t *asked; uint32_t highest; } *levels = data;
    for (uint32_t number = 0; number < levels->count; number++) {
        if (levels->asked[number] > 0xc100) return (int)0x80070057u;
        levels->highest = levels->asked[number];
    }
    return 0;
}
static void *device_table[] = {nothing, nothing, nothing, nothing, nothing, nothing, nothing,
                               nothing, nothing, nothing, nothing, nothing, nothing, device_supports};
static object device = {device_table, 0};

int D3D12CreateDevice(object *adapter, uint32_t level, const void *id, object **out) {
    (void)adapter, (void)level, (void)id;
    if (FAULT == REFUSE) return (int)0x887a0004u;
    *out = &device;
    return 0;
}

static int operators_support(object *self, uint32_t feature, uint32_t size, const void *query, uint32_t room, uint32_t *to) {
    (void)self, (void)feature, (void)size, (void)room;
    const struct { uint32_t count; const uint32_t *asked; } *levels = query;
    if (levels->asked[levels->count - 1] > 0x6200) return (int)0x80070057u;
    *to = levels->asked[levels->count - 1];
    return 0;
}
static void *operators_table[] = {nothing, nothing, nothing, nothing, nothing, nothing, nothing, operators_support};
static object operators = {operators_table, 0};

int DMLCreateDevice(object *on, uint32_t flags, const void *id, object **out) {
    (void)on, (void)flags, (void)id;
    if (FAULT == CRASH) *(volatile int *)0 = 1;
    *out = &operators;
    return 0;
}
