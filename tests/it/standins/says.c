/* A program that prints TEXT, whatever it is asked; with -DHANG it never does. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
#ifdef HANG
    sleep(600);
#endif
    puts(TEXT);
    return 0;
}
