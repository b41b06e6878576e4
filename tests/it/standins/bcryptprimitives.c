/* The one function of bcryptprimitives.dll that Rust's standard library calls, for Wine before 9, which has no such
 * library: random bytes by way of the older RtlGenRandom, which advapi32 exports under the name below. */
#include <stddef.h>

__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *to, unsigned long length);

__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *to, size_t length) {
    while (length > 0) {
        unsigned long part = length > 0x10000 ? 0x10000 : (unsigned long)length;
        if (!SystemFunction036(to, part))
            return 0;
        to += part;
        length -= part;
    }
    return 1;
}
