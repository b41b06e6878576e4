/* A Vulkan driver that is Mesa's CPU renderer but for one fault, for the tests: every call goes to the real driver (DRIVER,
 * its library), and what FAULT names goes wrong. CRASH_SECOND and HANG_SECOND fail in the second vkCreateInstance of a
 * process, which is the one of wgpu; DO_NOTHING drops vkCmdDispatch, so that shaders never run. */
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { CRASH_SECOND, HANG_SECOND, DO_NOTHING };

typedef void (*function)(void);
typedef function (*lookup)(void *, const char *);

static void *driver(void) {
    static void *handle;
    if (!handle)
        handle = dlopen(DRIVER, RTLD_NOW | RTLD_LOCAL);
    return handle;
}

static function of_instance(void *instance, const char *name) {
    lookup real = (lookup)dlsym(driver(), "vk_icdGetInstanceProcAddr");
    return real(instance, name);
}

static int create_instance(const void *info, const void *allocator, void **instance) {
    static int times;
    times++;
    if (times > 1 && FAULT == CRASH_SECOND) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    while (times > 1 && FAULT == HANG_SECOND)
        sleep(3600);
    return ((int (*)(const void *, const void *, void **))of_instance(0, "vkCreateInstance"))(info, allocator, instance);
}

static void dispatch_nothing(void *commands, uint32_t x, uint32_t y, uint32_t z) {
    (void)commands, (void)x, (void)y, (void)z;
}

/* The loader asks for this function before it has a device. */
static lookup of_device_for_real;

static function of_device(void *device, const char *name) {
    if (FAULT == DO_NOTHING && !strcmp(name, "vkCmdDispatch"))
        return (function)dispatch_nothing;
    return of_device_for_real(device, name);
}

function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
    if (!strcmp(name, "vkCreateInstance"))
        return (function)create_instance;
    if (!strcmp(name, "vkGetDeviceProcAddr")) {
        of_device_for_real = (lookup)of_instance(instance, name);
        return (function)of_device;
    }
    return of_instance(instance, name);
}

function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
    lookup real = (lookup)dlsym(driver(), "vk_icdGetPhysicalDeviceProcAddr");
    return real ? real(instance, name) : 0;
}

int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    int (*real)(uint32_t *) = (int (*)(uint32_t *))dlsym(driver(), "vk_icdNegotiateLoaderICDInterfaceVersion");
    return real ? real(version) : 0;
}
