/* Starts a command in which the kernel refuses some system calls: deny ERRNO NUMBER... -- COMMAND. A sandbox does so. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    int number;
} CALLS[] = {
    {"socket", SYS_socket},         {"ptrace", SYS_ptrace},         {"prctl", SYS_prctl},   {"memfd_create", SYS_memfd_create},
    {"pidfd_open", SYS_pidfd_open}, {"clone3", SYS_clone3},         {"statx", SYS_statx},   {"close_range", SYS_close_range},
    {"waitid", SYS_waitid},         {"faccessat2", SYS_faccessat2}, {"fork", SYS_clone},    {"getrandom", SYS_getrandom},
    {"setpgid", SYS_setpgid},       {"prlimit64", SYS_prlimit64},   {"mkdir", SYS_mkdir},
};

int main(int count, char **words) {
    struct sock_filter filter[64] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned short length = 1;
    unsigned code = count > 1 ? atoi(words[1]) : 0;
    int word = 2;
    for (; word < count && strcmp(words[word], "--"); word++)
        for (unsigned call = 0; call < sizeof CALLS / sizeof *CALLS; call++)
            if (!strcmp(words[word], CALLS[call].name)) {
                filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALLS[call].number, 0, 1);
                filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | code);
            }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0))
        return 125;
    execvp(words[word + 1], words + word + 1);
    return 126;
}
