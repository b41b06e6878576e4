/* The HSA and HIP of rocm.c but for the fault that fault.h names: either library's functions have it. */
#include "fault.h"

#define hsa_init healthy_hsa_init
#define hsa_iterate_agents healthy_agents
#define hipRuntimeGetVersion healthy_runtime
#define hipGetDeviceCount healthy_count
#define hipDeviceGet healthy_get
#define hipDeviceGetName healthy_name
#include "rocm.c"
#undef hsa_init
#undef hsa_iterate_agents
#undef hipRuntimeGetVersion
#undef hipGetDeviceCount
#undef hipDeviceGet
#undef hipDeviceGetName

int hsa_init(void) { return (int)fault_at("init"); }

int hsa_iterate_agents(int (*each)(agent, void *), void *data) {
    long code = fault_at("list");
    if (code || fault_is("zero"))
        return (int)code;
    for (uint64_t number = 0; fault_is("billions") && number < 4000000000; number++)
        if (each((agent){2}, data))
            return 1;
    return healthy_agents(each, data);
}

int hipRuntimeGetVersion(int *version) {
    healthy_runtime(version);
    return (int)fault_at("init");
}

int hipGetDeviceCount(int *count) {
    *count = fault_is("zero") ? 0 : fault_is("billions") ? 2000000000 : fault_is("negative") ? -1 : 1;
    return (int)fault_at("list");
}

int hipDeviceGet(int *device, int index) { return *device = index, fault_is("vanish") ? 101 : 0; }

int hipDeviceGetName(char *name, int length, int device) {
    if (!fault_is("garbage") && !fault_is("unterminated"))
        return healthy_name(name, length, device);
    for (int place = 0; place < length; place++)
        name[place] = fault_is("garbage") ? (char)(place * 167 + 13) : 'A';
    return 0;
}
