/* A CUDA driver library with two devices that are parts of one card, or with WHOLE with that card, for the tests: it computes
 * what the kernel would, in main memory, and the second device does so with one FAULT. Written against the signatures of cuda.h; needs no header of
 * anybody else. */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NONE, GARBAGE, NOTHING, CRASH, HANG, REFUSE, FULL };

#ifdef WHOLE
enum { DEVICES = 1 };
#define NAME "NVIDIA A100-SXM4-40GB"
#define BYTES 42949672960
#else
enum { DEVICES = 2 };
#define NAME "NVIDIA A100-SXM4-40GB MIG 2g.10gb"
#define BYTES 10200547328
#endif

static int device_in_use;

int cuInit(unsigned flags) { return flags ? 1 : 0; }
int cuDriverGetVersion(int *version) { return *version = 12040, 0; }
int cuDeviceGetCount(int *count) { return *count = DEVICES, 0; }
int cuDeviceGet(int *device, int index) { return *device = index, 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = BYTES, 0; }

int cuDeviceGetName(char *name, int length, int device) {
    snprintf(name, length, NAME);
    return 0;
}

int cuDeviceGetPCIBusId(char *address, int length, int device) {
    snprintf(address, length, "0000:07:00.0");
    return 0;
}

int cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
    memset(uuid, 0xa0 + device, 16);
    return 0;
}

int cuDeviceGetAttribute(int *value, int which, int device) {
    *value = which == 75 ? 8 : 0; /* compute capability 8.0, not integrated */
    return 0;
}

int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    device_in_use = device;
    *context = &device_in_use;
    return 0;
}

int cuModuleLoadData(void **module, const char *image) {
    if (FAULT == REFUSE && device_in_use == 1)
        return 221; /* no compiler for PTX */
    *module = (void *)image;
    return strstr(image, ".entry square(") ? 0 : 218;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
    *function = module;
    return strcmp(name, "square") ? 500 : 0;
}

static uint32_t memory[4096];

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    *address = (uint64_t)memory;
    return bytes > sizeof memory || (FAULT == FULL && device_in_use == 1) ? 2 : 0;
}

int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) { return memcpy((void *)to, from, bytes), 0; }
int cuCtxSynchronize(void) { return 0; }

int cuLaunchKernel(void *function, unsigned blocks, unsigned by, unsigned bz, unsigned threads, unsigned ty, unsigned tz,
                   unsigned shared, void *stream, void **parameters, void **more) {
    uint32_t *numbers = *(uint32_t **)parameters[0];
    int fault = device_in_use == 1 ? FAULT : NONE;
    if (by * bz * ty * tz != 1)
        return 1;
    if (fault == CRASH) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    while (fault == HANG)
        sleep(3600);
    for (uint32_t index = 0; fault != NOTHING && index < blocks * threads; index++)
        numbers[index] = numbers[index] * numbers[index] + index;
    return 0;
}

int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
    memcpy(to, (void *)from, bytes);
    if (device_in_use == 1 && FAULT == GARBAGE)
        ((uint32_t *)to)[200] ^= 1u << 17;
    return 0;
}
