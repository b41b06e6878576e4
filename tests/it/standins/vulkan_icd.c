/* A Vulkan driver with one fault, for the tests: the loader takes it for a driver, and vkCreateInstance does what FAULT
 * says. Written against the loader-driver interface, version 5; no header of anybody else is needed. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CRASH, HANG, NOISE, EXIT };

static int create_instance(const void *info, const void *allocator, void **instance) {
    (void)info, (void)allocator, (void)instance;
    switch (FAULT) {
    case CRASH:
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
        break;
    case HANG:
        signal(SIGTERM, SIG_IGN);
        for (;;)
            sleep(3600);
    case NOISE:
        for (int line = 0; line < 100000; line++) {
            puts("a driver that talks on standard output");
            fputs("\x1e" "accelprobe-answer {\"Ok\":\"forged\"}\n", stderr);
        }
        fflush(stdout);
        break;
    case EXIT:
        exit(0);
    }
    return -9; /* VK_ERROR_INCOMPATIBLE_DRIVER: no device of ours */
}

static int enumerate_extensions(const char *layer, uint32_t *count, void *properties) {
    (void)layer, (void)properties;
    *count = 0;
    return 0;
}

typedef void (*function)(void);

function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
    (void)instance;
    if (!strcmp(name, "vkCreateInstance"))
        return (function)create_instance;
    if (!strcmp(name, "vkEnumerateInstanceExtensionProperties"))
        return (function)enumerate_extensions;
    return 0;
}

int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    if (*version > 5)
        *version = 5;
    return 0;
}
