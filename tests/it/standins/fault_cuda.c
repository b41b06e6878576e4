/* The CUDA driver library of libcuda_computes.c with its whole card, but for the fault that fault.h names. */
#include "fault.h"

#define WHOLE
#define FAULT NONE
#define cuInit healthy_init
#define cuDeviceGetCount healthy_count
#define cuDeviceGet healthy_get
#define cuDeviceGetName healthy_name
#include "libcuda_computes.c"
#undef cuInit
#undef cuDeviceGetCount
#undef cuDeviceGet
#undef cuDeviceGetName

int cuInit(unsigned flags) { return (void)flags, (int)fault_at("init"); }

int cuDeviceGetCount(int *count) {
    *count = fault_is("zero") ? 0 : fault_is("billions") ? 2000000000 : fault_is("negative") ? -1 : 1;
    return (int)fault_at("list");
}

int cuDeviceGet(int *device, int index) { return *device = index, fault_is("vanish") ? 101 : 0; }

int cuDeviceGetName(char *name, int length, int device) {
    if (!fault_is("garbage") && !fault_is("unterminated"))
        return healthy_name(name, length, device);
    for (int place = 0; place < length; place++)
        name[place] = fault_is("garbage") ? (char)(place * 167 + 13) : 'A';
    return 0;
}
