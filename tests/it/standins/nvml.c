/* An NVML with one card, for the tests: the whole one of libcuda_computes.c. Written against the signatures of nvml.h; needs
 * no header of anybody else. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device, pci_subsystem;
    char bus_id[32];
} Pci;

typedef struct {
    unsigned long long total, unused, used;
} Memory;

int nvmlInit_v2(void) { return 0; }
int nvmlInitWithFlags(unsigned flags) { return (void)flags, 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return (void)code, "stand-in"; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { return *version = 12040, 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { return *count = 1, 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { return *device = "card", index ? 2 : 0; }

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    snprintf(version, length, "551.61");
    return 0;
}

int nvmlDeviceGetName(void *device, char *name, unsigned length) {
    (void)device;
    snprintf(name, length, "NVIDIA A100-SXM4-40GB");
    return 0;
}

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length) {
    (void)device;
    snprintf(uuid, length, "GPU-a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0");
    return 0;
}

int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) {
    (void)device;
    return *major = 8, *minor = 0;
}

int nvmlDeviceGetMemoryInfo(void *device, Memory *memory) {
    (void)device;
    *memory = (Memory){42949672960, 42949672960, 0};
    return 0;
}

int nvmlDeviceGetPciInfo_v3(void *device, Pci *pci) {
    (void)device;
    memset(pci, 0, sizeof *pci);
    pci->bus = 7;
    pci->pci_device = 0x20b010de;
    snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "0000:07:00.0");
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:07:00.0");
    return 0;
}
