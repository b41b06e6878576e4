/* A CUDA driver library that tells on whoever initialises it: it leaves a file where ACCELPROBE_TOUCHED says. */
#include <stdio.h>
#include <stdlib.h>

static void told(void) {
    const char *path = getenv("ACCELPROBE_TOUCHED");
    FILE *file = path ? fopen(path, "w") : 0;
    if (file)
        fclose(file);
}

__attribute__((constructor)) static void loaded(void) { told(); }

int cuInit(unsigned flags) {
    (void)flags;
    told();
    return 100;
}

int cuDriverGetVersion(int *version) {
    *version = 12040;
    return 0;
}
