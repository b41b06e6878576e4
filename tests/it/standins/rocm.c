/* HSA and HIP with one MI250X die, which no machine without the card can have: the calls that the child makes, with values
   that only a right reading gives back. OLD leaves out what came with HIP 6. */
#include <stdint.h>
#include <string.h>

typedef struct { uint64_t handle; } agent;

int hsa_init(void) { return 0; }

int hsa_status_string(int code, const char **words) { *words = "fine"; return code != 0; }

int hsa_iterate_agents(int (*each)(agent, void *), void *data)
{
    for (uint64_t number = 1; number <= 2; number++)
        if (each((agent){ number }, data)) return 1;
    return 0;
}

/* The first is the processor, the second the GPU. */
int hsa_agent_get_info(agent which, int what, void *to)
{
    int gpu = which.handle == 2;
    switch (what) {
    case 0: strcpy(to, gpu ? "gfx90a" : "AMD EPYC 7A53"); return 0;
    case 17: *(uint32_t *)to = gpu; return 0;
    case 0xa006: *(uint32_t *)to = 0xc1 << 8 | 2 << 3 | 1; return 0;
    case 0xa009: strcpy(to, "AMD Instinct MI250X"); return 0;
    case 0xa00f: *(uint32_t *)to = 3; return 0;
    default: return 0x1001;
    }
}

int hipRuntimeGetVersion(int *version) { *version = 60241133; return 0; }
int hipGetDeviceCount(int *count) { *count = 1; return 0; }
int hipDeviceGet(int *device, int index) { *device = index; return 0; }
int hipDeviceGetName(char *to, int room, int device) { strncpy(to, "AMD Instinct MI250X", room); return device; }
int hipDeviceTotalMem(size_t *bytes, int device) { *bytes = 68702699520u; return device; }
int hipDeviceGetPCIBusId(char *to, int room, int device) { strncpy(to, "0003:c1:02.1", room); return device; }
int hipDeviceGetAttribute(int *value, int what, int device) { *value = what == 16 ? 0 : 1; return device; }

static int fill(char *to, int at)
{
    strcpy(to, "AMD Instinct MI250X");
    strcpy(to + at, "gfx90a:sramecc+:xnack-");
    return 0;
}
int hipGetDeviceProperties(void *to, int device) { return device + fill(to, 396); }
#ifndef OLD
int hipGetDevicePropertiesR0600(void *to, int device) { return device + fill(to, 1160); }
#endif
