/* The CUDA and NVML libraries that Windows mounts in WSL2, in one: a laptop's card under driver 580.88. With -DALONE it is the
 * libcuda of a Linux driver, which finds no card there. Written against the signatures of cuda.h and nvml.h. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef ALONE
int cuInit(unsigned flags) { return 100; }
#else
int cuInit(unsigned flags) { return flags ? 1 : 0; }
#endif
int cuDriverGetVersion(int *version) { return *version = 13000, 0; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGet(int *device, int index) { return *device = index, 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = 6441926656, 0; }
int cuDeviceGetName(char *name, int length, int device) {
    return snprintf(name, length, "NVIDIA GeForce RTX 3060 Laptop GPU"), 0;
}
int cuDeviceGetPCIBusId(char *address, int length, int device) { return snprintf(address, length, "0000:01:00.0"), 0; }
int cuDeviceGetAttribute(int *value, int which, int device) {
    *value = which == 75 ? 8 : which == 76 ? 6 : 0; /* compute capability 8.6, not integrated */
    return 0;
}

#ifndef ALONE
int nvmlInit_v2(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { return snprintf(text, length, "580.88"), 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { return *version = 13000, 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { return *count = 1, 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { return *device = (void *)1, 0; }
int nvmlDeviceGetName(void *device, char *name, unsigned length) {
    return snprintf(name, length, "NVIDIA GeForce RTX 3060 Laptop GPU"), 0;
}
int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) { return *major = 8, *minor = 6, 0; }
int nvmlDeviceGetMemoryInfo(void *device, uint64_t *memory) {
    return memory[0] = memory[1] = 6441926656, memory[2] = 0, 0; /* total, free, used */
}
int nvmlDeviceGetPciInfo_v3(void *device, char *pci) {
    memset(pci, 0, 68); /* nvmlPciInfo_t: the old address, five numbers, the address */
    return strcpy(pci + 36, "00000000:01:00.0"), 0;
}
#endif
