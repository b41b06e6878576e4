/* A vendor's tool that answers a question with TEXT, and without one as nvidia-smi does, but for the fault that fault.h names. It leaves `.started` beside itself. */
#define PROGRAM
#include "fault.h"

int main(int count, char **arguments) {
    (void)arguments;
    char mark[4200];
    snprintf(mark, sizeof mark, "%s.started", fault_path);
    FILE *started = fopen(mark, "w");
    if (started)
        fclose(started);
    long code = fault_at("init");
    if (code)
        return (int)code;
    fault_at("list");
    if (!fault_is("zero"))
        puts(count > 1 ? TEXT : "| NVIDIA-SMI " TEXT "  Driver Version: " TEXT "  CUDA Version: 12.4 |");
    fflush(stdout);
    return 0;
}
