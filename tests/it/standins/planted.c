/* What must not be taken from the working directory: a library, or with PROGRAM a program, that tells on whoever loads or
 * runs it. It leaves a file beside itself, named as it is with `.taken` behind. */
#include <windows.h>

static void taken(HMODULE module) {
    wchar_t path[1024];
    DWORD length = GetModuleFileNameW(module, path, 1000);
    HANDLE file;
    lstrcpyW(path + length, L".taken");
    file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file != INVALID_HANDLE_VALUE)
        CloseHandle(file);
}

#ifdef PROGRAM
int main(void) {
    taken(NULL);
    return 0;
}
#else
BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved) {
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH)
        taken(module);
    return TRUE;
}
#endif
