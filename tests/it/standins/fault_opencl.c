/* The OpenCL driver of opencl_icd.c as a CPU's, with one device, but for the fault that fault.h names. */
#include "fault.h"

#define FAULT 0
#define clGetExtensionFunctionAddress healthy_function
#define clGetPlatformInfo healthy_platform_info
#include "opencl_icd.c"
#undef clGetExtensionFunctionAddress
#undef clGetPlatformInfo

/* What is wrong with a text or its length; what is right otherwise. */
static status faulty_text(const char *text, size_t room, void *to, size_t *needed) {
    char garbage[256];
    if (fault_is("garbage") || fault_is("unterminated"))
        for (int place = 0; place < 256; place++)
            garbage[place] = fault_is("garbage") ? (char)(place * 167 + 13) : 'A';
    if (fault_is("garbage") || fault_is("unterminated"))
        return told(garbage, sizeof garbage, room, to, needed);
    return told(text, strlen(text) + 1, room, to, needed);
}

static status faulty_platforms(uint32_t room, handle *to, uint32_t *count) {
    long code = fault_at("init");
    if (code)
        return (status)code;
    status answer = platforms(room, to, count);
    if (fault_is("platforms") && count)
        *count = 0xffffffff;
    return answer;
}

static status faulty_devices(handle of, uint64_t kind, uint32_t room, handle *to, uint32_t *count) {
    long code = fault_at("list");
    if (code)
        return (status)code;
    if (!(kind & 2))
        return -1;
    if (fault_is("vanish") && to)
        return -1;
    if (count)
        *count = fault_is("zero") ? 0 : fault_is("billions") ? 0xffffffff : 1;
    if (to && room)
        to[0] = &devices[0];
    return 0;
}

static status faulty_device_info(handle of, uint32_t what, size_t room, void *to, size_t *needed) {
    switch (what) {
    case 0x1000: return WORD(uint64_t, 2);
    case 0x102B: return faulty_text("Faulty processor", room, to, needed);
    case 0x102D: return faulty_text("1.0", room, to, needed);
    case 0x4037: return -30;
    }
    return device_info(of, what, room, to, needed);
}

__attribute__((constructor)) static void refill(void) {
    table[0] = faulty_platforms;
    table[2] = faulty_devices;
    table[3] = faulty_device_info;
}

void *clGetExtensionFunctionAddress(const char *name) {
    return strcmp(name, "clIcdGetPlatformIDsKHR") ? 0 : (void *)faulty_platforms;
}

status clGetPlatformInfo(handle of, uint32_t what, size_t room, void *to, size_t *needed) {
    return platform_info(of, what, room, to, needed);
}
