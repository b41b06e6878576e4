/* What asking drivers costs at the least: a C program that initialises one driver and lists its devices, and ends at once.
 * Its time is what tests/tools/benchmark measures the doctor against.
 *
 *     bare vulkan:MANIFEST opencl:FILE.icd hsa hip smi ze      each in a process of its own, all at once
 *
 * Written against the public interfaces; no header of anybody else is needed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *of(const char *library, const char *function) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    return handle ? dlsym(handle, function) : 0;
}

/* Vulkan 1.x: an instance, its devices, and the properties of each. */
static int vulkan(const char *manifest) {
    setenv("VK_DRIVER_FILES", manifest, 1);
    setenv("VK_ICD_FILENAMES", manifest, 1);
    int (*create)(const void *, const void *, void **) = of("libvulkan.so.1", "vkCreateInstance");
    int (*list)(void *, uint32_t *, void **) = of("libvulkan.so.1", "vkEnumeratePhysicalDevices");
    void (*properties)(void *, void *) = of("libvulkan.so.1", "vkGetPhysicalDeviceProperties");
    struct { uint32_t type; const void *next; uint32_t flags; const void *application; uint32_t layers;
             const void *layer_names; uint32_t extensions; const void *extension_names; } info = { .type = 1 };
    void *instance = 0, *devices[16];
    uint32_t count = 16;
    static char room[4096]; /* VkPhysicalDeviceProperties takes 824 bytes */
    if (!create || create(&info, 0, &instance) || list(instance, &count, devices) < 0)
        return 1;
    for (uint32_t device = 0; device < count; device++)
        properties(devices[device], room);
    return 0;
}

/* OpenCL: platforms, their devices, and the name of each. */
static int opencl(const char *file) {
    char folder[] = "/tmp/bare-XXXXXX", link[64];
    if (!mkdtemp(folder))
        return 1;
    snprintf(link, sizeof link, "%s/one.icd", folder);
    if (symlink(file, link))
        return 1;
    setenv("OCL_ICD_VENDORS", folder, 1);
    int (*platforms)(uint32_t, void **, uint32_t *) = of("libOpenCL.so.1", "clGetPlatformIDs");
    int (*list)(void *, uint64_t, uint32_t, void **, uint32_t *) = of("libOpenCL.so.1", "clGetDeviceIDs");
    int (*tell)(void *, uint32_t, size_t, void *, size_t *) = of("libOpenCL.so.1", "clGetDeviceInfo");
    void *platform[8], *device[16];
    uint32_t count = 0, devices;
    char name[256];
    int failed = !platforms || platforms(8, platform, &count);
    for (uint32_t at = 0; !failed && at < count; at++) {
        devices = 0;
        if (list(platform[at], 0xffffffff, 16, device, &devices))
            continue;
        for (uint32_t one = 0; one < devices; one++)
            tell(device[one], 0x102b, sizeof name, name, 0);
    }
    unlink(link);
    rmdir(folder);
    return failed;
}

static int initialise(const char *library, const char *function, long argument) {
    int (*init)(long) = of(library, function);
    return init ? init(argument) : 1;
}

static int one(char *what) {
    char *file = strchr(what, ':');
    if (file)
        *file++ = 0;
    if (!strcmp(what, "vulkan"))
        return vulkan(file);
    if (!strcmp(what, "opencl"))
        return opencl(file);
    if (!strcmp(what, "hsa"))
        return initialise("libhsa-runtime64.so.1", "hsa_init", 0);
    if (!strcmp(what, "hip"))
        return initialise("libamdhip64.so.5", "hipInit", 0);
    if (!strcmp(what, "smi"))
        return initialise("librocm_smi64.so.1", "rsmi_init", 0);
    if (!strcmp(what, "ze"))
        return initialise("libze_loader.so.1", "zeInit", 0);
    fprintf(stderr, "bare: nothing is known of `%s`\n", what);
    return 2;
}

int main(int count, char **what) {
    if (count == 2)
        _exit(one(what[1]));
    for (int at = 1; at < count; at++)
        if (!fork()) {
            execl("/proc/self/exe", what[0], what[at], (char *)0);
            _exit(127);
        }
    while (wait(0) > 0)
        ;
    return 0;
}
