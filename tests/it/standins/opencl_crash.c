/* An OpenCL driver that crashes as soon as the loader asks it for its platforms. */

#include <string.h>

static int crash(void)
{
    *(volatile int *)0 = 1;
    return 0;
}

void *clGetExtensionFunctionAddress(const char *name)
{
    return strcmp(name, "clIcdGetPlatformIDsKHR") == 0 ? (void *)crash : (void *)0;
}

int clIcdGetPlatformIDsKHR(unsigned entries, void **platforms, unsigned *count)
{
    return crash();
}

int clGetPlatformInfo(void *platform, unsigned name, unsigned long size, void *value, unsigned long *length)
{
    return crash();
}
