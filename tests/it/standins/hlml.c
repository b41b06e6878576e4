/* HLML with two Gaudi cards, as its header declares it. FAULT=LOST loses them, FAULT=CRASH dies. */
#include <stdio.h>
#include <string.h>

#define LOST 1
#define CRASH 2
#ifndef FAULT
#define FAULT 0
#endif

typedef struct {
    unsigned bus;
    char bus_id[15];
    unsigned device, domain, pci_device_id;
    char link_speed[10], link_width[10];
} pci_info;

typedef struct {
    unsigned long long free, total, used;
} memory_info;

static int initialised;

int hlml_init(void) {
    if (FAULT == CRASH)
        *(volatile int *)0 = 1;
    initialised = 1;
    return 0;
}

int hlml_device_get_count(unsigned *count) {
    *count = 2;
    return initialised ? 0 : 1;
}

int hlml_device_get_handle_by_index(unsigned index, void **device) {
    *device = (void *)(unsigned long)(index + 1);
    return FAULT == LOST ? 15 : 0;
}

int hlml_device_get_name(void *device, char *name, unsigned length) {
    snprintf(name, length, "HL-225");
    return device ? 0 : 2;
}

int hlml_device_get_pci_info(void *device, pci_info *pci) {
    memset(pci, 0, sizeof *pci);
    snprintf(pci->bus_id, sizeof pci->bus_id, "0000:%s:00.0", device == (void *)1 ? "33" : "9A");
    return 0;
}

int hlml_device_get_memory_info(void *device, memory_info *memory) {
    memory->total = device ? 96ull << 30 : 0;
    return 0;
}

int hlml_get_driver_version(char *version, unsigned length) {
    snprintf(version, length, "1.18.0-ee698fb");
    return 0;
}
