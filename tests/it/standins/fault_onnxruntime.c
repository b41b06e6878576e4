/* ONNX Runtime as far as it is asked for its version and its providers, but for the fault that fault.h names. It has the
 * provider of the processor alone. Written against the order of the functions in its C API. */
#include "fault.h"

typedef struct { int code; } status;

static void *nothing(void) { return 0; }
static int error_code(const status *told) { return told->code; }
static const char *error_message(const status *told) { return (void)told, "a stand-in's error"; }
static const char *build_info(void) { return "ORT Build Info: a stand-in"; }
static const char *version(void) { return "1.20.0"; }

static status *available_providers(char ***names, int *count) {
    static char *list[] = {"CPUExecutionProvider", 0};
    static status told;
    *names = list;
    *count = fault_is("zero") ? 0 : fault_is("billions") ? 2000000000 : 1;
    told.code = (int)fault_at("list");
    return told.code ? &told : 0;
}

static void *table[512];
static const void *api(uint32_t number) { return (void)number, table; }
static struct { const void *(*api)(uint32_t); const char *(*version)(void); } base = {api, version};

const void *OrtGetApiBase(void) {
    for (int place = 0; place < 512; place++)
        table[place] = (void *)nothing;
    table[1] = (void *)error_code;
    table[2] = (void *)error_message;
    table[125] = (void *)available_providers;
    table[254] = (void *)build_info;
    fault_at("init");
    return &base;
}
