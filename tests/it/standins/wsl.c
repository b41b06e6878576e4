/* A wsl.exe with one distribution, `Ubuntu-24.04`, in which the Linux build of the program is on the search path: it prints the
 * file that ACCELPROBE_WSL_TELLS names. Whatever else it is asked for it refuses, as the real one does, in UTF-16. */
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

int main(int count, char **words) {
    static const wchar_t refusal[] = L"There is no distribution with the supplied name.\r\n";
    const char *path = getenv("ACCELPROBE_WSL_TELLS");
    FILE *file = path ? fopen(path, "rb") : NULL;
    int named = count > 3 && !strcmp(words[1], "--distribution") && !strcmp(words[2], "Ubuntu-24.04");
    char bytes[4096];
    size_t read;
    if (!file || !named || !strstr(words[count - 1], "accelprobe doctor --json")) {
        DWORD written;
        WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), refusal, sizeof refusal - sizeof *refusal, &written, NULL);
        return -1;
    }
    setvbuf(stdout, NULL, _IOFBF, sizeof bytes);
    _setmode(1, _O_BINARY);
    while ((read = fread(bytes, 1, sizeof bytes, file)) > 0)
        fwrite(bytes, 1, read, stdout);
    return 0;
}
