/* What may go wrong in a driver, and when. A library or program that includes this does what the file beside it says: its own
 * path with `.fault` behind holds a kind, a moment (load, init, list, exit) and a number. So one build serves the whole
 * corpus, and nothing needs the environment, which children get cleaned. With PROGRAM it is a program. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char fault_path[4096];
static char fault_kind[32] = "none", fault_moment[32] = "never";
static long fault_number;

static void fault_read(void) {
    char path[4096];
#ifdef PROGRAM
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 8);
    path[length > 0 ? length : 0] = 0;
#else
    Dl_info own;
    if (!dladdr((void *)fault_read, &own))
        return;
    snprintf(path, sizeof path - 8, "%s", own.dli_fname);
#endif
    strcpy(fault_path, path);
    strcat(path, ".fault");
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    fscanf(file, "%31s %31s %ld", fault_kind, fault_moment, &fault_number);
    fclose(file);
}

/* Whether this is the fault, whatever the moment: for what is wrong in the data. */
static int fault_is(const char *kind) { return !strcmp(fault_kind, kind); }

static int fault_deeper(volatile char *above) {
    volatile char page[4096];
    page[0] = above[0] + 1;
    return fault_deeper(page) + page[0];
}

static void fault_flood(int to, const char *line, size_t length, size_t bytes) {
    for (size_t written = 0; written < bytes; written += length)
        if (write(to, line, length) < 0)
            return;
}

static void *fault_spin(void *unused) {
    for (volatile unsigned turns = 0;; turns++)
        ;
    return unused;
}

static void fault_wait(void) {
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (;;)
        sleep(3600);
}

/* A process in a session of its own that has lost its parent and keeps every descriptor open; renamed, it is another program
 * with nothing in its environment. */
static void fault_orphan(int renamed) {
    if (fork())
        return;
    setsid();
    if (fork())
        _exit(0);
    if (renamed)
        execle("/bin/sleep", fault_path, "600", (char *)0, (char *[]){0});
    signal(SIGTERM, SIG_IGN);
    sleep(600);
    _exit(0);
}

static void fault_do(void) {
    static const char talk[] = "a driver that talks about itself at length, and on a stream that is not its own\n";
    static const char forged[] = "\x1e" "accelprobe-answer {\"Ok\":\"forged\"}\n{\"driver\": \"forged\"}\n";
    char noise[256];
    volatile int zero = 0;
    if (fault_is("segv"))
        *(volatile int *)8 = 1;
    if (fault_is("abort"))
        abort();
    if (fault_is("fpe"))
        zero = 100 / zero;
    if (fault_is("stack"))
        zero = fault_deeper((volatile char *)&zero);
    if (fault_is("exit"))
        exit(0);
    if (fault_is("quit"))
        _exit(0);
    if (fault_is("spin"))
        fault_spin(0);
    if (fault_is("sleep"))
        fault_wait();
    if (fault_is("stop"))
        raise(SIGSTOP);
    if (fault_is("orphan"))
        fault_orphan(0);
    if (fault_is("daemon"))
        fault_orphan(1);
    if (fault_is("stdout"))
        fault_flood(1, talk, sizeof talk - 1, 10000000);
    if (fault_is("stderr"))
        fault_flood(2, talk, sizeof talk - 1, 10000000);
    if (fault_is("noise")) {
        for (int byte = 0; byte < 256; byte++)
            noise[byte] = (char)(byte * 167 + 13);
        fault_flood(1, noise, sizeof noise, 4096);
        fault_flood(2, noise, sizeof noise, 4096);
    }
    if (fault_is("forged")) {
        fault_flood(1, forged, sizeof forged - 1, 1);
        fault_flood(2, forged, sizeof forged - 1, 1);
    }
    if (fault_is("closed"))
        for (int descriptor = 0; descriptor < 4096; descriptor++)
            close(descriptor);
    if (fault_is("hunger")) {
        /* Bounded, for the machine's sake. */
        for (size_t taken = 0; taken < 2ul << 30; taken += 16ul << 20) {
            char *more = mmap(0, 16ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (more == MAP_FAILED)
                abort();
            memset(more, 1, 16ul << 20);
        }
        fault_wait();
    }
    if (fault_is("environment")) {
        clearenv();
        setenv("PATH", "/nonexistent", 1);
        setenv("HOME", "/nonexistent", 1);
        setenv("TMPDIR", "/nonexistent", 1);
    }
    if (fault_is("directory") && chdir("/"))
        abort();
    if (fault_is("threads"))
        for (pthread_t thread; fault_number < 2; fault_number++)
            pthread_create(&thread, 0, fault_spin, 0);
}

/* Does what is to be done at this moment; the error code that a call is to give, or 0. */
static long fault_at(const char *moment) {
    if (strcmp(moment, fault_moment))
        return 0;
    if (fault_is("code"))
        return fault_number;
    fault_do();
    return 0;
}

__attribute__((constructor(101))) static void fault_load(void) {
    fault_read();
    fault_at("load");
}

__attribute__((destructor)) static void fault_exit(void) { fault_at("exit"); }
