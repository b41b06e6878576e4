/* The NVML of nvml.c but for the fault that fault.h names. */
#include "fault.h"

#define nvmlInit_v2 healthy_init
#define nvmlInitWithFlags healthy_init_with
#define nvmlDeviceGetCount_v2 healthy_count
#define nvmlDeviceGetHandleByIndex_v2 healthy_handle
#define nvmlDeviceGetName healthy_name
#include "nvml.c"
#undef nvmlInit_v2
#undef nvmlInitWithFlags
#undef nvmlDeviceGetCount_v2
#undef nvmlDeviceGetHandleByIndex_v2
#undef nvmlDeviceGetName

int nvmlInit_v2(void) { return (int)fault_at("init"); }
int nvmlInitWithFlags(unsigned flags) { return (void)flags, nvmlInit_v2(); }

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = fault_is("zero") ? 0 : fault_is("billions") ? 0xffffffff : 1;
    return (int)fault_at("list");
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = "card";
    return fault_is("billions") ? 0 : fault_is("vanish") ? 15 : index ? 2 : 0;
}

int nvmlDeviceGetName(void *device, char *name, unsigned length) {
    if (!fault_is("garbage") && !fault_is("unterminated"))
        return healthy_name(device, name, length);
    for (unsigned place = 0; place < length; place++)
        name[place] = fault_is("garbage") ? (char)(place * 167 + 13) : 'A';
    return 0;
}
