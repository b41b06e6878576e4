/* What must not be taken from the working directory: a library, or with PROGRAM a program, that leaves a file at MARK when it is
 * loaded or run. */
#include <fcntl.h>
#include <unistd.h>

static void mark(void) {
    close(open(MARK, O_CREAT | O_WRONLY, 0600));
}

#ifdef PROGRAM
int main(void) {
    mark();
    return 0;
}
#else
__attribute__((constructor)) static void loaded(void) {
    mark();
}
#endif
