/* A Vulkan driver that is Mesa's CPU renderer (DRIVER, its library) but for the fault that fault.h names. */
#include "fault.h"

typedef void (*function)(void);
typedef function (*lookup)(void *, const char *);

static void *driver(void) {
    static void *handle;
    if (!handle)
        handle = dlopen(DRIVER, RTLD_NOW | RTLD_LOCAL);
    return handle;
}

static function real(void *instance, const char *name) {
    return ((lookup)dlsym(driver(), "vk_icdGetInstanceProcAddr"))(instance, name);
}

static int create_instance(const void *info, const void *allocator, void **instance) {
    long code = fault_at("init");
    if (code)
        return (int)code;
    return ((int (*)(const void *, const void *, void **))real(0, "vkCreateInstance"))(info, allocator, instance);
}

static void *in_use;

static int enumerate(void *instance, uint32_t *count, void **devices) {
    long code = fault_at("list");
    if (code)
        return (int)code;
    if (fault_is("zero") || (fault_is("vanish") && devices))
        return *count = 0, 0;
    if (fault_is("billions") && !devices)
        return *count = 0xffffffff, 0;
    int status = ((int (*)(void *, uint32_t *, void **))real(instance, "vkEnumeratePhysicalDevices"))(instance, count, devices);
    if (fault_is("billions"))
        *count = 0xffffffff;
    return status;
}

/* The name of the device, 256 bytes behind five numbers. */
static void rename_device(char *properties) {
    char *name = properties + 20;
    if (fault_is("unterminated"))
        memset(name, 'A', 256);
    else if (fault_is("garbage"))
        for (int place = 0; place < 256; place++)
            name[place] = (char)(place * 167 + 13);
    else
        snprintf(name, 256, "Faulty renderer");
}

static void properties(void *device, char *to) {
    ((void (*)(void *, void *))real(in_use, "vkGetPhysicalDeviceProperties"))(device, to);
    rename_device(to);
}

static void properties2(void *device, char *to) {
    ((void (*)(void *, void *))real(in_use, "vkGetPhysicalDeviceProperties2"))(device, to);
    rename_device(to + 16);
}

static function own(void *instance, const char *name) {
    if (instance)
        in_use = instance;
    if (!strcmp(name, "vkCreateInstance"))
        return (function)create_instance;
    if (!strcmp(name, "vkEnumeratePhysicalDevices"))
        return (function)enumerate;
    if (!strcmp(name, "vkGetPhysicalDeviceProperties"))
        return (function)properties;
    if (!strcmp(name, "vkGetPhysicalDeviceProperties2") || !strcmp(name, "vkGetPhysicalDeviceProperties2KHR"))
        return (function)properties2;
    return 0;
}

function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
    function mine = own(instance, name);
    return mine ? mine : real(instance, name);
}

function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
    lookup theirs = (lookup)dlsym(driver(), "vk_icdGetPhysicalDeviceProcAddr");
    function mine = own(instance, name);
    return mine ? mine : theirs ? theirs(instance, name) : 0;
}

int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    int (*theirs)(uint32_t *) = (int (*)(uint32_t *))dlsym(driver(), "vk_icdNegotiateLoaderICDInterfaceVersion");
    return theirs ? theirs(version) : 0;
}
