/* A program that prints TEXT, whatever it is asked. */
#include <stdio.h>

int main(void) {
    puts(TEXT);
    return 0;
}
