/* A vendor's tool that answers with TEXT but for the fault that fault.h names. It leaves `.started` beside itself. */
#define PROGRAM
#include "fault.h"

int main(void) {
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
        puts(TEXT);
    fflush(stdout);
    return 0;
}
